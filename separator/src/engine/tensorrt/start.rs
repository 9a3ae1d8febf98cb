//! Start of a session on a GPU from a network. The plan is read from the cache or built, and the
//! batch is the largest that fits into the GPU's memory.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::accuracy::{self, TOLERANCE};
use super::cache::{GpuKey, PlanCache, PlanKey};
use super::error::TensorRtError;
use super::gpu::{self, Gpu};
use super::library::{Library, LibraryVersion};
use super::outlook;
use super::planner::{self, PlanOptions};
use super::sealed::Sealed;
use super::session::{Session, Shape};
use super::target::Target;
use super::{TensorRt, class};
use crate::Result;
use crate::engine::contract::{Engine, OpenedGpu};
use crate::engine::options::{EngineOptions, TensorRtOptions};
use crate::model::{CHANNELS, ExportOptions, Model, Network, Precision};
use crate::progress::{Listener, Preparing};
use crate::timings::timed;

/// Default number of segments in a batch. On an H200 a larger batch hardly lowers the time of a
/// segment.
const DEFAULT_BATCH: usize = 4;
/// Memory of a GPU, in bytes, below which the default batch is one segment.
const SMALL_GPU_BYTES: usize = 7 << 30;
/// GPU memory that a segment takes with the official shape, in bytes. Measured: 1.2 GB for four
/// segments, 2.3 GB for eight.
const SEGMENT_BYTES: usize = 300 << 20;

/// Lock that keeps the capture of a CUDA graph apart from other GPU work. While one thread
/// captures, CUDA refuses many calls of the other threads, above all memory reservations, and
/// abandons the capture. The capture holds the lock for writing; the other steps of an engine's
/// start hold it for reading. A caller that starts several engines must start all of them before
/// one computes.
static CAPTURING: RwLock<()> = RwLock::new(());

/// Runs `work`, which reserves GPU memory or makes similar calls, while no capture is under way.
pub(super) fn uncaptured<T>(work: impl FnOnce() -> T) -> T {
    let _none = CAPTURING.read().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// Library and GPU that TensorRT would run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Version of the TensorRT library.
    pub library: LibraryVersion,
    /// Name of the GPU, as the driver gives it.
    pub gpu: String,
}

/// Results of [`probe`] by the options they were found with. They are kept for the life of the
/// process, since probing opens a CUDA context, which takes time and GPU memory. Failures are not
/// kept: a missing library or GPU may appear later.
static FOUND: Mutex<Vec<(TensorRtOptions, Found)>> = Mutex::new(Vec::new());

/// Returns the library and the GPU that TensorRT would run on, without starting an engine. A
/// successful result is remembered.
///
/// # Errors
/// Fails when the library, the driver or the GPU is missing.
pub fn probe(options: &TensorRtOptions) -> Result<Found> {
    let mut known = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    remembered(&mut known, options, || {
        Ok(Found {
            library: Library::load(&options.libraries)?.version,
            gpu: Gpu::open(options.gpu)?.name,
        })
    })
}

/// Returns the remembered value for `asked`. Otherwise calls `look` and remembers its result,
/// unless it is an error.
fn remembered<K: Clone + PartialEq, V: Clone>(
    known: &mut Vec<(K, V)>,
    asked: &K,
    look: impl FnOnce() -> Result<V>,
) -> Result<V> {
    if let Some((_, found)) = known.iter().find(|(key, _)| key == asked) {
        return Ok(found.clone());
    }
    let found = look()?;
    known.push((asked.clone(), found.clone()));
    Ok(found)
}

/// Opened GPU with the loaded library, from which an engine can be started.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    library: Library,
    pub(super) gpu: Gpu,
    pub(super) cache: Option<PlanCache>,
}

/// Loads the library and opens the GPU that `options` name. The plan that `network` will need is
/// read at the same time.
///
/// # Errors
/// Fails when the library, the driver or the GPU is missing.
pub(crate) fn open_gpu(network: &Network, options: &TensorRtOptions) -> Result<Opened> {
    let plans = Plans::new(network, options);
    plans.read_ahead(options);
    warm_up(options);

    // Close the GPU when the library cannot be loaded: no engine will use it.
    let library =
        Library::load(&options.libraries).inspect_err(|_| drop(gpu::take_opened(options.gpu)))?;
    let gpu = timed("wait for the GPU", || Gpu::open(options.gpu))?;
    Ok(Opened {
        library,
        gpu,
        cache: plans.cache,
    })
}

