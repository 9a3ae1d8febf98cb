//! From a network to a session on a GPU: the plan from the cache or made now, and the largest batch that fits.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::TensorRt;
use super::accuracy::{self, TOLERANCE};
use super::cache::{GpuKey, PlanCache, PlanKey};
use super::error::TensorRtError;
use super::gpu::Gpu;
use super::library::{Library, LibraryVersion};
use super::planner::{self, PlanOptions};
use super::session::{Session, Shape};
use super::target::Target;
use crate::Result;
use crate::engine::{TensorRtOptions, gpu_class};
use crate::model::{CHANNELS, ExportOptions, Model, Network, Precision};
use crate::progress::{Listener, Preparing};
use crate::timings::timed;

/// Segments at a time, unless asked otherwise: on an H200 the time of a segment no longer falls much beyond it.
const DEFAULT_BATCH: usize = 4;
/// Memory of a GPU below which one segment at a time is the default, in bytes.
const SMALL_GPU_BYTES: usize = 7 << 30;
/// Memory of a GPU that a segment takes on the official shape: 1.2 GB were measured for four, 2.3 GB for eight.
const SEGMENT_BYTES: usize = 300 << 20;

/// What TensorRT would run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Version of the library.
    pub library: LibraryVersion,
    /// The GPU, as the driver calls it.
    pub gpu: String,
}

/// What was found, by what was asked for. Looking opens a CUDA context, which takes time and memory of the GPU; what was found
/// stays for as long as the process lives. What is missing may come.
static FOUND: Mutex<Vec<(TensorRtOptions, Found)>> = Mutex::new(Vec::new());

/// What TensorRT would run on, with nothing started. Looked for once; what was found is remembered.
///
/// # Errors
/// What is missing: library, driver or GPU.
pub fn probe(options: &TensorRtOptions) -> Result<Found> {
    let mut known = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    remembered(&mut known, options, || {
        Ok(Found { library: Library::load(&options.libraries)?.version, gpu: Gpu::open(options.gpu)?.name })
    })
}

/// What is known of `asked`, or else what `look` finds, which is known from then on. A failure is not.
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

/// Starts `network` on the GPU that `options` name, if what comes out is exact enough.
///
/// # Errors
/// Whatever stands in the way: library, driver, GPU, memory. A cache that cannot be used does not: `listener` hears of it.
pub(crate) fn start(network: &Network, options: &TensorRtOptions, listener: &mut dyn Listener) -> Result<TensorRt> {
    let library = timed("load TensorRT's libraries", || Library::load(&options.libraries))?;
    let gpu = timed("open the GPU", || Gpu::open(options.gpu))?;
    let (session, batch, precision) = match precision(options) {
        Precision::F16 => in_float16(network, options, &gpu, listener)?,
        Precision::F32 => open_largest(network, options, Precision::F32, &gpu, listener)?,
    };
    let (spoken, class) = match precision {
        Precision::F32 => ("float32", gpu_class(true)),
        Precision::F16 => ("float16", gpu_class(false)),
    };
    let name = format!("TensorRT-RTX {} on {} ({spoken}, batch {batch})", library.version, gpu.name);
    Ok(TensorRt::new(session, name, class))
}

pub(super) fn precision(options: &TensorRtOptions) -> Precision {
    if options.full_precision { Precision::F32 } else { Precision::F16 }
}

