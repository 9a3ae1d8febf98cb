//! Choice of the engine where the options leave it open, and of the successor of an engine that
//! fails. All of these decisions are made here.
//!
//! | time | decision | function |
//! |---|---|---|
//! | before a start | whether a GPU that is not ready is worth the wait | [`Backend::weigh`] |
//! | at an engine's start | the CPU, where the GPU fails to start | [`start`] |
//! | in the middle of the work | the CPU, where a GPU fails | [`successor`] |

use std::fmt;
use std::time::Duration;

use super::cpu::{self, Cpu};
use super::tensorrt::{self, Opened};
use super::{Engine, EngineChoice, EngineError, EngineOptions};
use crate::model::{MODEL_RATE_HZ, Model, Network};
use crate::progress::Listener;
use crate::{Error, ErrorKind, Options, Result};

/// Amount of work by which an engine is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Work {
    /// Number of segments that every network processes.
    pub segments: u64,
}

impl Work {
    /// Returns the work for a song of `length` separated with `options` by a model whose segments
    /// have `segment_frames` frames.
    pub fn of_song(length: Duration, options: &Options, segment_frames: usize) -> Self {
        let segment_s = segment_frames as f64 / f64::from(MODEL_RATE_HZ);
        let chunks = if options.single_chunk {
            1.0
        } else {
            (length.as_secs_f64() / (segment_s * (1.0 - options.overlap)))
                .ceil()
                .max(1.0)
        };

        Self {
            segments: chunks as u64 * u64::from(options.shifts.max(1)),
        }
    }
}

/// Times that show that the CPU finishes before the GPU could begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sooner {
    /// Time that the CPU needs.
    pub on_cpu: Duration,
    /// Remaining time until the GPU is ready.
    pub until_ready: Duration,
}

impl fmt::Display for Sooner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [on_cpu, until_ready] =
            [self.on_cpu, self.until_ready].map(|time| time.as_secs_f64().ceil());
        write!(
            f,
            "the CPU needs some {on_cpu} s, and making the GPU ready for this model some {until_ready} s, once"
        )
    }
}

/// Reason why the CPU computes although the choice was left open.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    /// The GPU cannot be used.
    NoGpu(String),
    /// The CPU finishes before the GPU could begin.
    Sooner(Sooner),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGpu(why) => f.write_str(why),
            Self::Sooner(sooner) => sooner.fmt(f),
        }
    }
}

/// Engine to start a model on: the one that was asked for, or the one that was found to finish
/// sooner.
#[derive(Clone, Debug)]
pub struct Backend {
    options: EngineOptions,
    /// Reason for the CPU where the choice was left open.
    reason: Option<Reason>,
    /// GPU that was opened while weighing, ready for an engine.
    opened: Option<Opened>,
}

impl From<EngineOptions> for Backend {
    /// Returns the engine that the options name. An open choice becomes the GPU, or the CPU if the
    /// GPU fails to start.
    fn from(options: EngineOptions) -> Self {
        Self {
            options,
            reason: None,
            opened: None,
        }
    }
}

impl Backend {
    /// Weighs `songs` against the time that the GPU needs to be made ready for `model`, where
    /// `options` leave the choice open. If the preparation is under way already, `begun` is the
    /// time since it began. Chooses the CPU if it finishes before the GPU could begin. Takes only
    /// as many songs from the iterator as the decision needs.
    pub fn weigh(
        model: &Model,
        options: EngineOptions,
        songs: &mut dyn Iterator<Item = Work>,
        begun: Duration,
    ) -> Self {
        let networks: Vec<&Network> = model.networks_of().collect();
        let [first, ..] = networks[..] else {
            return options.into();
        };
        if options.engine != EngineChoice::Auto {
            return options.into();
        }

        let opened = tensorrt::open_gpu(first, &options.tensorrt);
        let until_ready = match &opened {
            Ok(opened) => Ok(opened.until_ready(&networks, &options.tensorrt)),
            Err(error) => Err(cause(error)),
        };
        let on_cpu = |limit| {
            let products: Vec<u64> = networks.iter().map(|network| network.products()).collect();
            time_on_cpu(&products, cpu::threads(options.threads), songs, limit)
        };

        match choose(until_ready, begun, on_cpu) {
            None => Self {
                options,
                reason: None,
                opened: opened.ok(),
            },
            Some(reason) => {
                let options = EngineOptions {
                    engine: EngineChoice::Cpu,
                    ..options
                };
                Self {
                    options,
                    reason: Some(reason),
                    opened: None,
                }
            }
        }
    }