impl OpenedGpu for Opened {
    fn name(&self) -> String {
        format!("TensorRT-RTX {} on {}", self.library.version, self.gpu.name)
    }

    fn until_ready(&self, networks: &[&Network], options: &EngineOptions) -> Duration {
        outlook::until_ready(self, networks, &options.tensorrt)
    }

    /// Starts `network` and checks that its precision is sufficient. An unusable cache is not an
    /// error: it is reported to `listener`.
    fn start(
        &self,
        network: &Network,
        options: &EngineOptions,
        listener: &mut dyn Listener,
    ) -> Result<Box<dyn Engine>> {
        let (gpu, options) = (&self.gpu, &options.tensorrt);
        let plans = Plans {
            network,
            cache: self.cache.clone(),
        };
        let (session, batch, precision) = match precision(options) {
            Precision::F16 => in_float16(&plans, options, gpu, listener)?,
            Precision::F32 => open_largest(&plans, options, Precision::F32, gpu, listener)?,
        };

        let spoken = match precision {
            Precision::F32 => "float32",
            Precision::F16 => "float16",
        };
        let name = format!("{} ({spoken}, batch {batch})", self.name());
        Ok(Box::new(TensorRt::new(session, name, class(precision))))
    }
}

/// Begins the steps of [`open_gpu`] that do not depend on the network. The GPU is opened on a
/// thread of its own, while the caller, or another thread, loads the libraries. Does nothing on a
/// machine without the libraries.
fn warm_up(options: &TensorRtOptions) {
    if Library::is_there(&options.libraries) {
        gpu::begin_to_open(options.gpu);
    }
}

/// Begins to open the GPU and to load the libraries, on threads of their own. The start of an
/// engine with `options` waits for them.
pub(crate) fn begin(options: &TensorRtOptions) {
    warm_up(options);
    Library::begin_to_load(&options.libraries);
}

/// Waits for the work begun by [`begin`] that no engine has claimed, and releases it. A process
/// must not end in the middle of it.
pub(crate) fn settle() {
    drop(gpu::take_all_opened());
    Library::wait();
}

pub(super) fn precision(options: &TensorRtOptions) -> Precision {
    if options.full_precision {
        Precision::F32
    } else {
        Precision::F16
    }
}

/// Opens a session in float16 if its error is within the tolerance, and in float32 otherwise. Fails
/// instead of using float32 where float32 is rounded to TF32. A model that has passed on a GPU and
/// driver is not measured there again. A failure is measured again, since a passing fault may have
/// caused it.
fn in_float16(
    plans: &Plans<'_>,
    options: &TensorRtOptions,
    gpu: &Gpu,
    listener: &mut dyn Listener,
) -> Result<(Session, usize, Precision)> {
    let Plans { network, cache } = plans;
    let gpu_key = GpuKey::of(gpu);

    // Use the plan without a comparison if this model has passed on this GPU before.
    let known = cache
        .as_ref()
        .and_then(|cache| cache.float16_error(network.hash(), &gpu_key));

    let mut opened = open_largest(plans, options, Precision::F16, gpu, listener)?;
    if known.is_some_and(|error| error <= TOLERANCE) {
        return Ok(opened);
    }

    // Compare the stems with float32.
    listener.preparing(Preparing::Comparing);
    let error =
        uncaptured(|| accuracy::float16_error(network, &mut opened.0, shape(network, opened.1)))?;

    if error <= TOLERANCE {
        if let Some(Err(error)) = cache
            .as_ref()
            .map(|cache| cache.keep_float16_error(network.hash(), &gpu_key, error))
        {
            listener.preparing(Preparing::NotKept {
                reason: error.to_string(),
            });
        }
        return Ok(opened);
    }

    // Fall back to float32.
    drop(opened);
    if !accuracy::float32_is_exact() {
        return Err(TensorRtError::Inexact {
            percent: 100.0 * error,
        }
        .into());
    }

    listener.preparing(Preparing::InFloat32 { error });
    Ok(open_largest(plans, options, Precision::F32, gpu, listener)?)
}

