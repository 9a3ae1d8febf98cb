//! The flags of `sextet cache` and `sextet worker`.

use std::num::NonZeroUsize;

use clap::{Args, Subcommand};

use crate::cache::Limit;

#[derive(Args, Debug)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    pub(crate) command: CacheCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// List what is in the stem cache, what was used last first
    List {
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// Delete what is in the stem cache and not in use; separating makes it again
    Clear {
        /// Only these entries, by their keys or the beginnings of them
        #[arg(value_name = "KEY")]
        keys: Vec<String>,
    },
    /// Print where the stem cache is (SEXTET_CACHE moves it)
    Path,
    /// Say how much the stem cache may hold, or set it (SEXTET_CACHE_LIMIT overrides it)
    Limit {
        /// A size such as 50GB or 500MB; what was used longest ago goes first
        #[arg(value_name = "SIZE")]
        limit: Option<Limit>,
    },
}

#[derive(Args, Debug)]
pub(crate) struct WorkerArgs {
    /// Threads of the CPU engine [default: one a physical core]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Number of the GPU, counted from 0 as the driver does [default: SEXTET_GPU, the
    /// configuration, 0]
    #[arg(long, value_name = "N")]
    pub(crate) gpu: Option<usize>,
}
