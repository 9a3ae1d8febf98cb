//! `sextet engine`: builds, lists, compares, times and clears TensorRT engines.

mod bench;
mod build;
mod check;
mod list;

use std::{env, process};

use anyhow::Result;
use sextet_separator::TensorRtOptions;
use sextet_separator::tensorrt::TF32_VARIABLE;

use crate::args::{AgainstArg, EngineCommand, MakingFlags};
use crate::computing;
use crate::fault::{Fault, Kind};

/// Runs one of the `engine` commands.
pub(crate) fn run(command: EngineCommand) -> Result<u8> {
    if wants_float32(&command) && env::var_os(TF32_VARIABLE).is_none() {
        return again_without_tf32();
    }

    match &command {
        EngineCommand::Check(args) => computing::name_gpu(args.engine.gpu),
        EngineCommand::Bench(args) => computing::name_gpu(args.engine.gpu),
        EngineCommand::Build(args) => computing::name_gpus(args.gpu.clone()),
        EngineCommand::List { .. } | EngineCommand::Clear => {}
    }

    match command {
        EngineCommand::Build(args) => build::run(&args),
        EngineCommand::List { json } => list::run(json),
        EngineCommand::Check(args) => check::run(&args),
        EngineCommand::Bench(args) => bench::run(&args),
        EngineCommand::Clear => list::clear(),
    }?;

    Ok(0)
}

fn wants_float32(command: &EngineCommand) -> bool {
    match command {
        EngineCommand::Build(args) => args.making.fp32,
        EngineCommand::Check(args) => args.engine.making.fp32 || args.against == AgainstArg::Fp32,
        EngineCommand::Bench(args) => args.engine.making.fp32,
        EngineCommand::List { .. } | EngineCommand::Clear => false,
    }
}

/// Runs this very command in a new process whose environment forbids TF32. A running process cannot
/// change its own environment safely.
fn again_without_tf32() -> Result<u8> {
    let mut command = process::Command::new(env::current_exe()?);
    let status = command
        .args(env::args_os().skip(1))
        .env(TF32_VARIABLE, "0")
        .status()?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}

/// Returns the configured options, overridden by the flags of an `engine` command.
fn options(making: &MakingFlags, batch: Option<u8>) -> Result<TensorRtOptions> {
    with_flags(computing::tensorrt_options()?, making, batch)
}

/// Returns `options`, overridden by the flags.
fn with_flags(
    mut options: TensorRtOptions,
    making: &MakingFlags,
    batch: Option<u8>,
) -> Result<TensorRtOptions> {
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
