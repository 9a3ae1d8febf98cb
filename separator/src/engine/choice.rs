//! Which engine computes where that is left open, and who goes on where one fails. All of it is
//! decided here.
//!
//! | when | what is decided | where |
//! |---|---|---|
//! | before anything is started | whether the GPU is worth waiting for, when it has to be made ready for a model first | [`Backend::weigh`] |
//! | while an engine starts | the CPU, where the GPU does not do | [`start`] |
//! | in the middle of the work | the CPU, where a GPU fails | [`successor`] |

use std::fmt;
use std::time::Duration;

use super::cpu::{self, Cpu};
use super::tensorrt::{self, Opened};
use super::{Engine, EngineChoice, EngineError, EngineOptions};
use crate::model::{MODEL_RATE_HZ, Model, Network};
use crate::progress::Listener;
use crate::{Error, ErrorKind, Options, Result};

/// How much there is to separate: what the choice of an engine is weighed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Work {
    /// Segments that every network runs on.
    pub segments: u64,
}

impl Work {
    /// A song of `length` that is separated with `options`, on a model that takes `segment_frames`
    /// at a time.
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

/// The CPU is done before the GPU could begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sooner {
    /// What the CPU needs.
    pub on_cpu: Duration,
    /// What making the GPU ready still takes.
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

/// Why the CPU computes, where the choice was left open.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    /// The GPU cannot be used.
    NoGpu(String),
    /// The GPU would be the later.
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

/// What a model is put on: the engine that was asked for, or the one that was found to be the
/// sooner.
#[derive(Clone, Debug)]
pub struct Backend {
    options: EngineOptions,
    /// Why it is the CPU, though the choice was left open.
    reason: Option<Reason>,
    /// The GPU that was looked at, ready for an engine.
    opened: Option<Opened>,
}

impl From<EngineOptions> for Backend {
    /// The engine that the options name. An open choice is the GPU, and the CPU should the GPU fail
    /// to start.
    fn from(options: EngineOptions) -> Self {
        Self {
            options,
            reason: None,
            opened: None,
        }
    }
}

impl Backend {
    /// Weighs `songs`, where `options` leave a choice, against what the GPU takes to be made ready
    /// for `model`, which has been going on for `begun` if somebody is at it. The CPU is taken if
    /// it is done before the GPU could begin. Only as many songs are asked for as it takes to know.
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

    /// What it will be once it is started, as far as that can be told, for people to read.
    pub(crate) fn name(&self) -> String {
        match (&self.opened, self.options.engine) {
            (Some(opened), _) => opened.name(),
            (None, EngineChoice::Cpu) => cpu::NAME.to_owned(),
            (None, EngineChoice::TensorRt) => "TensorRT-RTX".to_owned(),
            (None, EngineChoice::Auto) => "TensorRT-RTX, or the CPU".to_owned(),
        }
    }

    /// Why it is the CPU, though the choice was left open.
    pub(crate) fn note(&self) -> Option<String> {
        self.reason.as_ref().map(Reason::to_string)
    }

    /// Whether it is the CPU, whatever happens.
    pub(crate) fn is_cpu(&self) -> bool {
        self.options.engine == EngineChoice::Cpu
    }

    /// Whether it is the CPU because that is done before the GPU could begin.
    pub fn sooner(&self) -> Option<Sooner> {
        match self.reason {
            Some(Reason::Sooner(sooner)) => Some(sooner),
            _ => None,
        }
    }
}

/// Why work is done on the CPU whose engine is left open, if it is. The GPU can begin `until_ready`
/// after somebody began to make it ready, which was `begun` ago. `on_cpu` says what the CPU needs,
/// or anything above what it is given when that is more.
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

/// What the CPU takes for `songs` on networks of so many products each. No more songs are asked for
/// once that is above `limit`.
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

/// An engine that was started.
pub(crate) struct Started {
    pub(crate) engine: Box<dyn Engine>,
    /// Why it is this one, when the choice was left to us.
    pub(crate) note: Option<String>,
}

/// Refuses an engine that is not to be had, before anything is loaded.
pub(crate) fn check(backend: &Backend) -> Result<()> {
    check_options(&backend.options)
}

fn check_options(options: &EngineOptions) -> Result<()> {
    match options.engine {
        EngineChoice::TensorRt if !tensorrt::IS_BUILT_IN => Err(EngineError::NotBuiltIn.into()),
        _ => Ok(()),
    }
}

/// Starts the engine of `backend` for one network. The CPU takes the place of a GPU that fails to
/// start, where the choice was left open.
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

/// An engine on the GPU that was opened, or is now.
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

/// The cause without the advice behind it, which is to do what is done here anyway.
fn cause(error: &Error) -> String {
    let text = error.to_string();
    text.split("; ").next().unwrap_or(&text).to_owned()
}

/// Who goes on with the work of an engine that failed in the middle of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Successor {
    /// The CPU begins it again.
    Cpu,
    /// Nobody: the work has failed.
    Nobody,
}

/// Who goes on after an engine that was chosen as `asked` has failed in the middle of its work.
/// `on_cpu`: it was the CPU's.
pub fn successor(asked: EngineChoice, on_cpu: bool) -> Successor {
    match asked {
        // What the CPU cannot do nobody can.
        EngineChoice::Auto if !on_cpu => Successor::Cpu,
        _ => Successor::Nobody,
    }
}

/// Kind and precision of the engine that `options` lead to on this machine, as in `cpu-f32`:
/// engines of one class give the same samples but for rounding, others do not. No model is loaded:
/// where an engine then fails to start and the choice was left open, the CPU is the sooner, or the
/// model turns out to need float32,
/// [`Separator::engine_class`](crate::Separator::engine_class) knows better.
///
/// # Errors
/// As [`Separator::new`](crate::Separator::new), when the engine is not to be had.
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

/// Begins, on threads of its own, what it takes to start an engine with `options` whatever the
/// model is: on a GPU, half of a start. Starting one waits for it; whoever ends the process without
/// that calls [`settle`].
pub fn warm_up(options: &EngineOptions) {
    if options.engine != EngineChoice::Cpu {
        tensorrt::begin(&options.tensorrt);
    }
}

/// Waits for what [`warm_up`] has begun and nobody has asked for: a driver does not survive the end
/// of a process in the middle of that.
pub fn settle() {
    tensorrt::settle();
}

/// Whether engines of `class` run on the CPU.
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