/// Opens a tested session with the batch that `options` name, or with the largest that fits into
/// the GPU's memory.
fn open_largest(
    plans: &Plans<'_>,
    options: &TensorRtOptions,
    precision: Precision,
    gpu: &Gpu,
    listener: &mut dyn Listener,
) -> std::result::Result<(Session, usize, Precision), TensorRtError> {
    let mut batch = first_batch(options, gpu);
    let mut tried = vec![batch];
    loop {
        let error = match open(plans, options, precision, gpu, batch, listener) {
            Ok(session) => return Ok((session, batch, precision)),
            Err(error) => error,
        };

        match next_batch(&error, &tried, options.batch.is_some()) {
            Some(next) => batch = next,
            None => return Err(error),
        }

        listener.preparing(match error {
            TensorRtError::SelfTest { .. } => Preparing::OtherBatch { batch },
            _ => Preparing::SmallerBatch { batch },
        });
        tried.push(batch);
    }
}

/// Returns the number of segments of the first batch to try.
pub(super) fn first_batch(options: &TensorRtOptions, gpu: &Gpu) -> usize {
    options
        .batch
        .unwrap_or(if gpu.memory_bytes < SMALL_GPU_BYTES {
            1
        } else {
            DEFAULT_BATCH
        })
}

/// Returns the batch to try after those in `tried`, the last of which failed with `error`. Halves
/// the batch where memory is short. Tries another batch where a plan gave numbers that are not
/// finite, unless the user asked for that batch: TensorRT-RTX 1.6.1 did so for `sextet-mini` on an
/// H200 with a batch of 1, but not with 2 or 4.
fn next_batch(error: &TensorRtError, tried: &[usize], is_asked_for: bool) -> Option<usize> {
    let last = *tried.last()?;
    let halves =
        std::iter::successors(Some(last / 2), |half| Some(half / 2)).take_while(|&half| half > 0);
    let mut candidates: Vec<usize> = match error {
        TensorRtError::OutOfMemory { .. } => halves.take(1).collect(),
        TensorRtError::SelfTest { .. } if !is_asked_for => halves.chain([2 * last]).collect(),
        _ => Vec::new(),
    };

    candidates.retain(|batch| !tried.contains(batch));
    candidates.first().copied()
}

/// Opens a tested session for batches of `batch` segments.
pub(super) fn open(
    plans: &Plans<'_>,
    options: &TensorRtOptions,
    precision: Precision,
    gpu: &Gpu,
    batch: usize,
    listener: &mut dyn Listener,
) -> std::result::Result<Session, TensorRtError> {
    let key = plans.key_on(gpu, options, precision, batch);
    let gpu_key = GpuKey::of(gpu);
    let kernels = timed("read the kernels", || {
        plans
            .cache
            .as_ref()
            .and_then(|cache| cache.kernels(&key, &gpu_key))
    });

    let shape = shape(plans.network, batch);
    let begin = |plan: &Sealed, listener: &mut dyn Listener| {
        if kernels.is_none() {
            listener.preparing(Preparing::Compiling);
        }
        let kernels = kernels.as_ref().map(Sealed::contents);
        uncaptured(|| Session::new(gpu, plan.contents(), kernels, shape))
            .map_err(|error| for_want_of_memory(error, gpu, batch))
    };

    let (plan, cached) = timed("read the plan", || plans.get(&key, false, listener))?;
    let mut session = match begin(&plan, listener) {
        // A whole plan may still be refused, for example when another library has the same version
        // number. Build it again, unless the GPU does not answer any more.
        Err(error) if cached && !error.is_out_of_memory() && gpu.free_bytes().is_ok() => {
            let (plan, _) = plans.get(&key, true, listener)?;
            begin(&plan, listener)?
        }
        other => other?,
    };

    let tested = timed("self-test", || self_test(&mut session, shape, gpu))
        .map_err(|error| for_want_of_memory(error, gpu, batch));

    // Keep kernels that fail the test too: the next start then finds the failure without compiling
    // them again.
    let is_settled = matches!(tested, Ok(()) | Err(TensorRtError::SelfTest { .. }));
    if let (true, Some(cache), None) = (is_settled, &plans.cache, &kernels)
        && let Err(error) = cache.keep_kernels(&key, &gpu_key, &session.kernels()?)
    {
        listener.preparing(Preparing::NotKept {
            reason: error.to_string(),
        });
    }

    tested.map(|()| session)
}

/// Turns `error` into an out-of-memory error if the GPU has too little free memory for the batch.
/// TensorRT does not always give that reason: with 1 GB left it returned numbers that were not
/// finite, and no error.
fn for_want_of_memory(error: TensorRtError, gpu: &Gpu, batch: usize) -> TensorRtError {
    let action = match error {
        TensorRtError::Failed { action, .. } => action,
        TensorRtError::SelfTest { .. } => "run the self-test",
        other => return other,
    };

    if gpu
        .free_bytes()
        .is_ok_and(|free| free < batch * SEGMENT_BYTES)
    {
        return TensorRtError::OutOfMemory { action };
    }
    error
}