    /// Returns the expected name of the started engine, for display.
    pub(crate) fn name(&self) -> String {
        match (&self.opened, self.options.engine) {
            (Some(opened), _) => opened.name(),
            (None, EngineChoice::Cpu) => cpu::NAME.to_owned(),
            (None, EngineChoice::TensorRt) => "TensorRT-RTX".to_owned(),
            (None, EngineChoice::Auto) => "TensorRT-RTX, or the CPU".to_owned(),
        }
    }

    /// Returns the reason for the CPU where the choice was left open.
    pub(crate) fn note(&self) -> Option<String> {
        self.reason.as_ref().map(Reason::to_string)
    }

    /// Returns whether the engine is certain to be the CPU.
    pub(crate) fn is_cpu(&self) -> bool {
        self.options.engine == EngineChoice::Cpu
    }

    /// Returns the times by which the CPU was chosen, if it was chosen because it finishes before
    /// the GPU could begin.
    pub fn sooner(&self) -> Option<Sooner> {
        match self.reason {
            Some(Reason::Sooner(sooner)) => Some(sooner),
            _ => None,
        }
    }
}

/// Returns the reason to use the CPU where the choice is open, if there is one. The GPU is ready
/// `until_ready` after its preparation began, which was `begun` ago. `on_cpu` returns the time that
/// the CPU needs; if that exceeds its argument, it may return any value above the argument.
fn choose(
    until_ready: std::result::Result<Duration, String>,
    begun: Duration,
    on_cpu: impl FnOnce(Duration) -> Duration,
) -> Option<Reason> {
    let until_ready = match until_ready {
        Ok(until_ready) => until_ready.saturating_sub(begun),
        Err(why) => return Some(Reason::NoGpu(why)),
    };
    if until_ready.is_zero() {
        return None;
    }

    let on_cpu = on_cpu(until_ready);
    (on_cpu <= until_ready).then_some(Reason::Sooner(Sooner {
        on_cpu,
        until_ready,
    }))
}

/// Estimates the CPU's time for `songs` on networks with the given numbers of products. Stops
/// taking songs once the time exceeds `limit`.
fn time_on_cpu(
    products: &[u64],
    threads: usize,
    songs: &mut dyn Iterator<Item = Work>,
    limit: Duration,
) -> Duration {
    let mut time = Duration::ZERO;
    for song in songs {
        time += products
            .iter()
            .map(|&products| cpu::estimate(products, song.segments, threads))
            .sum::<Duration>();
        if time > limit {
            break;
        }
    }

    time
}

/// Started engine.
pub(crate) struct Started {
    pub(crate) engine: Box<dyn Engine>,
    /// Reason for this engine, where the choice was left open.
    pub(crate) note: Option<String>,
}

/// Returns an error for an engine that is not available, before anything is loaded.
pub(crate) fn check(backend: &Backend) -> Result<()> {
    check_options(&backend.options)
}

fn check_options(options: &EngineOptions) -> Result<()> {
    match options.engine {
        EngineChoice::TensorRt if !tensorrt::IS_BUILT_IN => Err(EngineError::NotBuiltIn.into()),
        _ => Ok(()),
    }
}

/// Starts the engine of `backend` for one network. Where the choice was left open, the CPU replaces
/// a GPU that fails to start.
pub(crate) fn start(
    network: Network,
    backend: &mut Backend,
    listener: &mut dyn Listener,
) -> Result<Started> {
    check(backend)?;
    let options = &backend.options;
    let note = match options.engine {
        EngineChoice::Cpu => backend.note(),
        choice => match on_gpu(&network, options, backend.opened.take(), listener) {
            Ok(engine) => return Ok(Started { engine, note: None }),
            Err(error) if choice == EngineChoice::TensorRt => return Err(error),
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(error) => Some(cause(&error)),
        },
    };

    Ok(Started {
        engine: Box::new(Cpu::new(network, options.threads)?),
        note,
    })
}

