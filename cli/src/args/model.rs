//! The flags of `sextet model`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Args, Debug)]
pub(crate) struct ModelArgs {
    #[command(subcommand)]
    pub(crate) command: ModelCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// List the catalogue, and what is here of it
    List {
        /// One JSON array instead of text
        #[arg(long)]
        json: bool,
    },
    /// Say what a model is: its stems, size, segment, hash, and where it comes from
    Info {
        /// A name from `sextet model list`, a checkpoint (.safetensors, .th, .ckpt) or a demucs bag
        /// (.yaml)
        #[arg(value_name = "MODEL")]
        model: PathBuf,
        /// The configuration that a RoFormer was trained with, if it is not beside the checkpoint
        #[arg(long, value_name = "FILE.yaml")]
        config: Option<PathBuf>,
    },
    /// Fetch a model from the hub into the hub's own cache (HF_HOME, HF_ENDPOINT and HF_TOKEN are
    /// honoured)
    Fetch {
        /// A name from `sextet model list`
        #[arg(value_name = "NAME")]
        name: String,
        /// Do not ask, even at a terminal
        #[arg(short, long)]
        yes: bool,
        /// Say nothing but errors
        #[arg(short, long)]
        quiet: bool,
    },
    /// Print where a fetched model's files are, one a line
    Path {
        /// A name from `sextet model list`
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Delete a fetched model from the hub's cache (which demucs and others share)
    Remove {
        /// A name from `sextet model list`
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Write a model as one ONNX graph: waveform in, stems out
    Export(ExportArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// A name from `sextet model list`, or a checkpoint (.safetensors, .th, .ckpt)
    #[arg(value_name = "MODEL")]
    pub(crate) model: PathBuf,
    /// The configuration that a RoFormer was trained with, if it is not beside the checkpoint
    #[arg(long, value_name = "FILE.yaml")]
    pub(crate) config: Option<PathBuf>,
    /// The file to write
    #[arg(short, long, value_name = "FILE.onnx")]
    pub(crate) output: PathBuf,
    /// Chunks that go through the graph at once
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) batch: NonZeroUsize,
    /// What the graph computes in
    #[arg(long, value_enum, default_value_t)]
    pub(crate) precision: PrecisionArg,
}

/// `--precision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionArg {
    /// 32-bit floating point
    #[default]
    F32,
    /// 16-bit floating point, the Fourier transforms in 32 bits
    F16,
}