pub(super) fn shape(network: &Network, batch: usize) -> Shape {
    let mix = CHANNELS * network.segment_frames();
    Shape {
        batch,
        mix,
        stems: mix * network.sources().len(),
    }
}

/// Runs noise through a new session, so that faults of a GPU or driver show before a song is
/// separated. The run also makes TensorRT compile and capture everything that it defers to the
/// first run.
fn self_test(
    session: &mut Session,
    shape: Shape,
    gpu: &Gpu,
) -> std::result::Result<(), TensorRtError> {
    let _alone = CAPTURING.write().unwrap_or_else(PoisonError::into_inner);
    session.submit(|mix| mix.copy_from_slice(&noise(shape.mix)))?;

    let finite = session.take()?.iter().all(|sample| sample.is_finite());
    if finite {
        Ok(())
    } else {
        Err(TensorRtError::SelfTest {
            gpu: gpu.name.clone(),
            batch: shape.batch,
        })
    }
}

/// Returns `samples` samples of white noise, the same in every call.
pub(super) fn noise(samples: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state) / f64::from(u32::MAX) - 0.5) as f32
    };
    std::iter::repeat_with(next).take(samples).collect()
}

/// Source of the plans of one network: the cache or the planner.
pub(super) struct Plans<'a> {
    pub(super) network: &'a Network,
    pub(super) cache: Option<PlanCache>,
}

impl<'a> Plans<'a> {
    pub(super) fn new(network: &'a Network, options: &TensorRtOptions) -> Self {
        Self {
            network,
            cache: options.cache.as_ref().map(PlanCache::new),
        }
    }

    /// Begins to read the plan that `options` will need on this machine's GPU, if it can be
    /// determined.
    fn read_ahead(&self, options: &TensorRtOptions) {
        let Some(cache) = &self.cache else { return };
        let batch = options.batch.unwrap_or(DEFAULT_BATCH);
        let each =
            std::iter::once(Vec::new()).chain(Target::all().into_iter().map(|target| vec![target]));
        cache.read_ahead(
            each.map(|targets| self.key(options, precision(options), batch, targets))
                .collect(),
        );
    }

    fn key(
        &self,
        options: &TensorRtOptions,
        precision: Precision,
        batch: usize,
        targets: Vec<Target>,
    ) -> PlanKey {
        PlanKey {
            model: self.network.hash().to_owned(),
            precision,
            batch,
            targets,
            workspace_bytes: options.workspace_bytes,
        }
    }

    /// Returns the key of the plan to use on `gpu`: the plan for its architecture, or the plan for
    /// all architectures if only that one is cached.
    pub(super) fn key_on(
        &self,
        gpu: &Gpu,
        options: &TensorRtOptions,
        precision: Precision,
        batch: usize,
    ) -> PlanKey {
        let own = self.key(
            options,
            precision,
            batch,
            Target::of(gpu.capability).into_iter().collect(),
        );

        let for_all = PlanKey {
            targets: Vec::new(),
            ..own.clone()
        };
        let has = |key: &PlanKey| self.cache.as_ref().is_some_and(|cache| cache.has_plan(key));
        if !has(&own) && has(&for_all) {
            for_all
        } else {
            own
        }
    }

    /// Returns the plan and whether it came from the cache. With `anew`, the cached plan is
    /// ignored.
    fn get(
        &self,
        key: &PlanKey,
        anew: bool,
        listener: &mut dyn Listener,
    ) -> std::result::Result<(Sealed, bool), TensorRtError> {
        let cached = |cache: &PlanCache| if anew { None } else { cache.plan(key) };
        if let Some(plan) = self.cache.as_ref().and_then(cached) {
            return Ok((plan, true));
        }

        // A cache that cannot be locked cannot be written either. Build the plan without it.
        let lock = self
            .cache
            .as_ref()
            .map(|cache| cache.lock(key, listener))
            .transpose();

        if matches!(lock, Err(TensorRtError::Cancelled)) {
            return Err(TensorRtError::Cancelled);
        }

        // Another process may have built the plan in the meantime.
        if let Some(plan) = self.cache.as_ref().and_then(cached) {
            return Ok((plan, true));
        }

        let plan = self.make(key, listener)?;
        if let Some(Err(error)) = self.cache.as_ref().map(|cache| cache.keep_plan(key, &plan)) {
            listener.preparing(Preparing::NotKept {
                reason: error.to_string(),
            });
        }

        Ok((Sealed::new(String::new(), plan), false))
    }

