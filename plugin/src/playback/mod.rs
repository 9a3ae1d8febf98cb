//! Playing the stems: from files on disk, through a prefetching thread and pages in memory, to the
//! host's buses.
//!
//! ```text
//! StemFiles ─► PageSource (resamples) ─► Prefetcher ─► Pages ─► Player ─► buses
//!    disk            a thread of its own                 │   the audio thread
//!                                          lock-free hand-over
//! ```

mod deck;
mod geometry;
mod mixer;
mod page_source;
mod pages;
mod player;
mod prefetch;
mod ramp;
mod shared;
mod stem_files;

pub(crate) use deck::Deck;
pub(crate) use mixer::Levels;
pub(crate) use player::{Block, Player};
pub(crate) use stem_files::StemFiles;

/// Number of channels of all stems, which are stereo: drums left, drums right, bass left and so on.
pub(crate) const CHANNELS: usize = 2 * sextet_protocol::Stem::ALL.len();

#[cfg(test)]
mod tests;
