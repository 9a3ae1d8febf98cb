//! Driver and GPU: which ones are present and whether they suffice.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use cudarc::driver::CudaContext;
use cudarc::driver::result::device;

use super::capture::uncaptured;
use super::error::GpuError;
use super::visible;
use crate::timings::timed;

/// Driver and GPU that an engine needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// The engine, for messages.
    pub engine: &'static str,
    /// Oldest CUDA version that the driver has to support: 13000 is 13.0.
    pub driver: i32,
    /// Lowest compute capability.
    pub capability: (i32, i32),
    /// Architecture with that capability.
    pub architecture: &'static str,
}

/// Oldest driver by which a GPU is opened: the one that `cudarc` is built for. Functions of later
/// versions panic with an older driver, so no engine may need less.
const LEAST_DRIVER: i32 = 12_000;

const DRIVER_LIBRARY: &str = if cfg!(windows) {
    "nvcuda.dll"
} else {
    "libcuda.so.1"
};

/// GPU that an engine can use.
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

/// Needs of the opening itself.
const ANY: Needs = Needs {
    engine: "Sextet",
    driver: LEAST_DRIVER,
    capability: (0, 0),
    architecture: "any",
};

impl Needs {
    /// Returns an error for a driver that supports no later CUDA version than `found`, if that is
    /// too old.
    fn check_driver(&self, found: i32) -> Result<(), GpuError> {
        let &Self { engine, driver, .. } = self;
        if found >= driver {
            return Ok(());
        }
        Err(GpuError::OldDriver {
            engine,
            found,
            needed: driver,
        })
    }

    /// Returns an error for a GPU of `capability`, if that is too low.
    fn check_gpu(&self, name: &str, capability: (i32, i32)) -> Result<(), GpuError> {
        if capability >= self.capability {
            return Ok(());
        }
        Err(GpuError::OldGpu {
            engine: self.engine,
            name: name.to_owned(),
            capability,
            needed: self.capability,
            architecture: self.architecture,
        })
    }
}

/// Number of a GPU, and the thread that opens it.
type Opening = (usize, JoinHandle<Result<Gpu, GpuError>>);

/// GPUs that are being opened, each on a thread of its own.
static OPENING: Mutex<Vec<Opening>> = Mutex::new(Vec::new());

/// Begins to open GPU number `index`, unless that is under way already. The next call that opens
/// this GPU waits for it and receives it.
pub(in crate::engine) fn begin_to_open(index: usize) {
    let mut opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    if opening.iter().all(|(number, _)| *number != index) {
        opening.push((
            index,
            std::thread::spawn(move || timed("open the GPU", || Gpu::open_now(index))),
        ));
    }
}

/// Waits for GPU number `index` and returns it, if its opening was begun.
pub(in crate::engine) fn take_opened(index: usize) -> Option<Result<Gpu, GpuError>> {
    let mut opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    let at = opening.iter().position(|(number, _)| *number == index)?;
    let (_, thread) = opening.swap_remove(at);
    drop(opening);

    // A thread that panicked has opened nothing.
    thread.join().ok()
}

/// Waits for all GPUs whose opening was begun, and returns them.
pub(in crate::engine) fn take_all_opened() -> Vec<Gpu> {
    let opening = std::mem::take(&mut *OPENING.lock().unwrap_or_else(PoisonError::into_inner));
    opening
        .into_iter()
        .filter_map(|(_, thread)| thread.join().ok()?.ok())
        .collect()
}

impl Gpu {
    /// Opens GPU number `index`, if the driver and the GPU are new enough for an engine with
    /// `needs`.
    ///
    /// # Errors
    /// Returns what is missing or too old.
    pub fn open(index: usize, needs: &Needs) -> Result<Self, GpuError> {
        needs.check_driver(driver_version()?)?;
        let gpu = take_opened(index).unwrap_or_else(|| Self::open_now(index))?;
        needs.check_gpu(&gpu.name, gpu.capability)?;
        Ok(gpu)
    }

