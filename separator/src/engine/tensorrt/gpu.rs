//! Driver and GPU: which ones are present and whether they suffice.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use cudarc::driver::CudaContext;
use cudarc::driver::result::device;

use super::capture::uncaptured;
use super::error::TensorRtError;
use super::visible;
use crate::timings::timed;

/// Oldest supported driver: CUDA 13.0, for which the libraries are built.
const NEEDED_DRIVER: i32 = 13_000;
/// Oldest supported architecture: Turing, the oldest that TensorRT-RTX supports.
const NEEDED_CAPABILITY: (i32, i32) = (7, 5);

const DRIVER_LIBRARY: &str = if cfg!(windows) {
    "nvcuda.dll"
} else {
    "libcuda.so.1"
};

/// GPU that TensorRT can use.
#[derive(Clone, Debug)]
pub struct Gpu {
    /// Name of the GPU, as the driver gives it.
    pub name: String,
    /// Compute capability, for instance (8, 6).
    pub capability: (i32, i32),
    /// Size of the GPU's memory in bytes.
    pub memory_bytes: usize,
    /// CUDA version that the driver supports: 13000 is 13.0.
    pub driver: i32,
    context: Arc<CudaContext>,
}

/// Number of a GPU, and the thread that opens it.
type Opening = (usize, JoinHandle<Result<Gpu, TensorRtError>>);

/// GPUs that are being opened, each on a thread of its own.
static OPENING: Mutex<Vec<Opening>> = Mutex::new(Vec::new());

/// Begins to open GPU number `index`, unless that is under way already. The next call that opens
/// this GPU waits for it and receives it.
pub(super) fn begin_to_open(index: usize) {
    let mut opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    if opening.iter().all(|(number, _)| *number != index) {
        opening.push((
            index,
            std::thread::spawn(move || timed("open the GPU", || Gpu::open_now(index))),
        ));
    }
}

/// Waits for GPU number `index` and returns it, if its opening was begun.
pub(super) fn take_opened(index: usize) -> Option<Result<Gpu, TensorRtError>> {
    let mut opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    let at = opening.iter().position(|(number, _)| *number == index)?;
    let (_, thread) = opening.swap_remove(at);
    drop(opening);

    // A thread that panicked has opened nothing.
    thread.join().ok()
}

/// Waits for all GPUs whose opening was begun, and returns them.
pub(super) fn take_all_opened() -> Vec<Gpu> {
    let opening = std::mem::take(&mut *OPENING.lock().unwrap_or_else(PoisonError::into_inner));
    opening
        .into_iter()
        .filter_map(|(_, thread)| thread.join().ok()?.ok())
        .collect()
}

impl Gpu {
    /// Opens GPU number `index`, if the driver and the GPU are new enough.
    ///
    /// # Errors
    /// Returns what is missing or too old.
    pub fn open(index: usize) -> Result<Self, TensorRtError> {
        take_opened(index).unwrap_or_else(|| Self::open_now(index))
    }

    fn open_now(index: usize) -> Result<Self, TensorRtError> {
        let driver = driver_version()?;
        if driver < NEEDED_DRIVER {
            return Err(TensorRtError::OldDriver {
                found: driver,
                needed: NEEDED_DRIVER,
            });
        }

        let there = names()?;
        if index >= there.len() {
            let hidden_by = visible::only();
            return Err(TensorRtError::NoGpu {
                index,
                there,
                hidden_by,
            });
        }

        let asked = TensorRtError::cuda("open the GPU");
        let context = uncaptured(|| CudaContext::new(index)).map_err(&asked)?;
        let name = context.name().map_err(&asked)?;

        let capability = context.compute_capability().map_err(&asked)?;
        if capability < NEEDED_CAPABILITY {
            return Err(TensorRtError::OldGpu { name, capability });
        }

        let memory_bytes = context.total_mem().map_err(&asked)?;

        // Events of this crate order the streams (see `session.rs`), so the wrapper's events are
        // not needed. SAFETY: no memory of this context is shared between streams without such an
        // event.
        unsafe { context.disable_event_tracking() };
        Ok(Self {
            name,
            capability,
            memory_bytes,
            driver,
            context,
        })
    }

    /// Returns the size of the memory that is free now, in bytes.
    pub(super) fn free_bytes(&self) -> Result<usize, TensorRtError> {
        Ok(self
            .context
            .mem_get_info()
            .map_err(TensorRtError::cuda("say how much memory is free"))?
            .0)
    }

    pub(super) fn context(&self) -> &Arc<CudaContext> {
        &self.context
    }
}

/// Returns the names of the GPUs that the driver shows, in the order of their numbers.
///
/// # Errors
/// Fails when there is no driver or it fails. A driver that shows no GPU is not an error.
pub fn gpus() -> Result<Vec<String>, TensorRtError> {
    driver_version()?;
    names()
}

fn names() -> Result<Vec<String>, TensorRtError> {
    use cudarc::driver::sys::cudaError_enum::CUDA_ERROR_NO_DEVICE;
    let asked = TensorRtError::cuda("say which GPUs there are");
    let count = match CudaContext::device_count() {
        Err(error) if error.0 == CUDA_ERROR_NO_DEVICE => 0,
        count => count.map_err(&asked)?,
    };

    (0..count)
        .map(|number| device::get_name(device::get(number)?))
        .collect::<Result<_, _>>()
        .map_err(asked)
}

/// Returns the CUDA version that the driver supports. Calls the driver's library directly, since
/// the wrapper panics without one.
fn driver_version() -> Result<i32, TensorRtError> {
    let missing = |_| TensorRtError::NoDriver {
        library: DRIVER_LIBRARY,
    };
    let mut version = 0;

    // SAFETY: cuDriverGetVersion is `CUresult cuDriverGetVersion(int *)` in every version of the
    // driver, and may be called before cuInit.
    let status = unsafe {
        let library = libloading::Library::new(DRIVER_LIBRARY).map_err(missing)?;
        let ask: libloading::Symbol<'_, unsafe extern "C" fn(*mut i32) -> i32> =
            library.get(b"cuDriverGetVersion").map_err(missing)?;
        ask(&raw mut version)
    };

    match status {
        0 => Ok(version),
        code => Err(TensorRtError::Cuda {
            action: "say its driver's version",
            code: format!("error {code}"),
        }),
    }
}
