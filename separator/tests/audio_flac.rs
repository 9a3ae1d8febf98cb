//! FLAC whose samples look like something else: like the headers of frames, like frames, like whole
//! files. And frames that are followed by what is none.
#![allow(clippy::unwrap_used, reason = "what fails is the test")]

mod audio_support;

use audio_support::{crc, read_file};
use sextet_cases::each_case;
use sextet_separator::audio::Audio;
use sextet_testing::targets;

/// Number of frames of audio in a block.
const BLOCK: usize = 64;

/// Writes the header of frame `number` of a mono stream of 16 bits at 44.1 kHz.
fn frame_head(number: u8) -> Vec<u8> {
    let mut head = vec![0xff, 0xf8, 0x69, 0x08, number, BLOCK as u8 - 1];
    head.push(crc(8, 0x07, &head) as u8);
    head
}

/// Writes frame `number`, whose samples are stored as they are. Each is two bytes, the high one
/// first.
fn frame(number: u8, samples: &[u8]) -> Vec<u8> {
    assert_eq!(samples.len(), 2 * BLOCK);
    let mut frame = [&frame_head(number)[..], &[0x02], samples].concat();
    frame.extend((crc(16, 0x8005, &frame) as u16).to_be_bytes());
    frame
}

/// Writes the headers of a file of `frames` frames of audio; 0 leaves the length open.
fn file_head(frames: usize) -> Vec<u8> {
    let mut head = b"fLaC\x80\0\0\x22".to_vec();
    head.extend([0, BLOCK as u8, 0, BLOCK as u8, 0, 0, 0, 0, 0, 0]);
    head.extend([0x0a, 0xc4, 0x40, 0xf0]);
    head.extend((frames as u32).to_be_bytes());
    head.extend([0; 16]);
    head
}

fn file(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut file = file_head(BLOCK * payloads.len());
    for (number, samples) in payloads.iter().enumerate() {
        file.extend(frame(number as u8, samples));
    }
    file
}

/// Returns the samples of a block with `bytes` at `at`, or where they just fit in, between others
/// that look like nothing.
fn payload(at: usize, bytes: &[u8]) -> Vec<u8> {
    let at = at.min(2 * BLOCK - bytes.len());
    let mut payload: Vec<u8> = (0..2 * BLOCK).map(|n| (17 * n + at) as u8 & 0x7f).collect();
    payload[at..at + bytes.len()].copy_from_slice(bytes);
    payload
}

/// Returns the audio that `payloads` are.
fn audio(payloads: &[Vec<u8>]) -> Audio {
    let bytes = payloads.concat();
    let samples = bytes.as_chunks::<2>().0.iter();
    let samples = samples.map(|&sample| f32::from(i16::from_be_bytes(sample)) / 32_768.0);
    Audio::new(vec![samples.collect()], 44_100)
}

fn read(bytes: &[u8]) -> (Audio, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("song.flac");
    std::fs::write(&path, bytes).unwrap();
    let (audio, warnings) = read_file(&path).unwrap();
    (audio, warnings.iter().map(ToString::to_string).collect())
}

/// Checks that the files of `payloads`, in each of which something lies, are read as they are.
fn check(name: &str, payloads: &[Vec<u8>]) {
    let (found, warnings) = read(&file(payloads));
    assert_eq!(warnings, [""; 0], "{name}");
    assert!(found == audio(payloads), "{name}");
}

#[test]
fn samples_that_look_like_headers_are_samples() {
    let song =
        |bytes: &[u8], at: usize| -> Vec<Vec<u8>> { (0..5).map(|_| payload(at, bytes)).collect() };
    // At the beginning, in the middle, at the end of the samples, and at uneven places.
    each_case([0, 1, 50, 2 * BLOCK], |at| {
        for number in 0..8 {
            check("a header", &song(&frame_head(number), at));
        }
        let two = [frame_head(1), frame_head(2)].concat();
        check("two headers", &song(&two, at));
        check("a mark", &song(b"fLaC\x00\0\0\x22", at));
        check("a file's header", &song(&file_head(BLOCK), at));
        check("a tag", &song(b"ID3\x03\0\0\0\0\x01\x02", at));
        check("many headers", &song(&frame_head(3).repeat(3), at));
    });
}

#[test]
fn samples_that_are_frames_are_samples() {
    // A frame of the same stream is as long as a block of it: it lies in two.
    let inner = payload(3, b"inner");
    for number in 0..6 {
        let whole = [frame(number, &inner), frame(number + 1, &inner)].concat();
        for shift in [0, 1, 30] {
            let mut bytes = vec![0x11; shift];
            bytes.extend(&whole);
            bytes.resize(bytes.len().next_multiple_of(2 * BLOCK), 0x22);
            let blocks = bytes.chunks(2 * BLOCK).map(<[u8]>::to_vec);
            check("frames in two blocks", &blocks.collect::<Vec<_>>());
        }
    }

    // Short frames of digital silence, whole in the samples, one after the other.
    let silence = |number| {
        let mut frame = [&frame_head(number)[..], &[0, 0, 0]].concat();
        frame.extend((crc(16, 0x8005, &frame) as u16).to_be_bytes());
        frame
    };
    let run: Vec<u8> = (0..6).flat_map(silence).collect();
    for at in [0, 1, 20, 2 * BLOCK - run.len()] {
        let blocks: Vec<_> = (0..4).map(|_| payload(at, &run)).collect();
        check("whole frames", &blocks);
        let (found, warnings) = read(&[file(&blocks), file(&blocks)].concat());
        assert_eq!(warnings, [""; 0], "joined, {at}");
        assert!(found == audio(&[&blocks[..], &blocks].concat()), "{at}");
    }
}

