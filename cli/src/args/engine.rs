//! The flags of `sextet engine` and `sextet setup`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::value::Gpus;
use crate::models::BUNDLED;

#[derive(Args, Debug)]
pub(crate) struct EngineArgs {
    #[command(subcommand)]
    pub(crate) command: EngineCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EngineCommand {
    /// Build a model's TensorRT engine ahead of time, and make the GPU ready for it where there is
    /// one
    Build(BuildArgs),
    /// List the TensorRT engines that are built, and where they are
    List {
        /// One JSON array instead of text
        #[arg(long)]
        json: bool,
    },
    /// Compare the stems of an engine on the GPU with those of another engine, on any song
    Check(CheckArgs),
    /// Time an engine on this machine's GPU: a chunk, a song, the start
    Bench(BenchArgs),
    /// Delete all TensorRT engines that are built; they are built again when they are needed
    Clear,
}

/// How a TensorRT engine is made, whatever it is made for.
#[derive(Args, Clone, Debug)]
pub(crate) struct MakingFlags {
    /// float32 throughout, which TensorRT alone has: slower, for comparison
    #[arg(long)]
    pub(crate) fp32: bool,
    /// Most memory that a layer of TensorRT may use for itself while it works
    #[arg(long, value_name = "GB")]
    pub(crate) workspace: Option<f64>,
}

/// The engine that is checked or timed.
#[derive(Args, Clone, Debug)]
pub(crate) struct EngineFlags {
    /// The engine
    #[arg(long = "engine", value_enum, default_value_t)]
    pub(crate) kind: GpuEngineArg,
    /// A name from `sextet model list`, or a .safetensors or .th checkpoint
    #[arg(short, long, value_name = "MODEL", default_value = BUNDLED)]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) making: MakingFlags,
    /// Number of the GPU, counted from 0 as the driver does [default: SEXTET_GPU, the
    /// configuration, 0]
    #[arg(long, value_name = "N")]
    pub(crate) gpu: Option<usize>,
}

/// `--engine` of the commands about engines on GPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum GpuEngineArg {
    /// CUDA kernels of our own
    #[default]
    Cuda,
    /// TensorRT
    Tensorrt,
}

#[derive(Args, Debug)]
pub(crate) struct BuildArgs {
    /// A name from `sextet model list`, or a .safetensors or .th checkpoint
    #[arg(value_name = "MODEL", default_value = BUNDLED)]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) making: MakingFlags,
    /// Segments at a time [default: 4, or 1 on a GPU with less than 7 GB]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) batch: Option<u8>,
    /// Architectures to build for, `sm86,sm89` or `all`, which is one engine that is larger; no GPU
    /// is needed [default: `all`, and what the GPU compiles of it]
    #[arg(long = "for", value_name = "SM,...", conflicts_with = "gpu")]
    pub(crate) targets: Option<String>,
    /// Make these GPUs ready, and build for nothing else: numbers, counted from 0 as the driver
    /// does, or `all`
    #[arg(long, value_name = "N,...")]
    pub(crate) gpu: Option<Gpus>,
    /// Write the engine here as well
    #[arg(short, long, value_name = "FILE", conflicts_with = "gpu")]
    pub(crate) output: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// An audio file
    #[arg(value_name = "SONG")]
    pub(crate) song: PathBuf,
    #[command(flatten)]
    pub(crate) engine: EngineFlags,
    /// The engine to compare with
    #[arg(long, value_enum, default_value_t)]
    pub(crate) against: AgainstArg,
    /// Segments at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) batch: Option<u8>,
    /// Only the first chunk: a quick look
    #[arg(long)]
    pub(crate) single_chunk: bool,
    /// One JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// `--against`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AgainstArg {
    /// The CPU engine, in float32
    #[default]
    Cpu,
    /// TensorRT in float32
    Fp32,
}

#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) engine: EngineFlags,
    /// How many segments at a time to try
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values = ["1", "2", "4", "8"],
          value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) batch: Vec<u8>,
    /// Length of the song that is separated in memory
    #[arg(long, value_name = "S", default_value_t = 180.0)]
    pub(crate) seconds: f64,
    /// Time every layer of TensorRT too, at the last batch
    #[arg(long)]
    pub(crate) layers: bool,
    /// JSON lines instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct SetupArgs {
    #[command(subcommand)]
    pub(crate) command: SetupCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SetupCommand {
    /// Fetch NVIDIA's TensorRT-RTX library for this user (from PyPI, verified; about 90 MB)
    Tensorrt {
        /// A wheel that is here already, instead of fetching it
        #[arg(long, value_name = "FILE.whl")]
        from: Option<PathBuf>,
        /// Say nothing but errors
        #[arg(short, long)]
        quiet: bool,
    },
}
