//! Plans of one network: from the cache, or from the planner.

use super::cache::{PlanCache, PlanKey};
use super::error::TensorRtError;
use super::planner::{self, PlanOptions};
use super::precision::precision;
use super::target::Target;
use crate::engine::gpu::sealed::Sealed;
use crate::engine::gpu::{DEFAULT_BATCH, Gpu};
use crate::engine::options::GpuOptions;
use crate::model::{ExportOptions, Network, Precision};
use crate::progress::{Listener, Preparing};

/// Source of the plans of one network: the cache or the planner.
pub(super) struct Plans<'a> {
    pub(super) network: &'a Network,
    pub(super) cache: Option<PlanCache>,
}

impl<'a> Plans<'a> {
    pub(super) fn new(network: &'a Network, options: &GpuOptions) -> Self {
        Self {
            network,
            cache: options.cache.as_ref().map(PlanCache::new),
        }
    }

    /// Begins to read the plan that `options` will need on this machine's GPU, if it can be
    /// determined.
    pub(super) fn read_ahead(&self, options: &GpuOptions) {
        let Some(cache) = &self.cache else { return };
        let batch = options.batch.unwrap_or(DEFAULT_BATCH);
        let each =
            std::iter::once(Vec::new()).chain(Target::all().into_iter().map(|target| vec![target]));
        cache.read_ahead(
            each.map(|targets| self.key(options, precision(options), batch, targets))
                .collect(),
        );
    }

    pub(super) fn key(
        &self,
        options: &GpuOptions,
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
        options: &GpuOptions,
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
    pub(super) fn get(
        &self,
        key: &PlanKey,
        anew: bool,
        listener: &mut dyn Listener,
    ) -> Result<(Sealed, bool), TensorRtError> {
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

    pub(super) fn make(
        &self,
        key: &PlanKey,
        listener: &mut dyn Listener,
    ) -> Result<Vec<u8>, TensorRtError> {
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
