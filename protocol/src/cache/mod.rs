//! The stem cache: finished stems, keyed by the recipe that they were made by.
//!
//! ```text
//! <cache>/stems/
//!   <key>/              one entry: 32 hexadecimal digits, the fingerprint of its recipe
//!     manifest.json     its contents, with size and SHA-256 of every file; written last
//!     drums.wav ...     float32, stereo, at the clip's own rate and exactly as long as the clip
//!     in-use            locked (shared) by every reader of the entry; its time is the last use
//!   .sextet-*.part/     an entry that is being made: renamed to its key when it is complete
//!   .leaving-*/         an entry that is being deleted
//!   .lock               held (exclusively) for the moment in which entries come and go
//!   limit               bytes that the entries may have together, where the user has set it
//! ```
//!
//! An entry is there whole or not at all. Readers take an [`Entry`] and keep it for as long as they
//! read; it is not evicted meanwhile. Only `sextet worker` and `sextet cache` write.

mod entry;
mod manifest;
mod recipe;

pub use entry::{Entry, IN_USE_FILE, sha256_of_file};
pub use manifest::{MANIFEST_FILE, MANIFEST_FORMAT, Manifest, StemFile};
pub use recipe::Recipe;
