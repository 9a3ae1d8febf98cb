//! From a network to a session on a GPU: the plan from the cache or made now, and the largest batch
//! that fits.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, RwLock};

use super::TensorRt;
use super::accuracy::{self, TOLERANCE};
use super::cache::{GpuKey, PlanCache, PlanKey};
use super::error::TensorRtError;
use super::gpu::{self, Gpu};
use super::library::{Library, LibraryVersion};
use super::planner::{self, PlanOptions};
use super::sealed::Sealed;
use super::session::{Session, Shape};
use super::target::Target;
use crate::Result;
use crate::engine::choice::gpu_class;
use crate::engine::{Engine, TensorRtOptions};
use crate::model::{CHANNELS, ExportOptions, Model, Network, Precision};
use crate::progress::{Listener, Preparing};
use crate::timings::timed;

/// Segments at a time, unless asked otherwise: on an H200 the time of a segment no longer falls
/// much beyond it.
const DEFAULT_BATCH: usize = 4;
/// Memory of a GPU below which one segment at a time is the default, in bytes.
const SMALL_GPU_BYTES: usize = 7 << 30;
/// Memory of a GPU that a segment takes on the official shape: 1.2 GB were measured for four, 2.3
/// GB for eight.
const SEGMENT_BYTES: usize = 300 << 20;

/// Whether an engine is being captured on a GPU. CUDA refuses much that other threads of the
/// process ask for while one of them captures a graph, and gives the capture up: reserving memory
/// above all. So it is captured alone (written to), and what an engine's start does besides waits
/// for that (read). Whoever starts several engines lets none of them compute before all are there.
static CAPTURING: RwLock<()> = RwLock::new(());

/// Does `work`, which reserves memory on a GPU or the like, while nobody captures.
pub(super) fn uncaptured<T>(work: impl FnOnce() -> T) -> T {
    let _none = CAPTURING.read().unwrap_or_else(PoisonError::into_inner);
    work()
}

/// What TensorRT would run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Version of the library.
    pub library: LibraryVersion,
    /// The GPU, as the driver calls it.
    pub gpu: String,
}

/// What was found, by what was asked for. Looking opens a CUDA context, which takes time and memory
/// of the GPU; what was found stays for as long as the process lives. What is missing may come.
static FOUND: Mutex<Vec<(TensorRtOptions, Found)>> = Mutex::new(Vec::new());

/// What TensorRT would run on, with nothing started. Looked for once; what was found is remembered.
///
/// # Errors
/// What is missing: library, driver or GPU.
pub fn probe(options: &TensorRtOptions) -> Result<Found> {
    let mut known = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    remembered(&mut known, options, || {
        Ok(Found {
            library: Library::load(&options.libraries)?.version,
            gpu: Gpu::open(options.gpu)?.name,
        })
    })
}

/// What is known of `asked`, or else what `look` finds, which is known from then on. A failure is
/// not.
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

/// A GPU that was opened, with the library loaded, for an engine that is to be started.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    library: Library,
    pub(super) gpu: Gpu,
    pub(super) cache: Option<PlanCache>,
}

/// Loads the library and opens the GPU that `options` name, while what `network` is going to need
/// is read.
///
/// # Errors
/// What is missing: library, driver or GPU.
pub(crate) fn open_gpu(network: &Network, options: &TensorRtOptions) -> Result<Opened> {
    let plans = Plans::new(network, options);
    plans.read_ahead(options);
    warm_up(options);

    // A GPU that nobody is going to use does not stay open.
    let library =
        Library::load(&options.libraries).inspect_err(|_| drop(gpu::take_opened(options.gpu)))?;
    let gpu = timed("wait for the GPU", || Gpu::open(options.gpu))?;
    Ok(Opened {
        library,
        gpu,
        cache: plans.cache,
    })
}

impl Opened {
    /// What an engine there is called, as long as there is none.
    pub(crate) fn name(&self) -> String {
        format!("TensorRT-RTX {} on {}", self.library.version, self.gpu.name)
    }

    /// Starts `network`, if what comes out is exact enough.
    ///
    /// # Errors
    /// Whatever stands in the way: GPU, memory. A cache that cannot be used does not: `listener`
    /// hears of it.
    pub(crate) fn start(
        self,
        network: &Network,
        options: &TensorRtOptions,
        listener: &mut dyn Listener,
    ) -> Result<Box<dyn Engine>> {
        let name = self.name();
        let Self { gpu, cache, .. } = self;
        let plans = Plans { network, cache };
        let (session, batch, precision) = match precision(options) {
            Precision::F16 => in_float16(&plans, options, &gpu, listener)?,
            Precision::F32 => open_largest(&plans, options, Precision::F32, &gpu, listener)?,
        };

        let (spoken, class) = match precision {
            Precision::F32 => ("float32", gpu_class(true)),
            Precision::F16 => ("float16", gpu_class(false)),
        };
        let name = format!("{name} ({spoken}, batch {batch})");
        Ok(Box::new(TensorRt::new(session, name, class)))
    }
}

