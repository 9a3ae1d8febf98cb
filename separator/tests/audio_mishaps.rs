//! Properties of files of every kind that were cut, damaged or joined: what is heard is what the
//! file holds, and whatever is missing is told of.
#![allow(clippy::unwrap_used, reason = "what fails is the test")]

mod audio_support;

use std::io::Cursor;
use std::path::Path;
use std::sync::LazyLock;

use audio_support::{chirp, fixture, read_file};
use proptest::prelude::*;
use proptest::sample::Index;
use sextet_separator::audio::{Audio, AudioWriter, Bits, FileFormat, Layout, WriteOptions};

const STEREO: Layout = Layout {
    channels: 2,
    rate_hz: 44_100,
};

/// How a kind of file holds its samples.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Codec {
    /// Each sample by itself.
    Plain,
    /// In blocks, without loss.
    Lossless,
    /// In blocks that the one before goes on into.
    Lossy,
}

/// Reach of a file's checksums.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Checked {
    /// All of the file.
    All,
    /// The samples, but not how they are packed.
    Samples,
    Nothing,
}

/// A file, and what is heard of it.
struct Song {
    name: &'static str,
    codec: Codec,
    /// Reach of its checksums.
    checked: Checked,
    /// Whether the file says how long it is, or where it ends.
    has_end: bool,
    bytes: Vec<u8>,
    audio: Audio,
}

/// A file of each kind, as it leaves its encoder.
static SONGS: LazyLock<Vec<Song>> = LazyLock::new(|| {
    use Checked::{All, Nothing, Samples};
    use Codec::{Lossless, Lossy, Plain};
    let song = |name: &'static str, codec, checked, has_end, bytes: Vec<u8>| {
        let (audio, warnings) = read(name, &bytes).unwrap();
        assert_eq!(warnings, [""; 0], "{name}");
        Song {
            name,
            codec,
            checked,
            has_end,
            bytes,
            audio,
        }
    };
    let stored = |name: &'static str, codec, checked, has_end| {
        let bytes = std::fs::read(fixture(name)).unwrap();
        song(name, codec, checked, has_end, bytes)
    };
    let plain = |name, format, bits| song(name, Plain, Nothing, true, written(format, bits));

    vec![
        plain("16.wav", FileFormat::Wav, Bits::B16),
        plain("32f.wav", FileFormat::Wav, Bits::Float32),
        plain("24.aiff", FileFormat::Aiff, Bits::B24),
        stored("mono.caf", Plain, Nothing, true),
        stored("stereo.flac", Lossless, All, true),
        stored("flac.mka", Lossless, Samples, true),
        stored("alac.m4a", Lossless, Nothing, true),
        stored("alac.caf", Lossless, Nothing, true),
        stored("fragmented_flac.mp4", Lossless, Samples, true),
        stored("lame_cbr.mp3", Lossy, Nothing, true),
        stored("aac.m4a", Lossy, Nothing, true),
        stored("aac.mkv", Lossy, Nothing, true),
        stored("opus.webm", Lossy, Nothing, true),
        stored("long.ogg", Lossy, All, true),
        stored("opus.opus", Lossy, All, true),
        stored("raw.aac", Lossy, Nothing, false),
        stored("layer2.mp2", Lossy, Nothing, false),
    ]
});

/// Writes a second of song.
fn written(format: FileFormat, bits: Bits) -> Vec<u8> {
    let audio = chirp(STEREO, 12_345);
    let options = WriteOptions::new().format(format).bits(bits);
    let out = Cursor::new(Vec::new());
    let mut writer = AudioWriter::new(out, audio.layout(), &options, 12_345).unwrap();
    writer.write(&audio).unwrap();
    writer.finish().unwrap().1.into_inner()
}

/// Reads `bytes` as a file called `name`. Returns what is heard and the warnings, or the error.
fn read(name: &str, bytes: &[u8]) -> Result<(Audio, Vec<String>), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(Path::new(name).file_name().unwrap());
    std::fs::write(&path, bytes).unwrap();
    let (audio, warnings) = read_file(&path).map_err(|error| error.to_string())?;
    assert!(
        audio
            .channels()
            .iter()
            .flatten()
            .all(|sample| sample.is_finite())
    );
    Ok((audio, warnings.iter().map(ToString::to_string).collect()))
}

/// Returns whether `found` is the beginning of `whole`. The last block of a lossy codec may lack
/// what the next one adds to it.
fn begins(found: &Audio, whole: &Audio, codec: Codec) -> bool {
    let last = if codec == Codec::Lossy { 2_304 } else { 0 };
    let frames = found.frames().min(whole.frames()).saturating_sub(last);
    let channels = found.channels().iter().zip(whole.channels());
    found.layout() == whole.layout()
        && found.frames() <= whole.frames() + last
        && channels
            .into_iter()
            .all(|(found, whole)| found[..frames] == whole[..frames])
}

