//! TensorRT engine: the graph in TensorRT-RTX on an NVIDIA GPU, mostly in float16.
//!
//! | file | contents |
//! |---|---|
//! | `library.rs` | finding, checking and loading TensorRT's libraries |
//! | `whole.rs`, `record.rs` | check that a library's file is whole before it is loaded |
//! | `gpu.rs` | driver and GPU, and whether they suffice |
//! | `target.rs` | GPU architectures that a plan can be built for |
//! | `planner.rs` | compilation of the graph into a plan; needs no GPU |
//! | `cache.rs`, `sealed.rs` | plans and compiled kernels on disk, checked when read |
//! | `session.rs` | plan on a GPU: buffers, transfers, batches |
//! | `accuracy.rs` | error of a model in float16 |
//! | `outlook.rs` | estimate of the time until a model can begin |
//! | `measure.rs` | speed of a network on the GPU |
//! | `start.rs` | start of a session: plan cached or built, batch that fits |

mod accuracy;
mod cache;
mod error;
mod gpu;
mod library;
mod measure;
mod outlook;
mod planner;
mod record;
mod sealed;
mod session;
mod start;
mod target;
mod whole;

pub use accuracy::TF32_VARIABLE;
pub use cache::{CacheEntry, PlanCache};
pub use error::TensorRtError;
pub use gpu::{Gpu, gpus};
pub use library::{Library, LibraryVersion, REQUIRED_VERSION};
pub use measure::{Measurement, layers, measure};
pub use record::record;
pub use start::{Built, Found, build, probe};
pub use target::Target;
pub use whole::Damage;

use std::sync::Arc;

use session::Session;

use super::class::EngineClass;
use super::contract::{Engine, GpuEngine, OpenedGpu};
use super::options::{EngineChoice, EngineOptions};
use crate::Result;
use crate::model::{Network, Precision};

/// TensorRT as an engine to choose.
pub(super) struct TensorRtEngine;

impl GpuEngine for TensorRtEngine {
    fn choice(&self) -> EngineChoice {
        EngineChoice::TensorRt
    }

    fn name(&self) -> &'static str {
        "TensorRT-RTX"
    }

    fn class(&self, options: &EngineOptions) -> EngineClass {
        class(start::precision(&options.tensorrt))
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn probe(&self, options: &EngineOptions) -> Result<()> {
        start::probe(&options.tensorrt).map(drop)
    }

    fn begin(&self, options: &EngineOptions) {
        start::begin(&options.tensorrt);
    }

    fn settle(&self) {
        start::settle();
    }

    fn open(&self, network: &Network, options: &EngineOptions) -> Result<Arc<dyn OpenedGpu>> {
        Ok(Arc::new(start::open_gpu(network, &options.tensorrt)?))
    }
}

/// Returns the class of the engine in `precision`.
fn class(precision: Precision) -> EngineClass {
    match precision {
        Precision::F32 => EngineClass::TensorRtF32,
        Precision::F16 => EngineClass::TensorRtF16,
    }
}

/// Network on a GPU.
pub(crate) struct TensorRt {
    session: Session,
    name: String,
    class: EngineClass,
}

impl TensorRt {
    fn new(session: Session, name: String, class: EngineClass) -> Self {
        Self {
            session,
            name,
            class,
        }
    }
}

impl Engine for TensorRt {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn class(&self) -> EngineClass {
        self.class
    }

    fn depth(&self) -> usize {
        self.session.depth()
    }

    fn submit(&mut self, fill: &mut dyn FnMut(&mut [f32])) -> Result<()> {
        Ok(self.session.submit(fill)?)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(self.session.launch_rest()?)
    }

    fn take(&mut self) -> Result<&[f32]> {
        Ok(self.session.take()?)
    }

    fn forget(&mut self) -> Result<()> {
        Ok(self.session.forget()?)
    }
}