/// Starts an engine on the GPU in `opened`, or opens a GPU first.
fn on_gpu(
    network: &Network,
    options: &EngineOptions,
    opened: Option<Opened>,
    listener: &mut dyn Listener,
) -> Result<Box<dyn Engine>> {
    let opened = match opened {
        Some(opened) => opened,
        None => tensorrt::open_gpu(network, &options.tensorrt)?,
    };
    opened.start(network, &options.tensorrt, listener)
}

/// Returns the cause without its remedy, which is what the caller does anyway.
fn cause(error: &Error) -> String {
    let text = error.to_string();
    text.split("; ").next().unwrap_or(&text).to_owned()
}

/// Engine that continues the work of an engine that failed in the middle of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Successor {
    /// The CPU begins the work again.
    Cpu,
    /// No engine: the work has failed.
    Nobody,
}

/// Returns the successor of an engine that was chosen as `asked` and failed in the middle of its
/// work. `on_cpu` says whether the failed engine was the CPU.
pub fn successor(asked: EngineChoice, on_cpu: bool) -> Successor {
    match asked {
        // There is no fallback behind the CPU.
        EngineChoice::Auto if !on_cpu => Successor::Cpu,
        _ => Successor::Nobody,
    }
}

/// Returns the kind and precision of the engine that `options` lead to on this machine, such as
/// `cpu-f32`. Engines of one class give the same samples except for rounding; engines of different
/// classes do not. No model is loaded. The answer can be wrong where the engine fails to start and
/// the choice was left open, where the CPU finishes sooner, or where the model turns out to need
/// float32. In those cases [`Separator::engine_class`](crate::Separator::engine_class) gives the
/// right one.
///
/// # Errors
/// Fails like [`Separator::new`](crate::Separator::new) when the engine is not available.
pub fn engine_class(options: &EngineOptions) -> Result<&'static str> {
    check_options(options)?;
    let gpu = gpu_class(options.tensorrt.full_precision);
    Ok(match options.engine {
        EngineChoice::Cpu => cpu::CLASS,
        EngineChoice::TensorRt => gpu,
        EngineChoice::Auto if tensorrt::probe(&options.tensorrt).is_ok() => gpu,
        EngineChoice::Auto => cpu::CLASS,
    })
}

pub(super) fn gpu_class(full_precision: bool) -> &'static str {
    if full_precision {
        "tensorrt-f32"
    } else {
        "tensorrt-f16"
    }
}

/// Begins, on threads of its own, the part of an engine's start with `options` that does not depend
/// on the model: on a GPU, half of the start. Starting an engine waits for it. A process that may
/// end without starting one must call [`settle`].
pub fn warm_up(options: &EngineOptions) {
    if options.engine != EngineChoice::Cpu {
        tensorrt::begin(&options.tensorrt);
    }
}

/// Waits for the work begun by [`warm_up`] that no engine has claimed. A driver does not survive
/// the end of the process in the middle of that work.
pub fn settle() {
    tensorrt::settle();
}

