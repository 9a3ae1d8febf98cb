//! Fuzz target: opening a file of arbitrary bytes, decoding it to its end, and reading its tags.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use sextet_testing::targets;

/// Only file of this process, rewritten for every run.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    // libFuzzer's hook would end the process at every panic, including panics inside decoders,
    // which the library turns into errors. Panics that are not caught still end it.
    std::panic::set_hook(Box::new(|_| {}));
    std::env::temp_dir().join(format!("sextet-fuzz-{}", std::process::id()))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*FILE, bytes).expect("the temporary folder can be written to");
    targets::decode(&FILE);
});
