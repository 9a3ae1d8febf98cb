//! Choice of the engine where the options leave it open, and of the successor of an engine that
//! fails. All of these decisions are made here.
//!
//! | time | decision | function |
//! |---|---|---|
//! | before a start | whether a GPU that is not ready is worth the wait | [`Backend::weigh`] |
//! | at an engine's start | the next engine on the GPU, and last the CPU | [`start`] |
//! | in the middle of the work | the CPU, where a GPU fails | [`successor`] |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::class::EngineClass;
use super::contract::{Engine, GpuEngine, OpenedGpu};
use super::cpu::{self, Cpu};
use super::cuda::CudaEngine;
use super::error::EngineError;
use super::options::{EngineChoice, EngineOptions};
use super::tensorrt::TensorRtEngine;
use crate::model::{MODEL_RATE_HZ, Model, Network};
use crate::progress::Listener;
use crate::{Error, ErrorKind, Options, Result};

/// Engines that compute on a GPU, in the order in which an open choice tries them. Another engine
/// is another row.
const GPU_ENGINES: &[&dyn GpuEngine] = &[&CudaEngine, &TensorRtEngine];

/// Returns the engines among `all` that `choice` allows; none for the CPU. An open choice allows
/// those that are part of this build.
fn allowed<'a>(
    all: &'a [&'a dyn GpuEngine],
    choice: EngineChoice,
) -> impl Iterator<Item = &'a dyn GpuEngine> {
    all.iter().copied().filter(move |engine| match choice {
        EngineChoice::Auto => engine.check().is_ok(),
        choice => choice == engine.choice(),
    })
}

/// Failures of the engines that were tried, in their order.
#[derive(Debug, Default)]
struct Failures(Vec<Error>);

impl Failures {
    /// Returns whether the work was cancelled.
    fn is_cancelled(&self) -> bool {
        let mut kinds = self.0.iter().map(Error::kind);
        kinds.any(|kind| kind == ErrorKind::Cancelled)
    }

    /// Returns the reasons, each once. `None` if nothing failed.
    fn note(&self) -> Option<String> {
        let mut reasons: Vec<String> = Vec::new();
        for error in &self.0 {
            let reason = error.to_string();
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// Returns the failure to report where the choice was not open: the last, which alone may be a
    /// cancellation.
    fn into_error(mut self) -> Error {
        self.0
            .pop()
            .unwrap_or_else(|| EngineError::NotStarted.into())
    }
}

/// Returns the first success of `attempt` with one of `engines`, with the failures before it, or
/// else all failures. A cancellation ends the attempts.
fn first_of<'a, T>(
    engines: impl Iterator<Item = &'a dyn GpuEngine>,
    mut attempt: impl FnMut(&dyn GpuEngine) -> Result<T>,
) -> std::result::Result<(T, Failures), Failures> {
    let mut failures = Failures::default();
    for engine in engines {
        match attempt(engine) {
            Ok(found) => return Ok((found, failures)),
            Err(error) => failures.0.push(error),
        }
        if failures.is_cancelled() {
            break;
        }
    }
    Err(failures)
}

/// Amount of work by which an engine is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
#[non_exhaustive]
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
    /// GPU that was opened while weighing.
    opened: Option<ChosenGpu>,
}

