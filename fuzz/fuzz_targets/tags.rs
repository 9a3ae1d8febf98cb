//! Fuzz target: tags of a file of arbitrary bytes, written into stems of every format.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use sextet_testing::targets;

/// The file of this process, rewritten for every run; the stems lie beside it.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    // A panic inside the reader of tags is caught by the library.
    std::panic::set_hook(Box::new(|_| {}));
    std::env::temp_dir().join(format!("sextet-fuzz-tags-{}", std::process::id()))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*FILE, bytes).expect("the temporary folder can be written to");
    targets::rewrite_tags(&FILE);
});