/// Checks that bytes that are no part of a song cost none of its frames.
#[test]
fn garbage_behind_a_song_costs_nothing() {
    let song: Vec<_> = (0..5).map(|n| payload(n, b"song")).collect();
    let twice = audio(&[&song[..], &song].concat());
    let garbage = [
        vec![0],
        vec![0; 5_000],
        vec![0xff; 300],
        b"garbage".to_vec(),
        frame_head(5),
        b"fLaC".to_vec(),
        payload(2, b"x").repeat(600),
    ];
    each_case(garbage, |garbage| {
        let (found, warnings) = read(&[file(&song), garbage.clone()].concat());
        assert_eq!(warnings, [""; 0]);
        assert!(found == audio(&song));

        let (found, warnings) = read(&[file(&song), garbage, file(&song)].concat());
        assert_eq!(warnings, [""; 0]);
        assert!(found == twice, "{} frames", found.frames());
    });
}

/// Checks that damage of any byte costs its own frame alone.
#[test]
fn damage_costs_one_frame() {
    let song: Vec<_> = (0..5).map(|n| payload(n, b"song")).collect();
    let (head, whole) = (file_head(0).len(), file(&song));
    let expected = audio(&song);
    let length = frame(0, &song[0]).len();
    for at in head..whole.len() {
        for flip in [1, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            let (found, warnings) = read(&damaged);
            assert_eq!(warnings.len(), 1, "byte {at}: {warnings:?}");

            let lost = (at - head) / length;
            let kept = if lost == 4 { 4 } else { 5 };
            assert_eq!(found.frames(), kept * BLOCK, "byte {at}");
            for number in 0..kept {
                let place = number * BLOCK..(number + 1) * BLOCK;
                let found = &found.channels()[0][place.clone()];
                if number == lost {
                    assert!(found.iter().all(|&sample| sample == 0.0), "byte {at}");
                } else {
                    assert!(found == &expected.channels()[0][place], "byte {at}");
                }
            }
        }
    }
}

/// Checks that a stream that states no length is told to be cut only where it is.
#[test]
fn a_cut_is_told_of_without_a_length() {
    let song: Vec<_> = (0..3).map(|n| payload(n, b"song")).collect();
    let mut whole = file(&song);
    let head = file_head(0);
    whole[..head.len()].copy_from_slice(&head);
    let cases = [
        (whole.clone(), 3, false),
        ([&whole[..], &[0; 100]].concat(), 3, false),
        (whole[..whole.len() - 1].to_vec(), 2, true),
        (whole[..whole.len() - 100].to_vec(), 2, true),
    ];
    each_case(cases, |(bytes, blocks, is_cut)| {
        let (found, warnings) = read(&bytes);
        assert!(found == audio(&song[..blocks]));
        let told = warnings.iter().any(|told| told.contains("ends early"));
        assert_eq!(told, is_cut, "{warnings:?}");
    });
}

/// Checks files with metadata that symphonia refuses, or that nothing understands.
#[test]
fn metadata_does_not_keep_a_song_from_being_read() {
    let song: Vec<_> = (0..3).map(|n| payload(n, b"song")).collect();
    let mut picture = 3_u32.to_be_bytes().to_vec();
    let mime = b"image/\xff\xfejpeg; \xc3\x28\0";
    picture.extend((mime.len() as u32).to_be_bytes());
    picture.extend(mime);
    picture.extend([0; 24]);
    let blocks = [
        (6, picture),
        (6, vec![0xff; 50]),
        (4, vec![0xff; 50]),
        (3, vec![1; 7]),
        (0, vec![0; 34]),
        (5, vec![0xff; 40]),
        (126, b"of later days".to_vec()),
        (1, Vec::new()),
    ];
    each_case(blocks, |(kind, body)| {
        let mut whole = file(&song);
        whole[4] = 0;
        let frames = whole.split_off(file_head(0).len());
        whole.push(0x80 | kind);
        whole.extend(&(body.len() as u32).to_be_bytes()[1..]);
        let (found, warnings) = read(&[whole, body, frames].concat());
        assert_eq!(warnings, [""; 0]);
        assert!(found == audio(&song));
    });
}

/// Checks a file that our encoder wrote. libFuzzer found that its samples, stored as they are, look
/// like the beginning of a frame.
#[test]
fn a_file_of_six_frames_is_read_as_it_was_written() {
    let bytes = hex::decode("0710270000412a4a2a4a80b580b52ec72a0a80b52ec780e280e2c7ab006f");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("six.flac");
    assert_eq!(targets::write_and_read(&bytes.unwrap(), &path), 6);
}
