//! The reporter of `-q`: prints nothing but errors.

use super::{Outcome, Reporter, Status};
use crate::separate::jobs::SongJob;
use crate::stdio;

pub(super) struct Silent;

impl Reporter for Silent {
    fn ended(&mut self, _index: usize, _job: &SongJob, outcome: &Outcome) {
        if let Status::Failed(report) = &outcome.status {
            stdio::err(&report.to_string());
        }
    }
}
