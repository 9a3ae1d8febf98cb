//! Version of TensorRT-RTX that this build needs, and the names of its files.

use std::fmt;

/// Version of TensorRT-RTX.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LibraryVersion {
    /// Major, minor and patch number.
    pub parts: (i32, i32, i32),
}

/// Version that this build requires. 1.7 refuses the H100 and the H200, which 1.6 runs on.
pub const REQUIRED_VERSION: LibraryVersion = LibraryVersion { parts: (1, 6, 1) };

impl LibraryVersion {
    /// Converts `NV_TENSORRT_VERSION` as the library gives it: 10601 is 1.6.1.
    pub(super) fn from_number(number: i32) -> Self {
        Self {
            parts: (number / 10_000, number / 100 % 100, number % 100),
        }
    }
}

impl fmt::Display for LibraryVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.parts;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// File names of the runtime and of the ONNX parser.
pub(super) const FILES: [&str; 2] = if cfg!(windows) {
    ["tensorrt_rtx_1_6.dll", "tensorrt_onnxparser_rtx_1_6.dll"]
} else {
    ["libtensorrt_rtx.so.1", "libtensorrt_onnxparser_rtx.so.1"]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_librarys_number() {
        assert_eq!(LibraryVersion::from_number(10_601), REQUIRED_VERSION);
        assert_eq!(LibraryVersion::from_number(10_601).to_string(), "1.6.1");
        assert!(LibraryVersion::from_number(10_700) > REQUIRED_VERSION);
    }
}
