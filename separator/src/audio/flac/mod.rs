//! Reading FLAC: frames, found by their checksums (RFC 9639).
//!
//! symphonia 0.6.1 decodes FLAC's frames; its reader of FLAC files is not used. It takes samples
//! that look like the header of a frame for one, loses the last frame before bytes that are none,
//! and refuses files for what their covers say.

pub(super) mod checksum;
pub(super) mod frame;
pub(super) mod frames;
pub(super) mod info;
pub(super) mod reader;
