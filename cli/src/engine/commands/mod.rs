//! `sextet engine`: compares and times engines on GPUs, and builds, lists and clears TensorRT's.

mod bench;
#[cfg(feature = "tensorrt")]
mod build;
mod check;
#[cfg(feature = "tensorrt")]
mod float32;
#[cfg(feature = "tensorrt")]
mod list;

use anyhow::Result;
use sextet_separator::{EngineChoice, EngineOptions, GpuOptions};

use crate::args::{EngineCommand, EngineFlags, GpuEngineArg, MakingFlags};
use crate::fault::{Fault, Kind};

/// Runs one of the `engine` commands.
pub(crate) fn run(command: EngineCommand) -> Result<u8> {
    #[cfg(feature = "tensorrt")]
    if let Some(code) = float32::run_again(&command)? {
        return Ok(code);
    }

    match &command {
        EngineCommand::Check(args) => crate::engine::name_gpu(args.engine.gpu),
        EngineCommand::Bench(args) => crate::engine::name_gpu(args.engine.gpu),
        EngineCommand::Build(args) => crate::engine::name_gpus(args.gpu.clone()),
        EngineCommand::List { .. } | EngineCommand::Clear => {}
    }

    match command {
        EngineCommand::Check(args) => check::run(&args),
        EngineCommand::Bench(args) => bench::run(&args),
        #[cfg(feature = "tensorrt")]
        EngineCommand::Build(args) => build::run(&args),
        #[cfg(feature = "tensorrt")]
        EngineCommand::List { json } => list::run(json),
        #[cfg(feature = "tensorrt")]
        EngineCommand::Clear => list::clear(),
        #[cfg(not(feature = "tensorrt"))]
        EngineCommand::Build(_) | EngineCommand::List { .. } | EngineCommand::Clear => {
            Err(crate::engine::not_built_in())
        }
    }?;

    Ok(0)
}

/// Returns the options of the engine that `flags` name, in batches of `batch`.
fn engine(flags: &EngineFlags, batch: Option<u8>) -> Result<EngineOptions> {
    Ok(EngineOptions::new()
        .engine(match flags.kind {
            GpuEngineArg::Cuda => EngineChoice::Cuda,
            GpuEngineArg::Tensorrt => EngineChoice::TensorRt,
        })
        .gpu(options(&flags.making, batch)?))
}

/// Returns the configured options, overridden by the flags of an `engine` command.
fn options(making: &MakingFlags, batch: Option<u8>) -> Result<GpuOptions> {
    with_flags(crate::engine::gpu_options()?, making, batch)
}

/// Returns `options`, overridden by the flags.
fn with_flags(
    mut options: GpuOptions,
    making: &MakingFlags,
    batch: Option<u8>,
) -> Result<GpuOptions> {
    options.full_precision = making.fp32;
    if let Some(batch) = batch {
        options.batch = Some(usize::from(batch));
    }

    if let Some(gb) = making.workspace {
        if !(gb > 0.0 && gb <= 1024.0) {
            let fault = Fault::new(
                Kind::Usage,
                format!("--workspace is a number of GB above 0, not {gb}"),
            );
            return Err(fault.remedy("leave it out for as much as there is").into());
        }
        options.workspace_bytes = Some((gb * 1e9) as usize);
    }

    Ok(options)
}
