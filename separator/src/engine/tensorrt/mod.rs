//! TensorRT engine: the graph in TensorRT-RTX on an NVIDIA GPU, mostly in float16.
//!
//! | file | what it does |
//! |---|---|
//! | `library.rs` | finds TensorRT's libraries, asks for their version, loads them |
//! | `whole.rs`, `record.rs` | whether a library's file is whole, before it is loaded |
//! | `gpu.rs` | the driver and the GPU, before anything is asked of them |
//! | `target.rs` | the architectures that a plan can be made for |
//! | `planner.rs` | makes a plan (TensorRT's word for a compiled network) from the graph; needs no GPU |
//! | `cache.rs`, `sealed.rs` | plans and compiled kernels on disk: whole or not at all, and checked when read |
//! | `session.rs` | a plan on a GPU: buffers, transfers, batches |
//! | `accuracy.rs` | what float16 costs a model |
//! | `outlook.rs` | how long it takes until a model can begin |
//! | `measure.rs` | how fast all that is |
//! | `start.rs` | from a network to a session: plan cached or made, batch that fits |

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

pub(super) use start::{Opened, begin, open_gpu, settle};

use session::Session;

use super::Engine;
use crate::Result;

/// Whether this build has TensorRT.
pub(super) const IS_BUILT_IN: bool = true;

/// Network on a GPU.
pub(crate) struct TensorRt {
    session: Session,
    name: String,
    class: &'static str,
}

impl TensorRt {
    fn new(session: Session, name: String, class: &'static str) -> Self {
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

    fn class(&self) -> &'static str {
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
