//! Fuzz target: the checkpoint reader on arbitrary bytes.
#![no_main]

use sextet_testing::targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    targets::read_checkpoint(bytes);
});
