//! `sextet separate`: songs in, stems out.

mod choice;
mod files;
mod inputs;
mod machine;
mod plan;
mod reading;
mod report;
mod song;
mod template;
mod work;
mod writers;

use std::cell::RefCell;

use anyhow::Result;
use sextet_separator::timings::timed;
use sextet_separator::{DecodeOptions, MEMORY_BYTES};

use crate::args::SeparateArgs;
use crate::unfinished::Unfinished;
use crate::{computing, engine, models, timings};
use choice::Choice;
use inputs::Input;
use machine::Machine;
use plan::Job;
use reading::Reading;
use report::{Outcome, Start, Status, Totals};
use song::Bench;

pub(crate) use files::StemFiles;
pub(crate) use report::{Moved, clock, json_fatal};
pub(crate) use template::{DEFAULT as DEFAULT_TEMPLATE, Template, Values};
pub(crate) use work::of_song as work_of_song;
pub(crate) use writers::{Care, StemWriters, as_library, bytes, cannot_write};

/// Separates all that `args` names; returns the exit code.
///
/// # Errors
/// When nothing could begin: flags, model or engine cannot be used.
pub(crate) fn run(args: &SeparateArgs, unfinished: &Unfinished) -> Result<u8> {
    choice::check(args)?;
    computing::name_gpus(args.gpu.clone());
    engine::warm_up(args.engine, args.threads);
    let inputs = timed("find the songs", || inputs::gather(&args.inputs, &args.output));
    let ahead = read_first(args, &inputs);
    let model = timed("open the model", || models::open(&args.model))?;
    let choice = Choice::resolve(args, model.sources())?;
    let jobs = timed("plan the files", || plan::plan(inputs, &choice))?;
    let hash = model.hash().to_string();
    let segment_frames = model.segment_frames();
    let mut machine = Machine::start(args, model, &mut work::of(&jobs, &choice, segment_frames))?;
    let start = start(args, &choice, &machine, hash, &jobs);
    let bench = Bench { choice: &choice, unfinished, ahead: RefCell::new(ahead) };
    let totals = separate_all(args, &bench, &mut machine, &start, &jobs);
    machine.leave();
    Ok(totals.exit_code())
}

/// Begins to read the first of `inputs`, unless it is perhaps to be skipped.
fn read_first(args: &SeparateArgs, inputs: &[Input]) -> Option<Reading> {
    let first = inputs.iter().find(|input| input.found.is_ok()).filter(|_| !args.skip_existing)?;
    Some(Reading::start(&first.path, DecodeOptions { sum: args.sum.into(), memory_bytes: MEMORY_BYTES }))
}

fn start(args: &SeparateArgs, choice: &Choice, machine: &Machine, model_hash: String, jobs: &[Job]) -> Start {
    Start {
        model: args.model.display().to_string(),
        model_hash,
        engine: machine.separator.engine_name(),
        engine_note: machine.note.clone(),
        parts: choice.parts.iter().map(|part| part.name.clone()).collect(),
        output: args.output.clone(),
        bytes: jobs.iter().map(|job| *job.found.as_ref().unwrap_or(&0)).collect(),
        start_s: timings::since_begin().as_secs_f64(),
    }
}

/// One song after the other; a failing one does not stop the rest.
fn separate_all(args: &SeparateArgs, bench: &Bench, machine: &mut Machine, start: &Start, jobs: &[Job]) -> Totals {
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
    let totals = Totals::of(&outcomes, timings::since_begin().as_secs_f64());
    reporter.end(jobs, &outcomes, &totals);
    totals
}
