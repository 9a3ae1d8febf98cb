//! The flags of `sextet separate`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use sextet_separator::Stem;

use super::value::{
    BitRateArg, BitsArg, EngineArg, Format, Gpus, MonoArg, Rate, StemTracks, SumArg, TagsArg,
    overlap, path, stem,
};
use crate::models::BUNDLED;

/// The flags of `sextet separate`, as typed.
#[derive(Args, Debug)]
pub(crate) struct SeparateArgs {
    /// Audio files, and folders that are searched for audio files
    #[arg(required = true, value_name = "INPUT", value_parser = path())]
    pub(crate) inputs: Vec<PathBuf>,

    /// Where the stems go
    #[arg(short, long, value_name = "DIR", default_value = "stems", value_parser = path())]
    pub(crate) output: PathBuf,

    /// A name from `sextet model list`, a .safetensors or .th checkpoint, or a demucs bag (.yaml
    /// beside its checkpoints)
    #[arg(short, long, value_name = "MODEL", default_value = BUNDLED)]
    pub(crate) model: PathBuf,

    /// What computes
    #[arg(long, value_enum, default_value_t, hide_possible_values = false)]
    pub(crate) engine: EngineArg,

    /// Threads of the CPU engine [default: one a physical core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,

    /// Numbers of the GPUs that share the songs, counted from 0 as the driver does, or `all`
    /// [default: SEXTET_GPU, the configuration, 0]
    #[arg(long, value_name = "N,...")]
    pub(crate) gpu: Option<Gpus>,

    /// Only these stems, one file each [default: all of the model's]
    #[arg(long, value_name = "STEM,...", value_delimiter = ',', value_parser = stem, group = "what")]
    pub(crate) stems: Vec<Stem>,

    /// All stems but these, one file each
    #[arg(long, value_name = "STEM,...", value_delimiter = ',', value_parser = stem, group = "what")]
    pub(crate) all_but: Vec<Stem>,

    /// Two files: this stem, and everything else as no_STEM
    #[arg(long, value_name = "STEM", value_parser = stem, group = "what")]
    pub(crate) two_stems: Option<Stem>,

    /// Format of the stems; mp3, m4a, opus, alac and stem.mp4 are encoded by ffmpeg
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,

    /// Bits a sample; 32f is floating point [default: 32f for wav, 24 for flac, aiff
    /// and alac]
    #[arg(long, value_enum)]
    pub(crate) bits: Option<BitsArg>,

    /// Kilobits a second, such as 192k, or for mp3 a quality from V0, the best, to V9 [default:
    /// 320k for mp3, 256k for m4a and stem.mp4, 192k for opus]
    #[arg(long, value_name = "RATE")]
    pub(crate) bitrate: Option<BitRateArg>,

    /// Stems in a stem.mp4, besides the mix [default: four]
    #[arg(long, value_enum)]
    pub(crate) stem_tracks: Option<StemTracks>,

    /// Tags of the stems: those of the song, with a title that names the stem, or none
    #[arg(long, value_enum, default_value_t)]
    pub(crate) tags: TagsArg,

    /// Sample rate of the stems: `source` or a number of Hz
    #[arg(long, value_name = "HZ", default_value = "source")]
    pub(crate) rate: Rate,

    /// Whether a mono input gives mono stems [default: keep; stereo for stem.mp4]
    #[arg(long, value_enum)]
    pub(crate) mono: Option<MonoArg>,

    /// Where each stem goes, below the output folder: {track}, {stem}, {ext}, {folder},
    /// {source_ext}, {model} [default: {track}/{stem}.{ext}; {track}/{track}.{ext} for stem.mp4]
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) name: Option<String>,

    /// How much of a chunk is shared with the next: 0 up to 0.99; more is slower and smoother
    #[arg(long, value_name = "X", default_value_t = 0.25, value_parser = overlap)]
    pub(crate) overlap: f64,

    /// Average N passes over shifted copies of the song instead of one over itself: N times the
    /// work, slightly cleaner
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) shifts: u32,

    /// Whether the stems add up to the input: as the model gives them (nearly), or exactly
    /// [default: model; exact for stem.mp4]
    #[arg(long, value_enum)]
    pub(crate) sum: Option<SumArg>,

    /// Only the first chunk of each song: a quick look
    #[arg(long)]
    pub(crate) single_chunk: bool,

    /// Also write a page, index.html beside the stems: a mixer that plays them in a browser
    #[arg(long)]
    pub(crate) page: bool,

    /// Skip songs whose stems are there already, made by the same model with the same options
    #[arg(long)]
    pub(crate) skip_existing: bool,

    /// Write no sextet.json, which says what the stems were made of, by what and how
    #[arg(long)]
    pub(crate) no_manifest: bool,

    /// JSON lines on standard output instead of text
    #[arg(long)]
    pub(crate) json: bool,

    /// Say nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Say more
    #[arg(short, long)]
    pub(crate) verbose: bool,
}
