//! Machines, which are models on their engines. A machine moves to the CPU when a GPU fails in the
//! middle of a batch and the engine was not insisted on. Several machines share the songs among
//! several GPUs.

use std::panic::resume_unwind;
use std::thread::scope;
use std::time::Duration;

use anyhow::{Result, bail};
use sextet_separator::{EngineChoice, EngineOptions, Model, Separator, Work};

use super::report::Running;
use crate::args::{EngineArg, SeparateArgs};
use crate::engine::Waiting;
use crate::fault::Report;
use crate::{engine, models};

/// A separator that takes one song after the other.
pub(super) struct Machine<'a> {
    args: &'a SeparateArgs,
    /// Number of its GPU; meaningless when it is on the CPU.
    gpu: usize,
    pub(super) separator: Separator,
}

/// All machines that separate the songs of a batch at the same time.
pub(super) struct Machines<'a> {
    pub(super) all: Vec<Machine<'a>>,
    /// The reason for their engine, if there was a choice.
    pub(super) note: Option<String>,
    /// Messages about GPUs that are left out, with the reasons.
    pub(super) left_out: Vec<String>,
}

/// Returns the number of songs that can be worked on at the same time with `args`: one for each
/// engine.
pub(super) fn engine_count(args: &SeparateArgs) -> usize {
    // Errors in the configuration are reported when the engines are started.
    engine::options_of_all(args.engine, args.threads).map_or(1, |each| each.len())
}

impl<'a> Machines<'a> {
    /// Starts `model` on the engines that `args` ask for, at most one for each of `songs`. If the
    /// choice is open, the CPU is used when it would finish the songs first. A GPU that cannot be
    /// used is left out if the engine was not insisted on and there are others.
    ///
    /// # Errors
    /// When an engine that was insisted on cannot be used.
    pub(super) fn start(
        args: &'a SeparateArgs,
        model: Model,
        songs: usize,
        mut work: impl FnMut() -> Box<dyn Iterator<Item = Work> + 'a>,
    ) -> Result<Self> {
        let mut each = engine::options_of_all(args.engine, args.threads)?;
        each.truncate(songs.max(1));

        // The first starts alone: it makes whatever is made once for a model, and the others find
        // it.
        let begin = |options| Machine::start(args, model.clone(), options, &mut *work());
        let First {
            started: first,
            rest,
            mut left_out,
        } = start_first(each, begin)?;

        let ahead = format!(
            "`sextet engine build {}` does that ahead",
            args.model.display()
        );
        let note = engine::note(&first.separator, &ahead);

        let mut all = vec![first];
        if !rest.is_empty() && !all[0].separator.is_on_cpu() {
            // Networks of a bag are started now, too: an engine that starts must not come between
            // others that compute.
            all[0].separator.start(&mut waiting(args))?;
            let running = engine::running(&all[0].separator);
            for started in start_others(args, &model, rest, running) {
                match started {
                    Ok(machine) => all.push(machine),
                    Err(error) if args.engine != EngineArg::Auto => return Err(error.1),
                    Err((gpu, error)) => left_out.push(left(gpu, &Report::of(&error).message)),
                }
            }
        }

        Ok(Self {
            all,
            note,
            left_out,
        })
    }

    /// Leaks the engines. The end of the process frees all of them at once; taking them down one by
    /// one would delay it.
    pub(super) fn leave(self) {
        std::mem::forget(self);
    }
}

/// The first machine that could be used, out of several.
#[derive(Debug, PartialEq)]
struct First<M, O> {
    started: M,
    /// Options of the machines that were not tried.
    rest: Vec<O>,
    /// Messages about those that were tried before and are left out.
    left_out: Vec<String>,
}

/// Starts one of `each` after the other by `start`, which also returns a message where the machine
/// is not what was asked for. The first without one is taken, or else the last of all.
///
/// # Errors
/// The first error of `start`, or when there is nothing to start.
fn start_first<M, O>(
    each: Vec<O>,
    mut start: impl FnMut(O) -> Result<(M, Option<String>)>,
) -> Result<First<M, O>> {
    let mut rest = each.into_iter();
    let mut left_out = Vec::new();
    loop {
        let Some(options) = rest.next() else {
            bail!("there is no engine to start");
        };

        let (started, failed) = start(options)?;
        match failed {
            Some(why) if rest.len() > 0 => left_out.push(why),
            _ => {
                return Ok(First {
                    started,
                    rest: rest.collect(),
                    left_out,
                });
            }
        }
    }
}

