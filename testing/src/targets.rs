//! Fuzz targets: each function takes arbitrary bytes and may neither panic nor hang. `fuzz/` runs
//! them under libFuzzer, the tests on seeds and a fixed number of damaged copies.

use std::io::Cursor;
use std::path::Path;

use sextet_separator::audio::{
    Audio, AudioFile, AudioSource as _, AudioWriter, Bits, FileFormat, TagField, Tags, WriteOptions,
};
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

/// Reads the tags of the file at `path`, writes them into a stem of every format, and reads those.
/// Returns whether there were any tags.
pub fn rewrite_tags(path: &Path) -> bool {
    let song = Tags::read(path);
    let tags = song.of_stem("bass", "0.0.0");
    assert!(
        tags.get(TagField::Title)
            .is_some_and(|title| title.contains("bass"))
    );

    let audio = Audio::new(vec![vec![0.0; 16]], 44_100);
    for format in [FileFormat::Wav, FileFormat::Flac, FileFormat::Aiff] {
        let options = WriteOptions::new()
            .format(format)
            .bits(Bits::B16)
            .tags(tags.clone());
        let out = Cursor::new(Vec::new());
        let mut writer = AudioWriter::new(out, audio.layout(), &options, 16).expect("a header");
        writer.write(&audio).expect("samples");
        let (_, out) = writer.finish().expect("an end");

        let again = path.with_extension(format.extension());
        std::fs::write(&again, out.into_inner()).expect("the temporary folder can be written to");
        let file = AudioFile::open(&again).expect("a file that was just written");
        assert_eq!(file.info().layout, audio.layout());
        assert!(Tags::read(&again).is_stem());
    }
    !song.is_empty()
}
