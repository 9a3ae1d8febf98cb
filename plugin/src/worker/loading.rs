//! Loading, or making for the first time, that a worker tells of.

use std::time::Instant;

use sextet_protocol::worker::Reply;

/// A thing that is loaded, or made once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Loading {
    /// A phrase for people: `loading sextet-mini`.
    pub(crate) what: String,
    pub(crate) done: u64,
    /// Number of steps in all; 0 where there is nothing to count.
    pub(crate) total: u64,
    /// Usual duration in seconds, where there are no steps to count.
    pub(crate) usual_s: Option<f64>,
    pub(crate) since: Instant,
}

impl Loading {
    /// Returns the loading that a reply tells of; `None` for any other reply.
    pub(super) fn of(reply: &Reply, now: Instant) -> Option<Self> {
        let Reply::Loading {
            what,
            done,
            total,
            usual_s,
            ..
        } = reply
        else {
            return None;
        };
        Some(Self {
            what: what.clone(),
            done: *done,
            total: *total,
            usual_s: *usual_s,
            since: now,
        })
    }
}