/// Starts `model` on the GPUs of `each` at the same time, on the engine of `choice`.
fn start_others<'a>(
    args: &'a SeparateArgs,
    model: &Model,
    each: Vec<EngineOptions>,
    choice: EngineChoice,
) -> Vec<std::result::Result<Machine<'a>, (usize, anyhow::Error)>> {
    let start = |options: EngineOptions| {
        let gpu = options.gpu.index;

        // A GPU that cannot be used is an error here: the CPU is not one of several machines.
        let options = options.engine(choice);
        let mut quiet = Waiting::new(true);
        let started = Separator::builder(model.clone())
            .backend(options)
            .listener(&mut quiet)
            .build()
            .and_then(|mut separator| {
                separator.start(&mut quiet)?;
                Ok(Machine {
                    args,
                    gpu,
                    separator,
                })
            });

        started.map_err(|error| (gpu, error.into()))
    };

    scope(|scope| {
        let threads: Vec<_> = each
            .into_iter()
            .map(|options| scope.spawn(|| start(options)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

/// The message about a GPU that is left out.
fn left(gpu: usize, why: &str) -> String {
    format!("GPU {gpu} is left out: {why}")
}

impl<'a> Machine<'a> {
    /// Starts `model` on the engine that `options` ask for. Also returns a message if the machine
    /// is on the CPU because the GPU cannot be used.
    fn start(
        args: &'a SeparateArgs,
        model: Model,
        options: EngineOptions,
        songs: &mut dyn Iterator<Item = Work>,
    ) -> Result<(Self, Option<String>)> {
        let (gpu, is_open) = (options.gpu.index, options.engine == EngineChoice::Auto);
        let backend = engine::weigh(&model, options, songs, Duration::ZERO);
        let separator = Separator::builder(model)
            .backend(backend)
            .listener(&mut waiting(args))
            .build()?;
        let is_refused = is_open && separator.is_on_cpu() && separator.sooner().is_none();

        let failed = is_refused.then(|| left(gpu, &separator.engine_note().unwrap_or_default()));
        Ok((
            Self {
                args,
                gpu,
                separator,
            },
            failed,
        ))
    }

    /// Returns the engine that computes, and its GPU.
    pub(super) fn running(&self) -> Running {
        Running {
            engine: self.separator.engine_name(),
            gpu: (!self.separator.is_on_cpu()).then_some(self.gpu),
        }
    }

    /// Moves to the CPU after `failure`, if that is allowed and possible, and returns the reason.
    /// The caller then separates the song again.
    pub(super) fn take_over(&mut self, failure: &Report) -> Option<String> {
        let why = engine::takeover(self.args.engine, &self.separator, failure)?;
        let on_cpu = || {
            let model = models::open(&self.args.model)?;
            engine::start(
                model,
                EngineArg::Cpu,
                self.args.threads,
                &mut waiting(self.args),
            )
        };

        // If the CPU cannot be used either, the GPU's failure stands.
        self.separator = on_cpu().ok()?;
        Some(why)
    }
}

fn waiting(args: &SeparateArgs) -> Waiting {
    Waiting::new(args.quiet || args.json)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use clap::Parser as _;
    use sextet_cases::each_case;
    use sextet_separator::audio::{Audio, AudioWriter, Layout, WriteOptions};

    use super::super::choice::Choice;
    use super::super::jobs::{self, SongJob};
    use super::super::report::{Outcome, Reporter, Shared, Status, Totals};
    use super::super::song::SongRunner;
    use super::super::{inputs, memory_bytes, separate_all, start};
    use super::*;
    use crate::args::{Cli, Command};
    use crate::stems::OutputDisk;
    use crate::unfinished::Unfinished;

    #[test]
    fn one_machine_is_started_and_the_others_are_left_to_be_started() {
        /// Machines to start, of which those below zero cannot be used; then the one that is taken,
        /// the rest, and the ones that are left out.
        type Case = (&'static [i32], i32, &'static [i32], &'static [i32]);
        let cases: [Case; 7] = [
            (&[0], 0, &[], &[]),
            (&[0, 0], 0, &[0], &[]),
            (&[0, 1, 2], 0, &[1, 2], &[]),
            (&[-1, 1, 2], 1, &[2], &[-1]),
            (&[-1, -2, 2], 2, &[], &[-1, -2]),
            // The last one stands, whatever it is on.
            (&[-1, -2], -2, &[], &[-1]),
            (&[-1], -1, &[], &[]),
        ];

        each_case(cases, |(each, started, rest, left_out)| {
            let start = |gpu: i32| Ok((gpu, (gpu < 0).then(|| gpu.to_string())));
            let expected = First {
                started,
                rest: rest.to_vec(),
                left_out: left_out.iter().map(i32::to_string).collect(),
            };
            let found = start_first(each.to_vec(), start).unwrap();
            assert_eq!(found, expected, "{each:?}");
        });

        let none = start_first(Vec::<i32>::new(), |gpu| Ok((gpu, None)));
        assert!(none.is_err(), "nothing to start");
    }

    /// The calls that a reporter received: the songs that began, and for each song that ended, its
    /// number and where it was computed.
    #[derive(Default)]
    struct Told {
        began: Vec<usize>,
        ended: BTreeMap<usize, Option<Running>>,
        order: Vec<Status>,
    }

    struct Recorder(Arc<Mutex<Told>>);

    impl Reporter for Recorder {
        fn song(&mut self, index: usize, _job: &SongJob, _on: &Running) {
            self.0.lock().unwrap().began.push(index);
        }

        fn ended(&mut self, index: usize, _job: &SongJob, outcome: &Outcome) {
            self.0
                .lock()
                .unwrap()
                .ended
                .insert(index, outcome.on.clone());
        }

        fn end(&mut self, _jobs: &[SongJob], outcomes: &[Outcome], _totals: &Totals) {
            self.0.lock().unwrap().order = outcomes
                .iter()
                .map(|outcome| outcome.status.clone())
                .collect();
        }
    }

    fn song(path: &Path, pitch: f32) {
        let layout = Layout {
            channels: 2,
            rate_hz: 44_100,
        };
        let side: Vec<f32> = (0..22_050)
            .map(|n| (n as f32 * 0.01 * pitch).sin() * 0.3)
            .collect();
        let file = fs::File::create(path).unwrap();
        let mut writer = AudioWriter::new(file, layout, &WriteOptions::default(), 22_050).unwrap();

        writer
            .write(&Audio::new(vec![side.clone(), side], 44_100))
            .unwrap();
        writer.finish().unwrap();
    }

    /// Separates the songs of `folder` on `engines` CPU engines. One of the files is no song.
    fn separate(folder: &Path, engines: usize) -> (Told, BTreeMap<String, Vec<u8>>) {
        let output = folder.join(format!("stems-{engines}"));
        let songs = folder.join("songs");
        let words = [
            "sextet",
            "separate",
            "--engine",
            "cpu",
            "--threads",
            "1",
            "--single-chunk",
            "-q",
        ];

        let named = [songs.to_str().unwrap(), "-o", output.to_str().unwrap()];
        let Command::Separate(args) = Cli::parse_from(words.into_iter().chain(named)).command
        else {
            panic!()
        };

        let model = models::open(&args.model).unwrap();
        let choice = Choice::resolve(&args, model.sources(), String::new()).unwrap();
        let found = inputs::gather(&args.inputs, &args.output, false, &Unfinished::default());
        let jobs = jobs::of(found.inputs, &choice).unwrap();

        let machine = |gpu| {
            let separator = engine::start(
                model.clone(),
                EngineArg::Cpu,
                args.threads,
                &mut Waiting::new(true),
            );
            Machine {
                args: &args,
                gpu,
                separator: separator.unwrap(),
            }
        };

        let mut machines = Machines {
            all: (0..engines).map(machine).collect(),
            note: None,
            left_out: Vec::new(),
        };

        let told = Arc::new(Mutex::new(Told::default()));
        let (reporter, unfinished) = (
            Shared::new(Box::new(Recorder(told.clone()))),
            Unfinished::default(),
        );
        let runner = SongRunner {
            choice: &choice,
            unfinished: &unfinished,
            disk: OutputDisk::of(&choice.output),
            ahead: Mutex::default(),
            memory_bytes: memory_bytes(engines),
        };

        let start = start(&args, &choice, &machines, String::new(), &jobs);
        assert_eq!(start.engines.len(), engines);

        let totals = separate_all(&reporter, &runner, &mut machines, &start, &jobs);
        assert_eq!((totals.done, totals.failed), (3, 1));

        let mut files = BTreeMap::new();
        for job in &jobs {
            for path in job.outputs.iter().filter(|path| path.is_file()) {
                let name = path.strip_prefix(&output).unwrap().display().to_string();
                files.insert(name, fs::read(path).unwrap());
            }
        }

        drop(reporter);
        (Arc::into_inner(told).unwrap().into_inner().unwrap(), files)
    }

    #[test]
    fn engines_that_share_songs_give_what_one_gives_and_tell_it_in_order() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("songs")).unwrap();

        for (name, pitch) in [("1.wav", 1.0), ("3.wav", 1.5), ("4.wav", 2.25)] {
            song(&folder.path().join("songs").join(name), pitch);
        }

        fs::write(folder.path().join("songs/2.wav"), b"no song").unwrap();

        let (alone, expected) = separate(folder.path(), 1);
        let (shared, found) = separate(folder.path(), 2);

        assert_eq!(expected.len(), 18);
        assert!(found == expected, "other stems: {:?}", found.keys());

        for told in [alone, shared] {
            assert!(matches!(
                &told.order[..],
                [Status::Done, Status::Failed(_), Status::Done, Status::Done]
            ));
            assert_eq!(told.ended.len(), 4);
            let on_cpu = |on: &Option<Running>| {
                on.as_ref()
                    .is_some_and(|on| on.gpu.is_none() && on.engine == "CPU")
            };

            assert!(told.ended.values().all(on_cpu), "{:?}", told.ended);
            let mut began = told.began.clone();
            began.sort_unstable();

            assert_eq!(began, [0, 1, 2, 3]);
        }
    }
}
