//! Fuzz target: any samples in any layout, written as WAV, AIFF and FLAC, and read again.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use sextet_testing::targets;

/// The file of this process, rewritten for every run.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::temp_dir().join(format!("sextet-fuzz-write-{}", std::process::id()))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    targets::write_and_read(bytes, &FILE);
});
