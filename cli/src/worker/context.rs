//! The context of jobs: folders, cache and the way out for replies.

use sextet_protocol::Folders;

use super::outbox::Outbox;
use crate::cache::StemCache;
use crate::unfinished::Unfinished;

/// Everything that every job needs.
#[derive(Clone)]
pub(super) struct JobContext {
    pub(super) folders: Folders,
    pub(super) cache: StemCache,
    pub(super) unfinished: Unfinished,
    pub(super) outbox: Outbox,
}