/// GPU that was opened, ready for the engine of a choice.
#[derive(Clone, Debug)]
struct ChosenGpu {
    choice: EngineChoice,
    gpu: Arc<dyn OpenedGpu>,
    /// Reasons against the engines that were tried before.
    passed_over: Option<String>,
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
        Self::weigh_among(GPU_ENGINES, model, options, songs, begun)
    }

    /// Does the same with the GPU engines in `all`.
    fn weigh_among(
        all: &[&dyn GpuEngine],
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

        let opened = first_of(allowed(all, options.engine), |engine| {
            Ok((engine.choice(), engine.open(first, &options)?))
        });
        let opened = match opened {
            Ok(((choice, gpu), failures)) => Ok(ChosenGpu {
                choice,
                gpu,
                passed_over: failures.note(),
            }),
            Err(failures) => Err(failures.note().unwrap_or_default()),
        };
        let until_ready = match &opened {
            Ok(opened) => Ok(opened.gpu.until_ready(&networks, &options)),
            Err(why) => Err(why.clone()),
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
        if let Some(opened) = &self.opened {
            return opened.gpu.name();
        }

        let choice = self.options.engine;
        let mut names: Vec<&str> = allowed(GPU_ENGINES, choice)
            .map(|engine| engine.name())
            .collect();
        match choice {
            EngineChoice::Cpu => names.push(cpu::NAME),
            EngineChoice::Auto => names.push("or the CPU"),
            _ => {}
        }
        names.join(", ")
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
pub(crate) struct StartedEngine {
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
        EngineChoice::Cpu | EngineChoice::Auto => Ok(()),
        choice => match first_of(allowed(GPU_ENGINES, choice), |engine| engine.check()) {
            Ok(_) => Ok(()),
            Err(failures) => Err(failures.into_error()),
        },
    }
}

/// Starts the engine of `backend` for one network. Where the choice was left open, the CPU replaces
/// a GPU that fails to start.
pub(crate) fn start(
    network: Network,
    backend: &mut Backend,
    listener: &mut dyn Listener,
) -> Result<StartedEngine> {
    start_among(GPU_ENGINES, network, backend, listener)
}

/// Does the same with the GPU engines in `all`.
fn start_among(
    all: &[&dyn GpuEngine],
    network: Network,
    backend: &mut Backend,
    listener: &mut dyn Listener,
) -> Result<StartedEngine> {
    check(backend)?;
    let opened = backend.opened.take();
    let options = &backend.options;

    let note = match options.engine {
        EngineChoice::Cpu => backend.note(),
        choice => match on_gpu(all, &network, options, opened, listener) {
            Ok(started) => return Ok(started),
            Err(failures) if choice != EngineChoice::Auto || failures.is_cancelled() => {
                return Err(failures.into_error());
            }
            Err(failures) => failures.note(),
        },
    };

    Ok(StartedEngine {
        engine: Box::new(Cpu::new(network, options.threads, &options.cpu)?),
        note,
    })
}

/// Starts the first engine that starts. A GPU in `opened` is not opened again, and engines that
/// failed to open one before it are not tried again.
fn on_gpu(
    all: &[&dyn GpuEngine],
    network: &Network,
    options: &EngineOptions,
    opened: Option<ChosenGpu>,
    listener: &mut dyn Listener,
) -> std::result::Result<StartedEngine, Failures> {
    let is_before = |engine: &&dyn GpuEngine| {
        let opened = opened.as_ref();
        opened.is_some_and(|opened| opened.choice != engine.choice())
    };
    let engines = allowed(all, options.engine).skip_while(is_before);

    let (engine, failures) = first_of(engines, |engine| {
        let gpu = match &opened {
            Some(opened) if opened.choice == engine.choice() => Arc::clone(&opened.gpu),
            _ => engine.open(network, options)?,
        };
        gpu.start(network, options, listener)
    })?;

    let passed_over = opened.and_then(|opened| opened.passed_over);
    let reasons: Vec<String> = passed_over.into_iter().chain(failures.note()).collect();
    let note = (!reasons.is_empty()).then(|| reasons.join("; "));
    Ok(StartedEngine { engine, note })
}

/// Engine that continues the work of an engine that failed in the middle of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

/// Returns the kind and precision of the engine that `options` lead to on this machine. No model is
/// loaded. The answer can be wrong where the engine fails to start and the choice was left open,
/// where the CPU finishes sooner, or where the model turns out to need float32. In those cases
/// [`Separator::engine_class`](crate::Separator::engine_class) gives the right one.
///
/// # Errors
/// Fails like [`Separator::new`](crate::Separator::new) when the engine is not available.
pub fn engine_class(options: &EngineOptions) -> Result<EngineClass> {
    check_options(options)?;
    let engines = allowed(GPU_ENGINES, options.engine);
    let class = match options.engine {
        EngineChoice::Cpu => None,
        EngineChoice::Auto => first_of(engines, |engine| {
            engine.probe(options)?;
            Ok(engine.class(options))
        })
        .ok()
        .map(|(class, _)| class),
        _ => engines.map(|engine| engine.class(options)).next(),
    };

    Ok(class.unwrap_or(EngineClass::CpuF32))
}

/// Begins, on threads of its own, the part of an engine's start with `options` that does not depend
/// on the model: on a GPU, half of the start. Where the choice is open, that is the first engine
/// alone. Starting an engine waits for it. A process that may end without starting one must call
/// [`settle`].
pub fn warm_up(options: &EngineOptions) {
    if let Some(engine) = allowed(GPU_ENGINES, options.engine).next() {
        engine.begin(options);
    }
}

/// Waits for the work begun by [`warm_up`] that no engine has claimed. A driver does not survive
/// the end of the process in the middle of that work.
pub fn settle() {
    GPU_ENGINES.iter().for_each(|engine| engine.settle());
}

#[cfg(test)]
mod tests;
