//! WAVE files, once for all of Sextet: the plugin, which must not link the separator, reads and
//! writes float32 stereo alone ([`FloatWav`], [`FloatWavWriter`]); the separator reads and writes
//! samples of every kind, under the same headers ([`WavHeader`], [`WavFormat`]).
//!
//! The formats are RIFF, RF64 and BW64: "Multimedia Programming Interface and Data Specifications
//! 1.0" (Microsoft, 1991), `WAVEFORMATEXTENSIBLE` (Microsoft), EBU Tech 3306 (RF64) and ITU-R
//! BS.2088 (BW64).
//!
//! No library of others does it. hound, the usual one, knows no RF64 and no tags. bwavfile 2.0.1
//! knows both, but reads and writes sample by sample, takes a header by its word, panics on a chunk
//! too many (`todo!`), and depends on clap 2 and `encoding`, which nobody maintains. symphonia's
//! reader refuses a file whose sizes are wrong, and RF64.

mod float;
mod format;
mod read_header;
mod samples;
mod write_header;

pub use float::{FloatWav, FloatWavWriter, HEADER_BYTES, WavError, write_header};
pub use format::{SampleFormat, WavFormat};
pub use read_header::{HeaderError, WavHeader};
pub use samples::{bytes_of, bytes_of_mut};
pub use write_header::chunk;

/// `WAVE_FORMAT_PCM`.
const PCM: u16 = 1;
/// `WAVE_FORMAT_IEEE_FLOAT`.
const FLOAT: u16 = 3;
/// `WAVE_FORMAT_EXTENSIBLE`: the true format is in the first two bytes of its sub-format.
const EXTENSIBLE: u16 = 0xfffe;
