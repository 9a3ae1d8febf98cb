//! Float32 that is not rounded to TF32, which a new process alone can have.

use std::{env, process};

use anyhow::Result;
use sextet_separator::tensorrt::TF32_VARIABLE;

use crate::args::{AgainstArg, EngineCommand};

/// Runs a command that wants float32 in a new process, unless the environment says something about
/// TF32. Returns that process's exit code.
pub(super) fn run_again(command: &EngineCommand) -> Result<Option<u8>> {
    if !wants_float32(command) || env::var_os(TF32_VARIABLE).is_some() {
        return Ok(None);
    }
    again_without_tf32().map(Some)
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
