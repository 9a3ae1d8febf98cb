//! The captures on disk, apart from how they are made: where they lie, which are in use, how much
//! room they may take, and how a project takes them along.
//!
//! ```text
//! <folder>/<fingerprint>.wav    a capture, named after its audio
//! <folder>/<fingerprint>.json   what people call it
//! <folder>/limit                bytes that the captures may have together
//! ```
//!
//! The folder is the user's (`<data>/captures`), or one that a project has chosen. Only the user's
//! has a limit: what lies beside a project is the project's.

mod collect;
mod errand;
mod find;
mod holds;
mod label;
mod list;
mod place;
mod transfer;

pub(crate) use errand::{Errand, ErrandOutcome, ErrandTask};
pub(crate) use holds::Holds;
pub(crate) use label::write as write_label;
pub(crate) use list::{CaptureInfo, CaptureList};
pub(crate) use list::{delete, keep_within_limit, list, set_limit};
pub(crate) use place::{capture_of, folder_for_new};
