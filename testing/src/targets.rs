//! Fuzz targets: each function takes arbitrary bytes and may neither panic nor hang. `fuzz/` runs
//! them under libFuzzer, the tests on seeds and a fixed number of damaged copies.

use std::io::Cursor;
use std::path::Path;

use sextet_separator::audio::{
    Audio, AudioFile, AudioSource as _, AudioWriter, Bits, FileFormat, MAX_CHANNELS, RATES_HZ,
    TagField, Tags, WriteOptions,
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

/// Takes `bytes` as a layout, a kind of file and samples, writes them to `path`, and reads them
/// again. Returns the number of frames.
pub fn write_and_read(bytes: &[u8], path: &Path) -> usize {
    let Some((&[kind, channels, rate, more], samples)) = bytes.split_first_chunk::<4>() else {
        return 0;
    };
    let (format, bits) = [
        (FileFormat::Wav, Bits::B16),
        (FileFormat::Wav, Bits::B24),
        (FileFormat::Wav, Bits::Float32),
        (FileFormat::Aiff, Bits::B16),
        (FileFormat::Aiff, Bits::B24),
        (FileFormat::Aiff, Bits::Float32),
        (FileFormat::Flac, Bits::B16),
        (FileFormat::Flac, Bits::B24),
    ][usize::from(kind) % 8];

    // Frames of finite samples, at least one.
    let channels = 1 + usize::from(channels) % MAX_CHANNELS;
    let rates = RATES_HZ.end() - RATES_HZ.start();
    let rate_hz = RATES_HZ.start() + (u32::from(rate) << 8 | u32::from(more)) * 3 % (rates + 1);
    let mut planes = vec![Vec::new(); channels];
    for frame in samples.chunks_exact(4 * channels) {
        for (plane, bytes) in planes.iter_mut().zip(frame.as_chunks::<4>().0) {
            let sample = f32::from_le_bytes(*bytes);
            plane.push(if sample.is_finite() { sample } else { 0.0 });
        }
    }
    if planes[0].is_empty() {
        return 0;
    }

    let audio = Audio::new(planes, rate_hz);
    let options = WriteOptions::new().format(format).bits(bits);
    let out = Cursor::new(Vec::new());
    let frames = audio.frames();
    let mut writer =
        AudioWriter::new(out, audio.layout(), &options, frames as u64).expect("a header");
    writer.write(&audio).expect("samples");
    let (written, out) = writer.finish().expect("an end");
    let out = out.into_inner();
    assert_eq!(written.bytes, out.len() as u64);
    std::fs::write(path, out).expect("the temporary folder can be written to");

    let file = AudioFile::open(path).expect("a file that was just written");
    assert_eq!(file.info().layout, audio.layout());
    let mut stream = file.open().expect("a file that was just written");
    let mut read = 0;
    while let Some(block) = stream.next_block().expect("samples that were just written") {
        for (found, expected) in block.channels().iter().zip(audio.channels()) {
            for (&found, &expected) in found.iter().zip(&expected[read..]) {
                assert!(is_stored(found, expected, bits), "{found} for {expected}");
            }
        }
        read += block.frames();
    }
    assert_eq!(read, frames);
    assert!(stream.warnings().is_empty(), "{:?}", stream.warnings());
    frames
}

/// Returns whether `found` is what samples of `bits` keep of `expected`.
fn is_stored(found: f32, expected: f32, bits: Bits) -> bool {
    if bits == Bits::Float32 {
        return found.to_bits() == expected.to_bits();
    }
    let full = (1_u32 << (bits.count() - 1)) as f32;
    let expected =
        (f64::from(expected) * f64::from(full)).clamp(-f64::from(full), f64::from(full) - 1.0);
    (f64::from(found) * f64::from(full) - expected).abs() <= 0.5
}