/// A session in float16 if that is exact enough; if not, one in float32, where nothing rounds that to TF32. A model that has
/// passed on a GPU and its driver is not measured there again; one that has not may have met a fault that passes.
fn in_float16(
    network: &Network,
    options: &TensorRtOptions,
    gpu: &Gpu,
    listener: &mut dyn Listener,
) -> Result<(Session, usize, Precision)> {
    let cache = options.cache.as_ref().map(PlanCache::new);
    let gpu_key = GpuKey::of(gpu);
    let known = cache.as_ref().and_then(|cache| cache.float16_error(network.hash(), &gpu_key));
    let mut opened = open_largest(network, options, Precision::F16, gpu, listener)?;
    if known.is_some_and(|error| error <= TOLERANCE) {
        return Ok(opened);
    }
    listener.preparing(Preparing::Comparing);
    let error = accuracy::float16_error(network, &mut opened.0, shape(network, opened.1))?;
    if error <= TOLERANCE {
        if let Some(Err(error)) = cache.map(|cache| cache.keep_float16_error(network.hash(), &gpu_key, error)) {
            listener.preparing(Preparing::NotKept { reason: error.to_string() });
        }
        return Ok(opened);
    }
    drop(opened);
    if !accuracy::float32_is_exact() {
        return Err(TensorRtError::Inexact { percent: 100.0 * error }.into());
    }
    listener.preparing(Preparing::InFloat32 { error });
    Ok(open_largest(network, options, Precision::F32, gpu, listener)?)
}

/// A tested session for as many segments at a time as `options` ask for, or as the GPU has memory for.
fn open_largest(
    network: &Network,
    options: &TensorRtOptions,
    precision: Precision,
    gpu: &Gpu,
    listener: &mut dyn Listener,
) -> std::result::Result<(Session, usize, Precision), TensorRtError> {
    let mut batch = options.batch.unwrap_or(if gpu.memory_bytes < SMALL_GPU_BYTES { 1 } else { DEFAULT_BATCH });
    loop {
        match open(network, options, precision, gpu, batch, listener) {
            Err(error) if error.is_out_of_memory() && batch > 1 => {
                batch /= 2;
                listener.preparing(Preparing::SmallerBatch { batch });
            }
            other => return other.map(|session| (session, batch, precision)),
        }
    }
}