/// Checks one property of a file that was cut to `length` bytes.
fn check_cut(song: &Song, length: usize) -> Result<(), String> {
    let Song {
        name, codec, audio, ..
    } = song;
    let Ok((found, warnings)) = read(name, &song.bytes[..length]) else {
        return Ok(());
    };
    if !begins(&found, audio, *codec) {
        let frames = (found.frames(), audio.frames());
        return Err(format!(
            "{name}, {length}: something else is heard, {frames:?}"
        ));
    }
    if song.has_end && found.frames() < audio.frames() && warnings.is_empty() {
        let (found, all) = (found.frames(), audio.frames());
        return Err(format!(
            "{name}, {length}: {found} of {all} frames without a word"
        ));
    }
    Ok(())
}

/// Checks a file of which one bit was flipped.
fn check_flip(song: &Song, at: usize, bit: u32) -> Result<(), String> {
    let Song {
        name, codec, audio, ..
    } = song;
    let mut bytes = song.bytes.clone();
    bytes[at] ^= 1 << bit;
    let Ok((found, warnings)) = read(name, &bytes) else {
        return Ok(());
    };

    // What a header says otherwise is another song.
    if found.layout() != audio.layout() {
        return Ok(());
    }
    let case = format!("{name}, bit {bit} of byte {at}");
    if found.frames() > 2 * audio.frames() + 70_000 {
        return Err(format!("{case}: {} frames", found.frames()));
    }
    let is_whole = found.frames() == audio.frames();
    let is_checked = match song.checked {
        Checked::All => true,
        Checked::Samples => is_whole,
        Checked::Nothing => false,
    };
    if is_checked && warnings.is_empty() && found != *audio {
        return Err(format!("{case}: damage without a word"));
    }

    // A damaged sample costs no other.
    let channels = found.channels().iter().zip(audio.channels());
    let other = |(found, whole): (&Vec<f32>, &Vec<f32>)| {
        let unlike = found.iter().zip(whole).filter(|(a, b)| a != b);
        unlike.count()
    };
    let others: usize = channels.map(other).sum();
    let in_samples = at + 8_000 > bytes.len();
    if *codec == Codec::Plain && in_samples && (others > 1 || found.frames() != audio.frames()) {
        return Err(format!("{case}: {others} samples differ"));
    }
    Ok(())
}

/// Checks a file that holds a song twice, with `between` between them.
fn check_joined(song: &Song, between: &[u8]) -> Result<(), String> {
    let Song { name, audio, .. } = song;
    let bytes = [&song.bytes, between, &song.bytes].concat();
    let Ok((found, warnings)) = read(name, &bytes) else {
        return Ok(());
    };
    // What is told of may be missing, but not of FLAC, whose frames have checksums.
    if !warnings.is_empty() && *name != "stereo.flac" {
        return Ok(());
    }
    let frames = (found.frames(), audio.frames());
    if !begins(audio, &found, song.codec) {
        return Err(format!("{name}: the first song is another, {frames:?}"));
    }
    if found.frames() < 2 * audio.frames() {
        return Err(format!("{name}: the second song is gone, {frames:?}"));
    }
    Ok(())
}

/// Checks every length of every file, near the ends, and others in steps.
#[test]
fn what_is_cut_off_is_told_of() {
    let mut failures = Vec::new();
    let mut count = 0;
    for song in SONGS.iter() {
        let length = song.bytes.len();
        let near = (1..400.min(length)).chain(length - 300..length);
        for length in near.step_by(7).chain((400..length).step_by(length / 60)) {
            failures.extend(check_cut(song, length).err());
            count += 1;
        }
    }
    println!("{count} cuts of {} files", SONGS.len());
    assert_eq!(failures, Vec::<String>::new());
}

#[test]
fn songs_that_were_joined_are_heard_or_told_of() {
    let mut failures = Vec::new();
    for song in SONGS.iter() {
        for between in [b"".as_slice(), &[0; 999]] {
            failures.extend(check_joined(song, between).err());
        }
    }
    assert_eq!(failures, Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    /// A cut file is heard up to the cut.
    #[test]
    fn a_cut_file_is_its_beginning(song in any::<Index>(), length in any::<Index>()) {
        let song = song.get(&SONGS);
        let length = 1 + length.index(song.bytes.len() - 1);
        prop_assert_eq!(check_cut(song, length), Ok(()));
    }

    /// A flipped bit costs what it is in, with a word where there is a checksum.
    #[test]
    fn a_flipped_bit_costs_its_block(
        song in any::<Index>(),
        at in any::<Index>(),
        bit in 0..8_u32,
    ) {
        let song = song.get(&SONGS);
        let at = at.index(song.bytes.len());
        prop_assert_eq!(check_flip(song, at, bit), Ok(()));
    }

    /// Garbage between two songs is not heard, and costs neither.
    #[test]
    fn garbage_between_songs_costs_neither(
        song in any::<Index>(),
        between in proptest::collection::vec(0..0x80_u8, 0..3_000),
    ) {
        prop_assert_eq!(check_joined(song.get(&SONGS), &between), Ok(()));
    }
}
