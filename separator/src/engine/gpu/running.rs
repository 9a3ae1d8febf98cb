//! Engine that computes by batches on a GPU.

use super::batches::{BatchNetwork, Batches};
use crate::Result;
use crate::engine::class::EngineClass;
use crate::engine::contract::Engine;

/// Network on a GPU.
pub(in crate::engine) struct OnGpu<N> {
    batches: Batches<N>,
    name: String,
    class: EngineClass,
}

impl<N> OnGpu<N> {
    pub(in crate::engine) fn new(batches: Batches<N>, name: String, class: EngineClass) -> Self {
        Self {
            batches,
            name,
            class,
        }
    }
}

impl<N: BatchNetwork> Engine for OnGpu<N>
where
    crate::Error: From<N::Error>,
{
    fn name(&self) -> String {
        self.name.clone()
    }

    fn class(&self) -> EngineClass {
        self.class
    }

    fn depth(&self) -> usize {
        self.batches.depth()
    }

    fn submit(&mut self, fill: &mut dyn FnMut(&mut [f32])) -> Result<()> {
        Ok(self.batches.submit(fill)?)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(self.batches.launch_rest()?)
    }

    fn take(&mut self) -> Result<&[f32]> {
        Ok(self.batches.take()?)
    }

    fn forget(&mut self) -> Result<()> {
        Ok(self.batches.forget()?)
    }
}
