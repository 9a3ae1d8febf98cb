//! Fuzz targets: each function takes arbitrary bytes and may neither panic nor hang. `fuzz/` runs
//! them under libFuzzer, the tests on seeds and a fixed number of damaged copies.

use std::path::Path;

use sextet_separator::audio::{AudioFile, AudioSource as _, Tags};
use sextet_separator::{ErrorKind, Model};

/// Reads `bytes` as a checkpoint. Returns whether it is usable.
pub fn read_checkpoint(bytes: &[u8]) -> bool {
    match Model::read(bytes) {
        Ok(model) => {
            assert!(model.parameters() > 0 && model.segment_frames() > 0);
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Model, "{error}");
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// Reads the tags of the file at `path`, and the file to its end. Returns the number of frames, a
/// digest of all samples, and the warnings or the error.
pub fn decode(path: &Path) -> (u64, u64, String) {
    Tags::read(path);
    let file = match AudioFile::open(path) {
        Ok(file) => file,
        Err(error) => return (0, 0, error.to_string()),
    };
    let mut stream = match file.open() {
        Ok(stream) => stream,
        Err(error) => return (0, 0, error.to_string()),
    };

    let (mut frames, mut sum) = (0_u64, 0_u64);
    loop {
        match stream.next_block() {
            Ok(Some(block)) => {
                assert!(block.frames() > 0 && block.layout() == file.info().layout);
                frames += block.frames() as u64;
                for sample in block.channels().iter().flatten() {
                    assert!(sample.is_finite());
                    sum = sum.rotate_left(5) ^ u64::from(sample.to_bits());
                }
            }
            Ok(None) => return (frames, sum, format!("{:?}", stream.warnings())),
            Err(error) => return (frames, sum, error.to_string()),
        }
    }
}
