//! `sextet separate`: songs in, stems out.

mod choice;
mod delivery;
mod format;
mod inputs;
mod jobs;
mod listener;
mod machine;
mod pool;
mod reading;
mod report;
mod song;
mod work;

use std::sync::Mutex;

use anyhow::Result;
use sextet_separator::timings::timed;
use sextet_separator::{DecodeOptions, MEMORY_BYTES, Work};

use crate::args::SeparateArgs;
use crate::fault::Kind;
use crate::stems::OutputDisk;
use crate::unfinished::Unfinished;
use crate::{decoding, engine, models, timings};
use choice::Choice;
use inputs::{Found, Input};
use jobs::SongJob;
use machine::{Machine, Machines};
use pool::After;
use reading::Reading;
use report::{Shared, Start, Status, Totals};
use song::SongRunner;

pub(crate) use format::{four_tracks, stem_track};
pub(crate) use report::json_fatal;

/// Most memory for the samples of all songs that are worked on at the same time, in bytes. A single
/// song may take [`MEMORY_BYTES`].
const ALL_MEMORY_BYTES: u64 = 4 * MEMORY_BYTES;

/// Separates all songs that `args` name and returns the exit code.
///
/// # Errors
/// When nothing could begin: flags, model or engine cannot be used.
pub(crate) fn run(args: &SeparateArgs, unfinished: &Unfinished) -> Result<u8> {
    // Check the flags and prepare the engine while the songs are looked for.
    choice::check(args)?;
    engine::name_gpus(args.gpu.clone());
    engine::warm_up(args.engine, args.threads);
    let Found {
        inputs,
        left_out,
        own_stems,
    } = timed("find the songs", || {
        let has_ffmpeg = decoding::ffmpeg().is_some();
        inputs::gather(&args.inputs, &args.output, has_ffmpeg, unfinished)
    });

    // Read the first song while the model opens and the engine starts.
    let memory_bytes = memory_bytes(machine::engine_count(args).min(inputs.len()));
    let ahead = read_first(args, &inputs, memory_bytes);
    let model = timed("open the model", || models::open(&args.model))?;
    let hash = model.hash().to_string();
    let choice = Choice::resolve(args, model.sources(), hash.clone())?;
    let jobs = timed("plan the files", || jobs::of(inputs, &choice))?;

    // Start the engines that suit the amount of work.
    let segment_frames = model.segment_frames();
    let songs = jobs.iter().filter(|job| work::is_to_do(job)).count();
    let work =
        || Box::new(work::of(&jobs, &choice, segment_frames)) as Box<dyn Iterator<Item = Work>>;

    let mut machines = Machines::start(args, model, songs, work)?;
    let start = Start {
        left_out,
        own_stems,
        ..start(args, &choice, &machines, hash, &jobs)
    };
    let runner = SongRunner {
        choice: &choice,
        unfinished,
        disk: OutputDisk::of(&choice.output),
        ahead: Mutex::new(ahead),
        memory_bytes,
    };

    // Separate the songs.
    let reporter = Shared::new(report::reporter(args, jobs.len()));
    let totals = separate_all(&reporter, &runner, &mut machines, &start, &jobs);
    machines.leave();

    Ok(totals.exit_code())
}

/// Returns the most memory, in bytes, for the samples of one of `songs` songs that are worked on at
/// the same time.
fn memory_bytes(songs: usize) -> u64 {
    (ALL_MEMORY_BYTES / songs.max(1) as u64).min(MEMORY_BYTES)
}

/// Begins to read the first of `inputs`, except when existing stems are to be skipped.
fn read_first(args: &SeparateArgs, inputs: &[Input], memory_bytes: u64) -> Option<Reading> {
    let first = inputs
        .iter()
        .find(|input| input.found.is_ok())
        .filter(|_| !args.skip_existing)?;
    Some(Reading::start(
        &first.path,
        DecodeOptions::new()
            .sum(choice::sum(args))
            .memory_bytes(memory_bytes),
    ))
}

fn start(
    args: &SeparateArgs,
    choice: &Choice,
    machines: &Machines,
    model_hash: String,
    jobs: &[SongJob],
) -> Start {
    Start {
        model: args.model.display().to_string(),
        model_hash,
        engines: machines.all.iter().map(Machine::running).collect(),
        engine_note: machines.note.clone(),
        parts: choice.parts.iter().map(|part| part.name.clone()).collect(),
        output: args.output.clone(),
        left_out: Vec::new(),
        own_stems: 0,
        bytes: jobs
            .iter()
            .map(|job| *job.found.as_ref().unwrap_or(&0))
            .collect(),
        start_s: timings::since_begin().as_secs_f64(),
    }
}

/// Separates all songs, as many at a time as there are engines. A failing song does not stop the
/// rest.
fn separate_all(
    reporter: &Shared,
    runner: &SongRunner,
    machines: &mut Machines,
    start: &Start,
    jobs: &[SongJob],
) -> Totals {
    reporter.tell().start(start);
    machines
        .left_out
        .iter()
        .for_each(|why| reporter.tell().warned(None, why));

    let outcomes = pool::share_out(&mut machines.all, jobs.len(), |machine, index| {
        let job = &jobs[index];
        let mut outcome = runner.run(machine, index, job, reporter);
        let mut after = After::Fit;

        if let Status::Failed(failure) = &outcome.status
            && failure.kind == Kind::Engine
        {
            after = After::Failed;
            if let Some(why) = machine.take_over(failure) {
                reporter.tell().warned(Some(index), &why);
                outcome = runner.run(machine, index, job, reporter);
            }
        }

        reporter.tell().ended(index, job, &outcome);
        (outcome, after)
    });

    let totals = Totals::of(&outcomes, timings::since_begin().as_secs_f64());
    reporter.tell().end(jobs, &outcomes, &totals);
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_of_all_songs_together_stay_within_bounds() {
        let mib = |bytes: u64| bytes >> 20;
        let cases = [
            (0, 256),
            (1, 256),
            (2, 256),
            (4, 256),
            (5, 204),
            (8, 128),
            (64, 16),
        ];

        for (songs, expected) in cases {
            assert_eq!(mib(memory_bytes(songs)), expected, "{songs} songs");
            assert!(
                memory_bytes(songs) * songs as u64 <= ALL_MEMORY_BYTES,
                "{songs} songs"
            );
        }
    }
}