    fn make(
        &self,
        key: &PlanKey,
        listener: &mut dyn Listener,
    ) -> std::result::Result<Vec<u8>, TensorRtError> {
        let onnx = self.network.onnx(ExportOptions {
            batch: key.batch,
            precision: key.precision,
        })?;
        let options = PlanOptions {
            targets: key.targets.clone(),
            workspace_bytes: key.workspace_bytes,
            detailed: false,
        };

        planner::plan(&onnx, &options, listener)
    }
}

/// Plan that was built ahead of time.
#[derive(Clone, Debug)]
pub struct Built {
    /// Path of the plan's file.
    pub path: PathBuf,
    /// Size of the plan in bytes.
    pub bytes: u64,
    /// Whether the plan was in the cache already.
    pub cached: bool,
}

/// Builds the plans of all networks of `model` ahead of time. It needs no GPU. Builds one plan for
/// each of `targets`, or one for all architectures if there are no targets.
///
/// # Errors
/// Returns a [`TensorRtError`]. A missing or unwritable cache is an error here.
pub fn build(
    model: &Model,
    options: &TensorRtOptions,
    targets: &[Target],
    listener: &mut dyn Listener,
) -> Result<Vec<Built>> {
    Library::load(&options.libraries)?;
    let batch = options.batch.unwrap_or(DEFAULT_BATCH);
    let cache = PlanCache::new(options.cache.as_ref().ok_or(TensorRtError::NoCache)?);

    let each: Vec<Vec<Target>> = if targets.is_empty() {
        vec![Vec::new()]
    } else {
        targets.iter().map(|&target| vec![target]).collect()
    };

    let mut built = Vec::new();
    for network in model.networks_of() {
        let plans = Plans {
            network,
            cache: Some(cache.clone()),
        };
        for targets in &each {
            let key = plans.key(options, precision(options), batch, targets.clone());
            let _lock = cache.lock(&key, listener)?;
            let found = cache.plan(&key);
            let cached = found.is_some();

            let (path, bytes) = match found {
                Some(plan) => (cache.plan_path(&key), plan.contents().len()),
                None => {
                    let plan = plans.make(&key, listener)?;
                    (cache.keep_plan(&key, &plan)?, plan.len())
                }
            };

            built.push(Built {
                path,
                bytes: bytes as u64,
                cached,
            });
        }
    }

    Ok(built)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_batch_is_tried_where_it_may_help() {
        let short = || TensorRtError::OutOfMemory { action: "start" };
        let unfit = || TensorRtError::SelfTest {
            gpu: "a GPU".to_owned(),
            batch: 1,
        };

        let other = || TensorRtError::NoCache;
        let cases: [(TensorRtError, &[usize], bool, Option<usize>); 14] = [
            (short(), &[4], false, Some(2)),
            (short(), &[64], true, Some(32)),
            (short(), &[4, 2], false, Some(1)),
            (short(), &[4, 2, 1], false, None),
            (short(), &[1], true, None),
            (unfit(), &[4], false, Some(2)),
            (unfit(), &[4, 2], false, Some(1)),
            (unfit(), &[4, 2, 1], false, None),
            (unfit(), &[1], false, Some(2)),
            (unfit(), &[1, 2], false, Some(4)),
            (unfit(), &[1], true, None),
            // A batch that ran short of memory is not tried again.
            (short(), &[1, 2], false, None),
            (unfit(), &[2, 1], false, None),
            (other(), &[4], false, None),
        ];

        for (error, tried, is_asked_for, expected) in &cases {
            assert_eq!(
                next_batch(error, tried, *is_asked_for),
                *expected,
                "{error}, after {tried:?}"
            );
        }
    }

    #[test]
    fn what_was_found_is_not_looked_for_again_but_what_is_missing_is() {
        let (mut known, mut looks) = (Vec::new(), 0);
        let mut ask = |asked: u32, answer: Option<&'static str>| {
            let look = || {
                looks += 1;
                answer.ok_or_else(|| TensorRtError::NoCache.into())
            };
            (remembered(&mut known, &asked, look).ok(), looks)
        };

        assert_eq!(ask(0, None), (None, 1));
        assert_eq!(ask(0, Some("a GPU")), (Some("a GPU"), 2));
        assert_eq!(ask(0, None), (Some("a GPU"), 2));
        assert_eq!(ask(1, None), (None, 3), "another one was asked for");
    }
}