/// Begins what [`open_gpu`] takes whatever the network: opens the GPU on a thread of its own, while
/// the caller, or another thread, loads the libraries. A machine without them is left alone.
fn warm_up(options: &TensorRtOptions) {
    if Library::is_there(&options.libraries) {
        gpu::begin_to_open(options.gpu);
    }
}

/// The same with the libraries, on threads of its own; whoever starts an engine with `options`
/// waits for them.
pub(crate) fn begin(options: &TensorRtOptions) {
    warm_up(options);
    Library::begin_to_load(&options.libraries);
}

/// Waits for what was begun and has not been asked for, and gives it back: a process must not end
/// in the middle of it.
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

/// A session in float16 if that is exact enough; if not, one in float32, where nothing rounds that
/// to TF32. A model that has passed on a GPU and its driver is not measured there again; one that
/// has not may have met a fault that passes.
fn in_float16(
    plans: &Plans<'_>,
    options: &TensorRtOptions,
    gpu: &Gpu,
    listener: &mut dyn Listener,
) -> Result<(Session, usize, Precision)> {
    let Plans { network, cache } = plans;
    let gpu_key = GpuKey::of(gpu);
    let known = cache
        .as_ref()
        .and_then(|cache| cache.float16_error(network.hash(), &gpu_key));

    let mut opened = open_largest(plans, options, Precision::F16, gpu, listener)?;
    if known.is_some_and(|error| error <= TOLERANCE) {
        return Ok(opened);
    }

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

/// A tested session for as many segments at a time as `options` ask for, or as the GPU has memory
/// for.
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

/// Segments at a time that are tried first.
pub(super) fn first_batch(options: &TensorRtOptions, gpu: &Gpu) -> usize {
    options
        .batch
        .unwrap_or(if gpu.memory_bytes < SMALL_GPU_BYTES {
            1
        } else {
            DEFAULT_BATCH
        })
}

/// The batch to try after those in `tried`, the last of which failed with `error`: half of it where
/// memory is short; another one where a plan gave numbers that are not finite, unless somebody has
/// asked for that very batch. TensorRT-RTX 1.6.1 did so for `sextet-mini` on an H200 with a batch
/// of 1, and with 2 and 4 did not.
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

/// A tested session for batches of `batch`.
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
        // A plan that was whole but is refused: of a library that calls itself the same, say.
        Err(error) if cached && !error.is_out_of_memory() => {
            let (plan, _) = plans.get(&key, true, listener)?;
            begin(&plan, listener)?
        }
        other => other?,
    };

    let tested = timed("self-test", || self_test(&mut session, shape, gpu))
        .map_err(|error| for_want_of_memory(error, gpu, batch));

    // Kernels that fail the test are kept too: the next start finds that out without compiling them
    // again.
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

/// `error`, as what it most likely is where TensorRT fails on a GPU that has too little memory left
/// and does not say why: with 1 GB left it gave numbers that were not finite, and no error.
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

/// Runs noise through a fresh session: what a GPU or a driver cannot do shows here, not in
/// somebody's stems. It also makes TensorRT compile and capture whatever it leaves to the first
/// run.
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

/// So many samples of white noise, always the same.
pub(super) fn noise(samples: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state) / f64::from(u32::MAX) - 0.5) as f32
    };
    std::iter::repeat_with(next).take(samples).collect()
}

/// Where the plans of one network come from.
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

    /// Begins to read the plan that `options` are going to need on whatever GPU this machine has,
    /// if that can be told.
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

    /// The key of the plan to use on `gpu`: one for its architecture, or one for all if that is
    /// what there is.
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

    /// The plan, and whether it came from the cache. With `anew` what is cached is not looked at.
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

        // A cache that cannot be locked cannot be written either: the plan is made all the same.
        let lock = self
            .cache
            .as_ref()
            .map(|cache| cache.lock(key, listener))
            .transpose();

        if matches!(lock, Err(TensorRtError::Cancelled)) {
            return Err(TensorRtError::Cancelled);
        }

        // Another process may have made it in the meantime.
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

/// A plan that was made ahead of time.
#[derive(Clone, Debug)]
pub struct Built {
    /// Its file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Whether it had been there already.
    pub cached: bool,
}

/// Makes the plans of all networks of `model` ahead of time, on any machine: no GPU is needed. One
/// for each of `targets`, or one that runs on all architectures when there are none.
///
/// # Errors
/// [`TensorRtError`]; no cache, or one that cannot be written, is one here.
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
            // What memory is short for is not tried again.
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
