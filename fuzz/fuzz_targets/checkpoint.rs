//! Fuzz target: the checkpoint reader on arbitrary bytes.
#![no_main]

#[allow(dead_code)]
#[path = "../../separator/tests/support/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    targets::read_checkpoint(bytes);
});
