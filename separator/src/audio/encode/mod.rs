//! Files of codecs that Sextet does not encode itself, such as MP3: ffmpeg encodes them.
//!
//! One process takes the samples through a pipe and writes one file, which the caller has created;
//! nothing goes through a shell. The delay and the padding of the encoder are stated in the file,
//! so that a decoder gives the song's length. What ffmpeg would write about itself is left out, and
//! the tags are written here ([`tag`]), so that they are the same in every format.

mod codec;
mod command;
mod feed;
mod options;
mod opus_tags;
mod stem_file;
mod tag;
mod writer;

pub use codec::{BitRate, Codec};
pub use options::EncodeOptions;
pub use stem_file::StemTrack;
pub use writer::EncodedWriter;
