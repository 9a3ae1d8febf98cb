//! Audio: the type that passes through every stage, its readers and its writers.
//!
//! [`AudioFile`] decodes a file block by block, [`Folded`] folds any number of channels to stereo,
//! and [`Resampled`] changes the rate. [`AudioWriter`] writes to a file that its caller has
//! opened. All of them work on blocks of planar float32 samples, nominally within -1 to 1, in
//! memory that does not depend on the length.

mod aiff_writer;
mod broadcast;
mod buffer;
mod child;
mod codec_name;
mod condition;
mod conform;
mod encode;
mod ffmpeg;
mod ffmpeg_fault;
mod file;
mod flac;
mod flac_writer;
mod fold;
mod follower;
mod foreign;
mod frame_count;
mod guard;
mod layout;
mod limits;
mod media_file;
mod mend;
mod mkv;
mod mp4;
mod opus;
mod packets;
mod pcm_encoder;
mod pcm_header;
mod quantize;
mod read_error;
mod resample;
mod sbr;
mod source;
mod speaker;
mod stream;
mod tags;
mod track;
mod trim;
mod wav_extent;
mod wav_reader;
mod wav_writer;
mod write_error;
mod write_options;
mod writer;

pub use buffer::Audio;
pub use child::end_all as end_ffmpeg;
pub use codec_name::CodecName;
pub use encode::{BitRate, Codec, EncodeOptions, EncodedWriter, StemTrack};
pub use ffmpeg::Ffmpeg;
pub use ffmpeg_fault::FfmpegFault;
pub use file::{AudioFile, AudioInfo};
pub use fold::{Fold, Folded};
pub use layout::Layout;
pub use limits::{MAX_CHANNELS, RATES_HZ};
pub use read_error::ReadError;
pub use resample::{ResampleError, Resampled, Resampler};
pub use source::AudioSource;
pub use speaker::Speaker;
pub(crate) use stream::BLOCK_FRAMES;
pub use stream::{AudioStream, Warning};
pub use tags::{Cover, TagField, Tags};
pub use write_error::WriteError;
pub use write_options::{Bits, FileFormat, WriteOptions, WrittenFile};
pub use writer::AudioWriter;
