//! Classes of engines, by which stems in a cache are told apart.

use std::fmt;
use std::str::FromStr;

/// Kind and precision of an engine. Engines of one class give the same samples except for rounding;
/// engines of different classes do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineClass {
    /// CPU engine, in float32.
    CpuF32,
    /// Kernels of our own on an NVIDIA GPU, in float16.
    CudaF16,
    /// TensorRT, in float32.
    TensorRtF32,
    /// TensorRT, in float16.
    TensorRtF16,
}

/// Names of the classes. They stand in the recipes of cached stems, so that none may ever change.
const NAMES: [(EngineClass, &str); 4] = [
    (EngineClass::CpuF32, "cpu-f32"),
    (EngineClass::CudaF16, "cuda-f16"),
    (EngineClass::TensorRtF32, "tensorrt-f32"),
    (EngineClass::TensorRtF16, "tensorrt-f16"),
];

impl EngineClass {
    /// Returns whether engines of this class compute on the CPU.
    pub fn is_cpu(self) -> bool {
        self == Self::CpuF32
    }
}

impl fmt::Display for EngineClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = NAMES.iter().find(|(class, _)| class == self);
        f.pad(named.map_or("", |(_, name)| name))
    }
}

/// Name of a class that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no class of engines '{found}'; expected {}", names())]
#[non_exhaustive]
pub struct UnknownEngineClass {
    /// The name that was found.
    pub found: String,
}

fn names() -> String {
    NAMES.map(|(_, name)| name).join(", ")
}

impl FromStr for EngineClass {
    type Err = UnknownEngineClass;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = NAMES.iter().find(|(_, name)| *name == text);
        named
            .map(|(class, _)| *class)
            .ok_or_else(|| UnknownEngineClass {
                found: text.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn classes_are_read_as_they_are_written() {
        each_case(NAMES, |(class, name)| {
            assert_eq!(class.to_string(), name);
            assert_eq!(name.parse(), Ok(class));
            assert_eq!(class.is_cpu(), name.starts_with("cpu"), "{name}");
        });

        let error = "cpu-f16".parse::<EngineClass>().unwrap_err().to_string();
        assert!(
            error.contains("'cpu-f16'") && error.contains("cpu-f32"),
            "{error}"
        );
    }
}