/// Returns whether engines of `class` run on the CPU.
pub(crate) fn is_of_cpu(class: &str) -> bool {
    class == cpu::CLASS
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_gpu_is_taken_unless_the_cpu_is_done_before_it_could_begin() {
        let sooner = |on_cpu: u32, until_ready: u32| {
            Some(Reason::Sooner(Sooner {
                on_cpu: on_cpu * SECOND,
                until_ready: until_ready * SECOND,
            }))
        };

        let missing = Some(Reason::NoGpu("no driver".to_owned()));
        type Case<'a> = (std::result::Result<u32, &'a str>, u32, u32, Option<Reason>);
        let cases: [Case; 12] = [
            (Err("no driver"), 0, 3, missing.clone()),
            (Err("no driver"), 0, 3000, missing),
            (Ok(0), 0, 0, None),
            (Ok(0), 0, 3000, None),
            (Ok(37), 0, 3, sooner(3, 37)),
            (Ok(37), 0, 37, sooner(37, 37)),
            (Ok(37), 0, 38, None),
            (Ok(37), 0, 3000, None),
            (Ok(37), 30, 3, sooner(3, 7)),
            (Ok(37), 35, 3, None),
            (Ok(37), 37, 0, None),
            (Ok(37), 60, 3, None),
        ];

        for (until_ready, begun, on_cpu, expected) in &cases {
            let ready = until_ready.map(|s| s * SECOND).map_err(str::to_owned);
            let found = choose(ready, *begun * SECOND, |_| *on_cpu * SECOND);
            assert_eq!(
                &found, expected,
                "{until_ready:?} for {begun} s, and {on_cpu} s on the CPU"
            );
        }

        println!("{} cases tried", cases.len());
    }

    #[test]
    fn songs_are_asked_for_until_it_is_known_which_is_the_sooner() {
        let products = 20_000_000_000;
        let song = || [Work { segments: 30 }].into_iter();

        let one = time_on_cpu(&[products], 2, &mut song(), Duration::MAX);
        assert_eq!(
            time_on_cpu(&[products; 2], 2, &mut song(), Duration::MAX),
            2 * one,
            "a bag"
        );

        let mut asked = 0;
        let mut endless = std::iter::repeat_with(|| {
            asked += 1;
            Work { segments: 30 }
        });

        let time = time_on_cpu(&[products], 2, &mut endless, 10 * one);
        assert!(time > 10 * one && asked == 11, "{time:?} for {asked} songs");
    }

    #[test]
    fn a_choice_that_is_not_open_is_not_weighed() {
        let model = Model::bundled().unwrap();
        for engine in [EngineChoice::Cpu, EngineChoice::TensorRt] {
            let options = EngineOptions {
                engine,
                ..EngineOptions::default()
            };
            let mut songs = std::iter::once_with(|| -> Work { panic!("nobody needs to know") });

            let backend = Backend::weigh(&model, options.clone(), &mut songs, Duration::ZERO);
            assert_eq!(
                (backend.reason, backend.options),
                (None, options),
                "{engine:?}"
            );
        }
    }

    #[test]
    fn work_is_counted_in_segments() {
        let plain = Options::default();
        let cases = [
            (0.1, plain.clone(), 1),
            (7.8, plain.clone(), 2),
            (36.0, plain.clone(), 7),
            (
                36.0,
                Options {
                    overlap: 0.0,
                    ..plain.clone()
                },
                5,
            ),
            (
                36.0,
                Options {
                    shifts: 3,
                    ..plain.clone()
                },
                21,
            ),
            (
                36.0,
                Options {
                    shifts: 1,
                    ..plain.clone()
                },
                7,
            ),
            (
                3600.0,
                Options {
                    single_chunk: true,
                    ..plain
                },
                1,
            ),
        ];

        for (seconds, options, segments) in cases {
            let found = Work::of_song(Duration::from_secs_f64(seconds), &options, 343_980);
            assert_eq!(found.segments, segments, "{seconds} s with {options:?}");
        }
    }

    #[test]
    fn the_cpu_goes_on_after_a_gpu_that_nobody_insisted_on_and_nobody_after_the_cpu() {
        use EngineChoice::{Auto, Cpu, TensorRt};
        let cases = [
            (Auto, false, Successor::Cpu),
            (Auto, true, Successor::Nobody),
            (TensorRt, false, Successor::Nobody),
            (Cpu, true, Successor::Nobody),
        ];

        for (asked, on_cpu, expected) in cases {
            assert_eq!(
                successor(asked, on_cpu),
                expected,
                "{asked:?}, on the CPU: {on_cpu}"
            );
        }
    }

    #[test]
    fn what_is_said_names_both_times() {
        let sooner = Sooner {
            on_cpu: Duration::from_millis(2_100),
            until_ready: 37 * SECOND,
        };
        let said =
            "the CPU needs some 3 s, and making the GPU ready for this model some 37 s, once";
        assert_eq!(Reason::Sooner(sooner).to_string(), said);
    }
}
