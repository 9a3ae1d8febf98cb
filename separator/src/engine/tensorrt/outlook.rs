//! Estimate of the time until a model can begin on a GPU, from what is cached and without starting
//! anything.

use std::time::Duration;

use super::cache::{GpuKey, PlanCache, PlanKey};
use super::plans::Plans;
use super::precision::precision;
use crate::engine::gpu::{Gpu, TOLERANCE, first_batch};
use crate::engine::options::GpuOptions;
use crate::model::{Network, Precision};

/// Times of the steps that only a first start has. On an H200 they took 24 to 39 s in all, and the
/// comparison 2 s (docs/benchmarks.md). The first two were the same for small and large models, as
/// far as observed.
const PLAN: Duration = Duration::from_secs(15);
const KERNELS: Duration = Duration::from_secs(20);
const COMPARISON: Duration = Duration::from_secs(2);

/// Returns the time until all of `networks` can begin on `gpu` with `options`, beyond the time of
/// every start. Returns zero when all files are cached.
pub(super) fn until_ready(
    gpu: &Gpu,
    cache: Option<&PlanCache>,
    networks: &[&Network],
    options: &GpuOptions,
) -> Duration {
    let (gpu_key, batch) = (GpuKey::of(gpu), first_batch(options.batch, gpu));
    let each = networks.iter().map(|network| {
        let plans = Plans {
            network,
            cache: cache.cloned(),
        };
        let key = plans.key_on(gpu, options, precision(options), batch);
        time_to_make(cache, &key, &gpu_key)
    });

    each.sum()
}

/// Returns the time to make a network's missing files.
fn time_to_make(cache: Option<&PlanCache>, key: &PlanKey, gpu: &GpuKey) -> Duration {
    let is_exact = |cache: &PlanCache| {
        cache
            .float16_record(&key.model, gpu)
            .error()
            .is_some_and(|error| error <= TOLERANCE)
    };

    let steps = [
        (PLAN, cache.is_some_and(|cache| cache.has_plan(key))),
        (
            KERNELS,
            cache.is_some_and(|cache| cache.has_kernels(key, gpu)),
        ),
        (
            COMPARISON,
            key.precision == Precision::F32 || cache.is_some_and(is_exact),
        ),
    ];

    steps
        .into_iter()
        .filter(|(_, is_there)| !is_there)
        .map(|(time, _)| time)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cached_need_not_be_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PlanCache::new(folder.path());
        let gpu = GpuKey {
            name: "GPU".to_owned(),
            driver: 13_000,
        };

        let key = PlanKey {
            model: "abc".to_owned(),
            precision: Precision::F16,
            batch: 4,
            targets: Vec::new(),
            workspace_bytes: None,
        };

        let in_f32 = PlanKey {
            precision: Precision::F32,
            ..key.clone()
        };
        assert_eq!(
            time_to_make(None, &key, &gpu),
            PLAN + KERNELS + COMPARISON,
            "no cache"
        );

        assert_eq!(
            time_to_make(Some(&cache), &key, &gpu),
            PLAN + KERNELS + COMPARISON
        );
        assert_eq!(time_to_make(Some(&cache), &in_f32, &gpu), PLAN + KERNELS);

        cache.keep_plan(&key, b"plan").unwrap();
        assert_eq!(time_to_make(Some(&cache), &key, &gpu), KERNELS + COMPARISON);
        cache
            .float16_record("abc", &gpu)
            .keep(2.0 * TOLERANCE)
            .unwrap();

        assert_eq!(
            time_to_make(Some(&cache), &key, &gpu),
            KERNELS + COMPARISON,
            "a fault that may have passed"
        );

        cache.float16_record("abc", &gpu).keep(1e-3).unwrap();
        assert_eq!(time_to_make(Some(&cache), &key, &gpu), KERNELS);
        cache.keep_kernels(&key, &gpu, b"kernels").unwrap();

        assert_eq!(time_to_make(Some(&cache), &key, &gpu), Duration::ZERO);

        let other = GpuKey {
            driver: 13_010,
            ..gpu
        };
        assert_eq!(
            time_to_make(Some(&cache), &key, &other),
            KERNELS + COMPARISON,
            "another driver"
        );

        assert_eq!(
            time_to_make(Some(&cache), &PlanKey { batch: 8, ..key }, &other),
            PLAN + KERNELS + COMPARISON
        );
    }
}
