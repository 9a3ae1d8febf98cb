//! The reporter of `-q`: prints nothing but errors.

use super::{Outcome, Reporter, Status};
use crate::say;
use crate::separate::plan::Job;

pub(super) struct Silent;

impl Reporter for Silent {
    fn ended(&mut self, _index: usize, _job: &Job, outcome: &Outcome) {
        if let Status::Failed(report) = &outcome.status {
            say::err(&report.to_string());
        }
    }
}
