//! Tags of the stems: what goes along, what is left out, and the header of the files.

use sextet_cases::each_case;
use sextet_separator::audio::{TagField, Tags};

use crate::sandbox::Sandbox;

/// Place of the time reference in a `bext` chunk, and the length of its fixed part.
const TIME: usize = 338;
const FIXED_BYTES: usize = 602;

/// Returns a chunk of a WAVE file.
fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = name.to_vec();
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(2), 0);
    bytes
}

/// Returns a text frame of ID3, version 2.3.
fn frame(name: &[u8; 4], text: &str) -> Vec<u8> {
    let mut bytes = name.to_vec();
    bytes.extend((1 + text.len() as u32).to_be_bytes());
    bytes.extend([0; 3]);
    bytes.extend(text.as_bytes());
    bytes
}

/// Returns a broadcast WAVE file at 48 kHz with tags.
fn song() -> Vec<u8> {
    let frames = [
        frame(b"TIT2", "Song"),
        frame(b"TPE1", "Somebody"),
        frame(b"TBPM", "121"),
        frame(b"TKEY", "F#m"),
        frame(b"TSRC", "QZES71982312"),
        frame(b"TXXX", "REPLAYGAIN_TRACK_GAIN\0-6.00 dB"),
    ]
    .concat();
    let mut id3 = b"ID3\x03\0\0".to_vec();
    let size = frames.len() as u8;
    id3.extend([0, 0, size >> 7, size & 0x7f]);
    id3.extend(frames);

    let mut broadcast = vec![0; FIXED_BYTES];
    broadcast[..11].copy_from_slice(b"a recording");
    broadcast[TIME..TIME + 8].copy_from_slice(&(48_000_u64 * 3_600).to_le_bytes());

    let mut format = b"\x01\0\x01\0".to_vec();
    format.extend([48_000_u32, 96_000].map(u32::to_le_bytes).concat());
    format.extend(b"\x02\0\x10\0");
    let samples: Vec<u8> = (0..12_000_i16)
        .flat_map(|n| (n % 500 * 20).to_le_bytes())
        .collect();
    let chunks = [
        chunk(b"fmt ", &format),
        chunk(b"bext", &broadcast),
        chunk(b"data", &samples),
        chunk(b"id3 ", &id3),
    ]
    .concat();
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((4 + chunks.len() as u32).to_le_bytes());
    bytes.extend(b"WAVE");
    bytes.extend(chunks);
    bytes
}

/// Returns the body of the chunk `name` of a WAVE file.
fn find<'a>(file: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    let mut rest = &file[12..];
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let [.., a, b, c, d] = *head;
        let bytes = u32::from_le_bytes([a, b, c, d]) as usize;
        if head.starts_with(name) {
            return after.get(..bytes);
        }
        rest = after.get(bytes.next_multiple_of(2)..)?;
    }
    None
}

#[test]
fn tags_go_along_but_those_of_the_whole_song() {
    let sandbox = Sandbox::new();
    sandbox.file("song.wav", &song());
    each_case(["wav", "flac", "aiff"], |format| {
        let arguments = ["song.wav", "--stems", "bass", "--format", format];
        sandbox.separate(&arguments).assert().success();
        let path = sandbox.path(&format!("stems/song/bass.{format}"));
        let tags = Tags::read(&path);
        let cases = [
            (TagField::Title, "Song (bass)"),
            (TagField::Artist, "Somebody"),
            (TagField::Bpm, "121"),
            (TagField::Key, "F#m"),
            (TagField::Isrc, "QZES71982312"),
        ];
        each_case(cases, |(field, expected)| {
            assert_eq!(tags.get(field), Some(expected), "{format}: {field:?}");
        });
        let file = std::fs::read(&path).unwrap().to_ascii_uppercase();
        assert!(
            !file.windows(10).any(|bytes| bytes == b"REPLAYGAIN"),
            "{format}"
        );
    });
}

#[test]
fn the_time_of_a_recording_goes_along_at_the_stems_rate() {
    let sandbox = Sandbox::new();
    sandbox.file("song.wav", &song());
    each_case([("source", 48_000_u64), ("44100", 44_100)], |(rate, hz)| {
        let arguments = ["song.wav", "--stems", "bass", "--rate", rate, "--tags"];
        sandbox.separate(&arguments).arg("song").assert().success();
        let path = sandbox.path("stems/song/bass.wav");
        let file = std::fs::read(&path).unwrap();
        let broadcast = find(&file, b"bext").unwrap();
        assert!(broadcast.starts_with(b"a recording"));
        let time = u64::from_le_bytes(*broadcast[TIME..].first_chunk().unwrap());
        assert_eq!(time, hz * 3_600, "an hour after midnight");

        sandbox.separate(&arguments).arg("none").assert().success();
        let file = std::fs::read(&path).unwrap();
        each_case([b"bext", b"LIST", b"id3 "], |name| {
            assert_eq!(find(&file, name), None);
        });
    });
}

/// WAV of one and two channels has the header that old readers accept, whatever its bits.
#[test]
fn the_header_is_the_plain_one() {
    let sandbox = Sandbox::new();
    each_case([1, 2], |channels| {
        sandbox.song_of("song.wav", 44_100, channels, 0.2);
        each_case([("16", 1), ("24", 1), ("32f", 3)], |(bits, tag)| {
            let arguments = ["song.wav", "--stems", "bass", "--bits", bits];
            sandbox.separate(&arguments).assert().success();
            let file = std::fs::read(sandbox.path("stems/song/bass.wav")).unwrap();
            let format = find(&file, b"fmt ").unwrap();
            assert_eq!(format[..4], [tag, 0, channels as u8, 0], "{bits}");
            assert_eq!(format.len(), if tag == 1 { 16 } else { 18 }, "{bits}");
        });
    });
}
