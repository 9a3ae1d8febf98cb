//! Plans that are built ahead of time.

use std::path::PathBuf;

use super::cache::PlanCache;
use super::error::TensorRtError;
use super::library::Library;
use super::plans::Plans;
use super::precision::precision;
use super::target::Target;
use crate::Result;
use crate::engine::gpu::DEFAULT_BATCH;
use crate::engine::options::GpuOptions;
use crate::model::Model;
use crate::progress::Listener;

/// Plan that was built ahead of time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BuiltPlan {
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
    options: &GpuOptions,
    targets: &[Target],
    listener: &mut dyn Listener,
) -> Result<Vec<BuiltPlan>> {
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

            built.push(BuiltPlan {
                path,
                bytes: bytes as u64,
                cached,
            });
        }
    }

    Ok(built)
}
