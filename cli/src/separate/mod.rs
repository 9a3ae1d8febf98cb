//! `sextet separate`: songs in, stems out.

mod choice;
mod files;
mod inputs;
mod machine;
mod plan;
mod report;
mod song;
mod template;
mod writers;

use std::time::Instant;

use anyhow::Result;
use sextet_separator::Separator;
use sextet_separator::timings::timed;

use crate::args::SeparateArgs;
use crate::models;
use crate::unfinished::Unfinished;
use choice::Choice;
use machine::Machine;
use plan::Job;
use report::{Outcome, Start, Status, Totals};
use song::Bench;

pub(crate) use files::StemFiles;
pub(crate) use report::{Moved, clock, json_fatal};
pub(crate) use template::{DEFAULT as DEFAULT_TEMPLATE, Template, Values};
pub(crate) use writers::{StemWriters, as_library, bytes, cannot_write};

/// Separates all that `args` names; returns the exit code.
///
/// # Errors
/// When nothing could begin: flags, model or engine cannot be used.
pub(crate) fn run(args: &SeparateArgs, unfinished: &Unfinished) -> Result<u8> {
    choice::check(args)?;
    let model = timed("open the model", || models::open(&args.model))?;
    let choice = Choice::resolve(args, model.sources())?;
    let jobs = timed("plan the files", || plan::plan(inputs::gather(&args.inputs, &args.output), &choice))?;
    let hash = model.hash().to_string();
    let mut machine = Machine::start(args, model)?;
    let start = start(args, &choice, &machine.separator, hash, &jobs);
    let bench = Bench { choice: &choice, unfinished };
    Ok(separate_all(args, &bench, &mut machine, &start, &jobs).exit_code())
}

fn start(args: &SeparateArgs, choice: &Choice, separator: &Separator, model_hash: String, jobs: &[Job]) -> Start {
    Start {
        model: args.model.display().to_string(),
        model_hash,
        engine: separator.engine_name().to_string(),
        engine_note: separator.engine_note().map(str::to_owned),
        parts: choice.parts.iter().map(|part| part.name.clone()).collect(),
        output: args.output.clone(),
        bytes: jobs.iter().map(|job| *job.found.as_ref().unwrap_or(&0)).collect(),
    }
}

/// One song after the other; a failing one does not stop the rest.
fn separate_all(args: &SeparateArgs, bench: &Bench, machine: &mut Machine, start: &Start, jobs: &[Job]) -> Totals {
    let began = Instant::now();
    let mut reporter = report::reporter(args, jobs.len());
    reporter.start(start);
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        let mut outcome = bench.run(&mut machine.separator, index, job, &mut *reporter);
        if let Status::Failed(failure) = &outcome.status
            && let Some(why) = machine.take_over(failure)
        {
            reporter.warned(Some(index), &why);
            outcome = bench.run(&mut machine.separator, index, job, &mut *reporter);
        }
        reporter.ended(index, job, &outcome);
        outcomes.push(outcome);
    }
    let totals = Totals::of(&outcomes, began.elapsed().as_secs_f64());
    reporter.end(jobs, &outcomes, &totals);
    totals
}
