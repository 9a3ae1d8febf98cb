//! Compilation of an ONNX graph into a plan, TensorRT's compiled form of a network. It needs no
//! GPU.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use trtx::interfaces::MonitorProgress;
use trtx::{Builder, BuilderFlag, MemoryPoolType, OnnxParser, ProfilingVerbosity};

use super::error::TensorRtError;
use super::log::{failed, logger};
use super::target::Target;
use crate::progress::{Listener, Preparing};

/// Options for making a plan.
#[derive(Clone, Debug, Default)]
pub(super) struct PlanOptions {
    /// Architectures that the plan has to run on; empty for all.
    pub(super) targets: Vec<Target>,
    /// Largest working memory of a layer, in bytes.
    pub(super) workspace_bytes: Option<usize>,
    /// Whether to keep the layers' names, for measuring them one by one.
    pub(super) detailed: bool,
}

/// Lock that allows one compilation at a time. Of two plans that were compiled at once for
/// different architectures, one failed once with "Target SM 80 is not found in the accelerator
/// list".
static COMPILER: Mutex<()> = Mutex::new(());

/// Compiles `onnx`. Reports the progress to `listener` and stops when the listener cancels.
pub(super) fn plan(
    onnx: &[u8],
    options: &PlanOptions,
    listener: &mut dyn Listener,
) -> Result<Vec<u8>, TensorRtError> {
    let (steps, heard) = channel();
    let stop = Arc::new(AtomicBool::new(false));
    let monitor = Monitor {
        steps: Mutex::new(steps),
        stop: Arc::clone(&stop),
        phases: Mutex::default(),
    };

    thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let _turn = COMPILER.lock().unwrap_or_else(PoisonError::into_inner);
            compile(onnx, options, monitor)
        });
        follow(&heard, &stop, listener);
        let plan = worker.join().unwrap_or_else(|_| {
            Err(TensorRtError::Failed {
                action: "build the engine",
                reason: "its thread ended".to_owned(),
            })
        });

        if stop.load(Ordering::Relaxed) {
            Err(TensorRtError::Cancelled)
        } else {
            plan
        }
    })
}

/// Forwards steps to the listener until the compiling thread drops its end of the channel.
fn follow(heard: &Receiver<Preparing>, stop: &AtomicBool, listener: &mut dyn Listener) {
    use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
    loop {
        match heard.recv_timeout(Duration::from_millis(50)) {
            Ok(step) => listener.preparing(step),
            Err(Timeout) => {}
            Err(Disconnected) => return,
        }
        if listener.cancelled() {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

fn compile(onnx: &[u8], options: &PlanOptions, monitor: Monitor) -> Result<Vec<u8>, TensorRtError> {
    let logger = logger()?;
    let mut builder = Builder::new(logger).map_err(failed("start"))?;

    // Networks of TensorRT-RTX are strongly typed: every layer has the precision that the graph
    // states.
    let network = builder
        .create_network(0)
        .map_err(failed("make a network"))?;
    let mut parser = OnnxParser::new(network, logger).map_err(failed("start its ONNX parser"))?;
    parser.parse(onnx).map_err(failed("read the graph"))?;

    // Configure the build.
    let mut config = builder
        .create_config()
        .map_err(failed("make a configuration"))?;

    // Float32 values in the graph must not be rounded to TF32.
    config.clear_flag(BuilderFlag::kTF32);
    if let Some(bytes) = options.workspace_bytes {
        config.set_memory_pool_limit(MemoryPoolType::kWORKSPACE, bytes);
    }

    if options.detailed {
        config.set_profiling_verbosity(ProfilingVerbosity::kDETAILED);
    }

    if !options.targets.is_empty() {
        let count = i32::try_from(options.targets.len()).unwrap_or(i32::MAX);
        config
            .set_nb_compute_capabilities(count)
            .map_err(failed("set how many targets there are"))?;
        for (index, target) in (0..).zip(&options.targets) {
            config
                .set_compute_capability(target.capability(), index)
                .map_err(failed("set a target"))?;
        }
    }

    config
        .set_progress_monitor(Box::new(monitor))
        .map_err(failed("watch its progress"))?;

    // Build the plan.
    let plan = builder
        .build_serialized_network(parser.network_mut(), &mut config)
        .map_err(failed("build the engine"))?;
    Ok(plan.to_vec())
}

/// Monitor that counts the steps of TensorRT's phases, which may be nested.
struct Monitor {
    steps: Mutex<Sender<Preparing>>,
    stop: Arc<AtomicBool>,
    phases: Mutex<Phases>,
}

#[derive(Default)]
struct Phases {
    /// Phases that have begun, each with the number of its steps done and in all.
    open: Vec<(String, u32, u32)>,
    told: Option<(u32, u32)>,
}

impl Monitor {
    fn change(&self, change: impl FnOnce(&mut Vec<(String, u32, u32)>)) {
        let mut phases = self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut phases.open);

        // The outermost phase, which began first, is the build itself.
        let now = phases.open.first().map(|&(_, done, total)| (done, total));
        if now.is_some() && now != phases.told {
            phases.told = now;
            let (done, total) = now.unwrap_or_default();
            let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
            // Ignore the error: the receiver may be gone.
            let _ = steps.send(Preparing::Building { done, total });
        }
    }
}

impl MonitorProgress for Monitor {
    fn phase_start(&self, name: &str, _parent: Option<&str>, steps: i32) {
        self.change(|open| open.push((name.to_owned(), 0, steps.max(1).cast_unsigned())));
    }

    fn step_complete(&self, name: &str, step: i32) -> ControlFlow<()> {
        self.change(|open| {
            if let Some(phase) = open.iter_mut().find(|phase| phase.0 == name) {
                phase.1 = (step.max(0).cast_unsigned() + 1).min(phase.2);
            }
        });
        if self.stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn phase_finish(&self, name: &str) {
        self.change(|open| open.retain(|phase| phase.0 != name));
    }
}
