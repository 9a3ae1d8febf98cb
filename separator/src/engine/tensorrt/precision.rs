//! Precision that options ask for, and the class of engines that it makes.

use crate::engine::class::EngineClass;
use crate::engine::options::GpuOptions;
use crate::model::Precision;

/// Returns the precision that `options` ask for. A model may turn out to need float32 all the same.
pub(super) fn precision(options: &GpuOptions) -> Precision {
    if options.full_precision {
        Precision::F32
    } else {
        Precision::F16
    }
}

/// Returns the class of the engine in `precision`.
pub(super) fn class(precision: Precision) -> EngineClass {
    match precision {
        Precision::F32 => EngineClass::TensorRtF32,
        Precision::F16 => EngineClass::TensorRtF16,
    }
}
