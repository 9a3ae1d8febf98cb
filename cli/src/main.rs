//! The `sextet` command: songs in, stems out.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod args;
mod cache;
mod config;
mod decoding;
mod doctor;
mod engine;
mod fault;
mod gpu;
mod interrupt;
mod log;
mod manual;
mod models;
mod page;
mod panics;
mod progress;
mod remedy;
mod separate;
#[cfg(feature = "tensorrt")]
mod setup;
mod stdio;
mod stems;
mod time;
mod timings;
mod transfer;
mod unfinished;
mod worker;

use std::io::Write as _;

use anyhow::Result;
use clap::Parser as _;

use args::{Cli, Command};
use fault::Report;
use unfinished::Unfinished;

fn main() -> ! {
    timings::begin();
    log::begin();
    panics::record();
    let cli = Cli::parse();
    let json = wants_json(&cli.command);

    let unfinished = Unfinished::default();
    let result = panics::catch(|| {
        interrupt::install(&unfinished)?;
        run(cli.command, &unfinished)
    });

    let code = result.unwrap_or_else(|error| fail(&Report::of(&error), json));
    leave(code, &unfinished)
}

/// Ends the process without waiting for threads that may still work and without taking down the
/// engine. All output has been written by then. Finished files have their names and unfinished ones
/// are deleted: once `unfinished` is closed, no file is created or renamed.
fn leave(code: u8, unfinished: &Unfinished) -> ! {
    sextet_separator::settle();
    unfinished.close();
    timings::report();
    let _ = std::io::stdout().flush();
    sextet_separator::exit_at_once(i32::from(code))
}

fn run(command: Command, unfinished: &Unfinished) -> Result<u8> {
    match command {
        Command::Separate(args) => return separate::run(&args, unfinished),
        Command::Worker(args) => return worker::run(&args, unfinished),
        Command::Model(args) => models::run(args.command, unfinished)?,
        Command::Engine(args) => return engine::run(args.command),
        #[cfg(feature = "tensorrt")]
        Command::Setup(args) => setup::run(args.command)?,
        #[cfg(not(feature = "tensorrt"))]
        Command::Setup(_) => return Err(engine::not_built_in()),
        Command::Cache(args) => cache::run(args.command, unfinished)?,
        Command::Doctor { json } => doctor::run(json)?,
        Command::Completions { shell } => manual::completions(shell)?,
        Command::Man { output } => manual::pages(output.as_deref())?,
    }
    Ok(0)
}

/// Whether a failure is also printed on standard output as JSON.
fn wants_json(command: &Command) -> bool {
    matches!(command, Command::Separate(args) if args.json)
}

fn fail(report: &Report, json: bool) -> u8 {
    if json {
        separate::json_fatal(report);
    }
    stdio::err(&report.to_string());
    report.kind.exit_code()
}
