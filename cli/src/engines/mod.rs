//! `sextet engine`: TensorRT engines built, listed, compared, timed and cleared. And what every command that computes
//! needs: which engine, and where TensorRT's files are.

mod bench;
mod build;
mod check;
mod list;

use std::num::NonZeroUsize;

use anyhow::Result;
use sextet_separator::TensorRtOptions;

use crate::args::{EngineCommand, EngineFlags};
use crate::computing;
use crate::fault::{Fault, Kind};

/// Runs one of the `engine` commands.
pub(crate) fn run(command: EngineCommand) -> Result<()> {
    match command {
        EngineCommand::Build(args) => build::run(&args),
        EngineCommand::List { json } => list::run(json),
        EngineCommand::Check(args) => check::run(&args),
        EngineCommand::Bench(args) => bench::run(&args),
        EngineCommand::Clear => list::clear(),
    }
}

/// What the flags of an `engine` command say, over what the configuration says.
fn options(fp32: bool, workspace_gb: Option<f64>, batch: Option<u8>) -> Result<TensorRtOptions> {
    let mut options = computing::tensorrt_options()?;
    options.full_precision = fp32;
    if let Some(batch) = batch.and_then(|batch| NonZeroUsize::new(usize::from(batch))) {
        options.batch = Some(batch.get());
    }
    if let Some(gb) = workspace_gb {
        if !(gb > 0.0 && gb <= 1024.0) {
            let fault = Fault::new(Kind::Usage, format!("--workspace is a number of GB above 0, not {gb}"));
            return Err(fault.help("leave it out for as much as there is").into());
        }
        options.workspace_bytes = Some((gb * 1e9) as usize);
    }
    Ok(options)
}

fn options_of(flags: &EngineFlags, batch: Option<u8>) -> Result<TensorRtOptions> {
    options(flags.fp32, flags.workspace, batch)
}
