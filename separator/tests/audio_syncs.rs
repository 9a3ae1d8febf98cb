//! MPEG audio and AAC whose frames hold bytes that look like the beginning of a frame, of a tag or
//! of another file. `audio_flac.rs` and `audio_ogg.rs` check the same of FLAC and Ogg.
#![allow(clippy::unwrap_used, reason = "what fails is the test")]

mod audio_support;

use audio_support::read_file;
use sextet_cases::each_case;

/// Number of frames in a file.
const COUNT: usize = 40;

/// A frame of 128 kbit/s stereo at 44.1 kHz of silence: an MPEG header, and zeros where the codec
/// looks, behind which the encoder may put what it likes.
fn mpeg(second: u8, quiet: usize, free: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xff, second, if second == 0xfb { 0x90 } else { 0x80 }, 0x04];
    frame.resize(4 + quiet, 0);
    frame.extend(free.iter().cycle().take(417 - frame.len()));
    frame
}

/// A frame of AAC in ADTS: a silent pair of channels, and a data element with `free`.
fn adts(free: &[u8]) -> Vec<u8> {
    // A channel pair: its tag, a common window, no bands, no stereo coding; for each channel a gain
    // and no tools (ISO/IEC 14496-3, section 4.4.2.1).
    let pair = concat!("0010000", "1", "0000", "000000", "0", "00");
    let channel = concat!("00000000", "000");
    // A data element: its tag, aligned to bytes, its length.
    let data = format!("10000001{:08b}", free.len());
    let mut bits = format!("{pair}{channel}{channel}{data}");
    while bits.len() % 8 != 0 {
        bits.push('0');
    }
    let bytes = |bits: &str| -> Vec<u8> {
        let bits = bits.as_bytes().chunks(8);
        let byte = |bits: &[u8]| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap();
        bits.map(byte).collect()
    };

    let end = bytes("11100000");
    let body = [bytes(&bits), free.to_vec(), end].concat();
    let size = (7 + body.len()) as u8;
    assert!(body.len() < 249);
    let head = [0xff, 0xf1, 0x50, 0x80, size >> 3, size << 5 | 0x1f, 0xfc];
    [&head[..], &body].concat()
}

#[test]
fn what_looks_like_a_frame_within_one_is_not() {
    let layer_3 = |free: &[u8]| mpeg(0xfb, 32, free);
    let layer_2 = |free: &[u8]| mpeg(0xfd, 40, free);
    // Headers of other rates and channels, tags, and the beginnings of other files.
    let free: [&[u8]; 9] = [
        &[0xff, 0xfb, 0x90, 0x04],
        &[0xff, 0xfb, 0x50, 0xc4, 0, 0, 0, 0],
        &[0xff, 0xfd, 0xa4, 0x04, 0xff, 0xfb, 0x94, 0xc4],
        &[0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc],
        &[0xff, 0xf1, 0x4c, 0x40, 0x02, 0x1f, 0xfc, 0xff],
        b"ID3\x03\0\0\0\0\x01\x02....",
        b"TAG.APETAGEX\xd0\x07\0\0\x28\0\0\0\x01\0\0\0",
        b"fLaC\0\0\0\x22OggS\0\x02RIFF....WAVEfmt ",
        &[0xff],
    ];
    type Kind<'a> = (&'a str, &'a dyn Fn(&[u8]) -> Vec<u8>, usize);
    let kinds: [Kind<'_>; 3] = [
        ("song.mp3", &layer_3, 1152),
        ("song.mp2", &layer_2, 1152),
        ("song.aac", &|free| adts(&free.repeat(4)), 1024),
    ];

    let folder = tempfile::tempdir().unwrap();
    each_case(free, |free| {
        for (name, frame, samples) in kinds {
            let path = folder.path().join(name);
            std::fs::write(&path, frame(free).repeat(COUNT)).unwrap();
            let (audio, warnings) = read_file(&path).unwrap();
            assert_eq!(warnings, [], "{name}");
            assert_eq!(audio.frames(), COUNT * samples, "{name}");
            let (rate, channels) = (audio.rate_hz(), audio.channels().len());
            assert_eq!((rate, channels), (44_100, 2), "{name}");
            let peak = audio.channels().iter().flatten().copied();
            let peak = peak.fold(0.0, |peak: f32, x| peak.max(x.abs()));
            assert!(peak < 1e-6, "{name}: {peak}");
        }
    });
}
