//! The CPU engine: the graph in rten, a runtime in pure Rust.

use std::num::NonZeroUsize;
use std::sync::Arc;

use rten::{Model, ModelOptions, RunOptions, ThreadPool};
use rten_tensor::{NdTensor, NdTensorView};

use super::{Engine, EngineError};
use crate::Result;
use crate::model::{CHANNELS, Network};

/// What the engine is called.
pub(super) const NAME: &str = "CPU (rten)";

/// A network loaded into rten, and the threads that it runs on.
pub(crate) struct Cpu {
    model: Model,
    segment_frames: usize,
    threads: Option<Arc<ThreadPool>>,
    /// The segment that was submitted, until it is taken.
    mix: Vec<f32>,
    stems: Vec<f32>,
}

impl Cpu {
    /// Loads `network`. Its weights are dropped as soon as the runtime has its own.
    pub(crate) fn new(network: Network, threads: Option<NonZeroUsize>) -> Result<Self> {
        let segment_frames = network.segment_frames();
        let onnx = network.onnx_for_cpu()?;
        drop(network);
        let model = ModelOptions::with_all_ops().prepack_weights(true).load(onnx);
        let model = model.map_err(|source| EngineError::Load { source })?;
        let threads = threads.map(|count| Arc::new(ThreadPool::with_num_threads(count.get())));
        Ok(Self { model, segment_frames, threads, mix: Vec::new(), stems: Vec::new() })
    }
}

impl Engine for Cpu {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn depth(&self) -> usize {
        1
    }

    fn submit(&mut self, mix: &[f32]) -> Result<()> {
        self.mix.clear();
        self.mix.extend_from_slice(mix);
        Ok(())
    }

    fn take(&mut self) -> Result<&[f32]> {
        let input = NdTensorView::from_data([1, CHANNELS, self.segment_frames], self.mix.as_slice());
        let options = RunOptions::default().with_thread_pool(self.threads.clone());
        let failed = |source| EngineError::Run { source };
        let output = self.model.run_one(input.into(), Some(options)).map_err(failed)?;
        let output: NdTensor<f32, 4> = output.try_into().map_err(|_| EngineError::OutputShape)?;
        self.stems = output.into_data();
        Ok(&self.stems)
    }

    fn forget(&mut self) -> Result<()> {
        Ok(())
    }
}