    /// Returns the name of GPU number `index`, under the same conditions as [`Gpu::open`]. A GPU
    /// whose opening was begun stays open for whoever opens it.
    pub(super) fn name_of(index: usize, needs: &Needs) -> Result<String, GpuError> {
        needs.check_driver(driver_version()?)?;
        let begun = take_opened(index);
        let was_begun = begun.is_some();
        let gpu = begun.unwrap_or_else(|| Self::open_now(index))?;
        needs.check_gpu(&gpu.name, gpu.capability)?;

        let name = gpu.name.clone();
        if was_begun {
            let opened = std::thread::spawn(move || Ok(gpu));
            let mut opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
            opening.push((index, opened));
        }
        Ok(name)
    }

    /// Opens a GPU of any age.
    fn open_now(index: usize) -> Result<Self, GpuError> {
        let driver = driver_version()?;
        ANY.check_driver(driver)?;

        let there = names()?;
        if index >= there.len() {
            let hidden_by = visible::only();
            return Err(GpuError::NoGpu {
                index,
                there,
                hidden_by,
            });
        }

        let asked = GpuError::during("open the GPU");
        let context = uncaptured(|| CudaContext::new(index)).map_err(&asked)?;
        let name = context.name().map_err(&asked)?;

        let capability = context.compute_capability().map_err(&asked)?;
        let memory_bytes = context.total_mem().map_err(&asked)?;

        // Events of this crate order the streams (see `batches.rs`), so the wrapper's events are
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
    pub(in crate::engine) fn free_bytes(&self) -> Result<usize, GpuError> {
        Ok(self
            .context
            .mem_get_info()
            .map_err(GpuError::during("say how much memory is free"))?
            .0)
    }

    pub(in crate::engine) fn context(&self) -> &Arc<CudaContext> {
        &self.context
    }
}

/// Returns the names of the GPUs that the driver shows, in the order of their numbers.
///
/// # Errors
/// Fails when there is no driver or it fails. A driver that shows no GPU is not an error.
pub fn gpus() -> Result<Vec<String>, GpuError> {
    driver_version()?;
    names()
}

fn names() -> Result<Vec<String>, GpuError> {
    use cudarc::driver::sys::cudaError_enum::CUDA_ERROR_NO_DEVICE;
    let asked = GpuError::during("say which GPUs there are");
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
fn driver_version() -> Result<i32, GpuError> {
    let missing = |_| GpuError::NoDriver {
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
        code => Err(GpuError::Cuda {
            action: "say its driver's version",
            code: format!("error {code}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn drivers_and_gpus_are_refused_by_what_the_engine_needs() {
        let needs = Needs {
            engine: "the engine",
            driver: 12_000,
            capability: (8, 0),
            architecture: "Ampere",
        };

        let cases = [
            (13_000, None),
            (12_000, None),
            (
                11_080,
                Some("the NVIDIA driver supports CUDA 11.8; the engine needs 12.0 or newer"),
            ),
        ];
        each_case(cases, |(found, said)| {
            let error = needs.check_driver(found).err();
            assert_eq!(error.map(|e| e.to_string()).as_deref(), said, "{found}");
        });

        let cases = [
            ((9, 0), None),
            ((8, 0), None),
            (
                (7, 5),
                Some(
                    "the GPU (A) has compute capability 7.5; the engine needs 8.0 (Ampere) or newer",
                ),
            ),
        ];
        each_case(cases, |(capability, said)| {
            let error = needs.check_gpu("A", capability).err();
            assert_eq!(
                error.map(|e| e.to_string()).as_deref(),
                said,
                "{capability:?}"
            );
        });
    }

    /// The driver's wrapper panics without the driver's library.
    #[test]
    fn a_missing_driver_is_an_error_and_no_panic() {
        if let Err(error) = driver_version() {
            assert!(matches!(error, GpuError::NoDriver { .. }), "{error}");
            begin_to_open(0);
            assert!(matches!(
                take_opened(0),
                Some(Err(GpuError::NoDriver { .. }))
            ));
            assert!(matches!(Gpu::open(0, &ANY), Err(GpuError::NoDriver { .. })));
            assert!(matches!(gpus(), Err(GpuError::NoDriver { .. })));
        }
    }
}
