//! The command line as it is typed: raw flags, read by clap and not yet resolved.

mod cache;
mod engine;
mod model;
mod separate;
mod value;

use clap::{Parser, Subcommand};

pub(crate) use cache::{CacheArgs, CacheCommand, WorkerArgs};
pub(crate) use engine::{
    AgainstArg, BenchArgs, CheckArgs, EngineArgs, EngineCommand, EngineFlags, GpuEngineArg,
    MakingFlags, SetupArgs,
};
#[cfg(feature = "tensorrt")]
pub(crate) use engine::{BuildArgs, SetupCommand};
pub(crate) use model::{ExportArgs, ModelArgs, ModelCommand, PrecisionArg};
pub(crate) use separate::SeparateArgs;
pub(crate) use value::{
    BitRateArg, BitsArg, EngineArg, Format, Gpus, MonoArg, Rate, StemTracks, SumArg, TagsArg,
};

/// Exit codes, which `--help` prints after the options of every command.
const EXIT_CODES: &str = "\
Exit codes:
  0    all went well
  1    some or all of the inputs failed; every other one was done
  2    the command line cannot be used; nothing was done
  3    the model is unknown, missing, corrupt or not supported
  4    the engine could not be started
  5    the model hub could not be reached, or what it sent was wrong
  130  interrupted (Ctrl-C or SIGTERM); nothing half-written is left";

/// Splits songs into six stems: drums, bass, other, vocals, guitar and piano.
#[derive(Debug, Parser)]
#[command(name = "sextet", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Separate songs into stems
    #[command(after_help = EXIT_CODES)]
    Separate(Box<SeparateArgs>),
    /// List, fetch, inspect and export models
    #[command(after_help = EXIT_CODES)]
    Model(ModelArgs),
    /// Compare and time engines on the GPU; build and list TensorRT's
    #[command(after_help = EXIT_CODES)]
    Engine(EngineArgs),
    /// Fetch what engines need
    #[command(after_help = EXIT_CODES)]
    Setup(SetupArgs),
    /// Look into the stem cache of the plugin, and empty it
    #[command(after_help = EXIT_CODES)]
    Cache(CacheArgs),
    /// Serve the plugin: JSON lines on standard input and output, described in docs/worker.md
    #[command(after_help = EXIT_CODES)]
    Worker(WorkerArgs),
    /// Say what was found here: engines, GPU, models, caches; and what to do about what is missing
    Doctor {
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// Write completions for a shell to standard output
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual page to standard output, or one page a command into a folder
    Man {
        /// Folder for sextet.1, sextet-separate.1 and so on, instead of standard output
        #[arg(short, long, value_name = "DIR")]
        output: Option<std::path::PathBuf>,
    },
}
