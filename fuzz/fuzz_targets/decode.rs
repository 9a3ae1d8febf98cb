//! Opening a file of any bytes, decoding it to its end, and reading its tags.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

#[allow(dead_code)]
#[path = "../../separator/tests/support/targets.rs"]
mod targets;

/// The one file of this process, written anew for every run.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    // libFuzzer's hook ends the process at every panic, those inside of decoders too, which the
    // library turns into errors. Panics that nobody catches still end it.
    std::panic::set_hook(Box::new(|_| {}));
    std::env::temp_dir().join(format!("sextet-fuzz-{}", std::process::id()))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*FILE, bytes).expect("the temporary folder can be written to");
    targets::decode(&FILE);
});