/// A tested session for batches of `batch`.
pub(super) fn open(
    network: &Network,
    options: &TensorRtOptions,
    precision: Precision,
    gpu: &Gpu,
    batch: usize,
    listener: &mut dyn Listener,
) -> std::result::Result<Session, TensorRtError> {
    let plans = Plans { network, cache: options.cache.as_ref().map(PlanCache::new) };
    let key = plans.key_on(gpu, options, precision, batch);
    let gpu_key = GpuKey::of(gpu);
    let kernels = timed("read the kernels", || plans.cache.as_ref().and_then(|cache| cache.kernels(&key, &gpu_key)));
    let shape = shape(network, batch);
    let begin = |plan: &[u8], listener: &mut dyn Listener| {
        if kernels.is_none() {
            listener.preparing(Preparing::Compiling);
        }
        Session::new(gpu, plan, kernels.as_deref(), shape).map_err(|error| for_want_of_memory(error, gpu, batch))
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
    timed("self-test", || self_test(&mut session, shape, gpu))
        .map_err(|error| for_want_of_memory(error, gpu, batch))?;
    if let (Some(cache), None) = (&plans.cache, &kernels)
        && let Err(error) = cache.keep_kernels(&key, &gpu_key, &session.kernels()?)
    {
        listener.preparing(Preparing::NotKept { reason: error.to_string() });
    }
    Ok(session)
}

/// `error`, as what it most likely is where TensorRT fails on a GPU that has too little memory left and does not say why:
/// with 1 GB left it gave numbers that were not finite, and no error.
fn for_want_of_memory(error: TensorRtError, gpu: &Gpu, batch: usize) -> TensorRtError {
    let action = match error {
        TensorRtError::Failed { action, .. } => action,
        TensorRtError::SelfTest { .. } => "run the self-test",
        other => return other,
    };
    if gpu.free_bytes().is_ok_and(|free| free < batch * SEGMENT_BYTES) {
        return TensorRtError::OutOfMemory { action };
    }
    error
}

pub(super) fn shape(network: &Network, batch: usize) -> Shape {
    let mix = CHANNELS * network.segment_frames();
    Shape { batch, mix, stems: mix * network.sources().len() }
}

/// Runs noise through a fresh session: what a GPU or a driver cannot do shows here, not in somebody's stems. It also
/// makes TensorRT compile and capture whatever it leaves to the first run.
fn self_test(session: &mut Session, shape: Shape, gpu: &Gpu) -> std::result::Result<(), TensorRtError> {
    session.submit(|mix| mix.copy_from_slice(&noise(shape.mix)))?;
    let finite = session.take()?.iter().all(|sample| sample.is_finite());
    if finite { Ok(()) } else { Err(TensorRtError::SelfTest { gpu: gpu.name.clone() }) }
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
struct Plans<'a> {
    network: &'a Network,
    cache: Option<PlanCache>,
}

impl Plans<'_> {
    fn key(&self, options: &TensorRtOptions, precision: Precision, batch: usize, targets: Vec<Target>) -> PlanKey {
        PlanKey {
            model: self.network.hash().to_owned(),
            precision,
            batch,
            targets,
            workspace_bytes: options.workspace_bytes,
        }
    }

    /// The key of the plan to use on `gpu`: one for its architecture, or one for all if that is what there is.
    fn key_on(&self, gpu: &Gpu, options: &TensorRtOptions, precision: Precision, batch: usize) -> PlanKey {
        let own = self.key(options, precision, batch, Target::of(gpu.capability).into_iter().collect());
        let for_all = PlanKey { targets: Vec::new(), ..own.clone() };
        let has = |key: &PlanKey| self.cache.as_ref().is_some_and(|cache| cache.has_plan(key));
        if !has(&own) && has(&for_all) { for_all } else { own }
    }

    /// The plan, and whether it came from the cache. With `anew` what is cached is not looked at.
    fn get(
        &self,
        key: &PlanKey,
        anew: bool,
        listener: &mut dyn Listener,
    ) -> std::result::Result<(Vec<u8>, bool), TensorRtError> {
        let cached = |cache: &PlanCache| if anew { None } else { cache.plan(key) };
        if let Some(plan) = self.cache.as_ref().and_then(cached) {
            return Ok((plan, true));
        }
        // A cache that cannot be locked cannot be written either: the plan is made all the same.
        let lock = self.cache.as_ref().map(|cache| cache.lock(key, listener)).transpose();
        if matches!(lock, Err(TensorRtError::Cancelled)) {
            return Err(TensorRtError::Cancelled);
        }
        // Another process may have made it in the meantime.
        if let Some(plan) = self.cache.as_ref().and_then(cached) {
            return Ok((plan, true));
        }
        let plan = self.make(key, listener)?;
        if let Some(Err(error)) = self.cache.as_ref().map(|cache| cache.keep_plan(key, &plan)) {
            listener.preparing(Preparing::NotKept { reason: error.to_string() });
        }
        Ok((plan, false))
    }

    fn make(&self, key: &PlanKey, listener: &mut dyn Listener) -> std::result::Result<Vec<u8>, TensorRtError> {
        let onnx = self.network.onnx(ExportOptions { batch: key.batch, precision: key.precision })?;
        let options =
            PlanOptions { targets: key.targets.clone(), workspace_bytes: key.workspace_bytes, detailed: false };
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

/// Makes the plans of all networks of `model` ahead of time, on any machine: no GPU is needed. One for each of `targets`,
/// or one that runs on all architectures when there are none.
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
    let each: Vec<Vec<Target>> =
        if targets.is_empty() { vec![Vec::new()] } else { targets.iter().map(|&target| vec![target]).collect() };
    let mut built = Vec::new();
    for network in model.networks_of() {
        let plans = Plans { network, cache: Some(cache.clone()) };
        for targets in &each {
            let key = plans.key(options, precision(options), batch, targets.clone());
            let _lock = cache.lock(&key, listener)?;
            let found = cache.plan(&key);
            let cached = found.is_some();
            let plan = found.map_or_else(|| plans.make(&key, listener), Ok)?;
            let path = if cached { cache.plan_path(&key) } else { cache.keep_plan(&key, &plan)? };
            built.push(Built { path, bytes: plan.len() as u64, cached });
        }
    }
    Ok(built)
}

#[cfg(test)]
mod tests {
    use super::*;

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
