//! Ogg files with damaged and missing pages: what is lost is silent, and the rest keeps its time.
#![allow(clippy::unwrap_used, reason = "what fails is the test")]

mod audio_support;

use std::ops::Range;

use audio_support::{crc, fixture, read_file};
use sextet_cases::each_case;
use sextet_separator::audio::Audio;

/// Page of a file.
struct Page {
    place: Range<usize>,
    /// Time at which it ends, as it states it.
    time: i64,
}

/// Returns the pages of `file`.
fn pages(file: &[u8]) -> Vec<Page> {
    let (mut pages, mut at) = (Vec::new(), 0);
    while let Some(head) = file.get(at..at + 27) {
        assert!(head.starts_with(b"OggS"), "{at}");
        let lacing = &file[at + 27..at + 27 + usize::from(head[26])];
        let body: usize = lacing.iter().map(|&size| usize::from(size)).sum();
        let place = at..at + 27 + lacing.len() + body;
        at = place.end;
        let time = i64::from_le_bytes(*head[6..].first_chunk().unwrap());
        pages.push(Page { place, time });
    }
    pages
}

/// Writes a page that holds `packets` as a whole.
fn page(flags: u8, time: i64, sequence: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut lacing = Vec::new();
    for packet in packets {
        lacing.extend(vec![255; packet.len() / 255]);
        lacing.push((packet.len() % 255) as u8);
    }
    let mut page = [b"OggS\0".as_slice(), &[flags]].concat();
    page.extend(time.to_le_bytes());
    page.extend(7_u32.to_le_bytes());
    page.extend(sequence.to_le_bytes());
    page.extend([0; 4]);
    page.push(u8::try_from(lacing.len()).unwrap());
    page.extend(lacing);
    page.extend(packets.concat());
    let crc = ogg_pager::crc32(&page);
    page[22..26].copy_from_slice(&crc.to_le_bytes());
    page
}

/// Writes a stream: a page for each of `heads`, and one for every two of `packets`, which have
/// `frames` frames each. The song ends at `end`.
fn stream(heads: &[Vec<u8>], packets: &[Vec<u8>], frames: i64, end: i64) -> Vec<u8> {
    let heads = heads.iter().enumerate().flat_map(|(n, head)| {
        let flags = if n == 0 { 2 } else { 0 };
        page(flags, 0, n as u32, std::slice::from_ref(head))
    });
    let mut out: Vec<u8> = heads.collect();
    for (n, two) in packets.chunks(2).enumerate() {
        let time = (2 * n + two.len()) as i64 * frames;
        let flags = if time >= end { 4 } else { 0 };
        out.extend(page(flags, time.min(end), n as u32 + 2, two));
    }
    out
}

/// Returns FLAC in Ogg, two frames a page, with samples as they are. `bytes` lie among them.
fn flac(bytes: &[u8]) -> Vec<u8> {
    let mut head = b"\x7fFLAC\x01\0\0\x01fLaC\0\0\0\x22".to_vec();
    head.extend([0x04, 0x80, 0x04, 0x80, 0, 0, 0, 0, 0, 0]);
    head.extend([0x0a, 0xc4, 0x40, 0xf0, 0, 0, 0, 0]);
    head.extend([0; 16]);
    let comment = b"\x84\0\0\x08\0\0\0\0\0\0\0\0".to_vec();

    let frame = |number: u8| {
        let mut frame = vec![0xff, 0xf8, 0x39, 0x08, number];
        frame.push(crc(8, 0x07, &frame) as u8);
        frame.push(2);
        let sample = |n: i32| ((n * n + 31 * i32::from(number)) % 20_000 + 1) as i16;
        let from = frame.len();
        frame.extend((0..1152).flat_map(|n| sample(n).to_be_bytes()));
        frame[from + 100..][..bytes.len()].copy_from_slice(bytes);
        frame.extend((crc(16, 0x8005, &frame) as u16).to_be_bytes());
        frame
    };
    let frames: Vec<_> = (0..15).map(frame).collect();
    stream(&[head, comment], &frames, 1152, 15 * 1152)
}

fn read(name: &str, bytes: &[u8]) -> (Audio, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let (audio, warnings) = read_file(&path).unwrap();
    (audio, warnings.iter().map(ToString::to_string).collect())
}

/// Returns the frames in which `found` is silent and `whole` is not, as one range.
fn silence(found: &Audio, whole: &Audio) -> Range<usize> {
    let (found, whole) = (&found.channels()[0], &whole.channels()[0]);
    let differ = |&n: &usize| found[n] != whole[n] && found[n] == 0.0;
    let first = (0..whole.len()).find(differ).unwrap();
    let last = (0..whole.len()).rfind(differ).unwrap();
    first..last + 1
}

/// Checks what is heard of a file in which the page that holds `lost` is not heard.
fn check(name: &str, found: &Audio, whole: &Audio, lost: Range<usize>) {
    assert_eq!(found.frames(), whole.frames(), "{name}");
    let silent = silence(found, whole);

    // A block of Vorbis gives nothing without the one before it.
    let near = |a: usize, b: usize| a.abs_diff(b) <= 4096;
    let is_near = near(silent.start, lost.start) && near(silent.end, lost.end);
    assert!(is_near, "{name}: {silent:?} for {lost:?}");
    for (found, whole) in found.channels().iter().zip(whole.channels()) {
        assert!(found[..silent.start] == whole[..silent.start], "{name}");
        assert!(found[silent.clone()].iter().all(|&sample| sample == 0.0));
        assert!(found[silent.end..] == whole[silent.end..], "{name}");
    }
}

#[test]
fn a_page_that_is_lost_is_silent() {
    let vorbis = std::fs::read(fixture("long.ogg")).unwrap();
    let songs = [("vorbis.ogg", vorbis), ("flac.ogg", flac(b""))];
    each_case(songs, |(name, file)| {
        let (whole, warnings) = read(name, &file);
        assert_eq!(warnings, [""; 0], "{name}");
        let all = pages(&file);
        // Frames before the song count, too.
        let skipped = i64::try_from(whole.frames()).unwrap();
        let skipped = all.last().unwrap().time - skipped;

        let mut tried = 0;
        for n in 1..all.len() - 1 {
            let time = |page: &Page| usize::try_from(page.time.max(skipped) - skipped).unwrap();
            let lost = time(&all[n - 1])..time(&all[n]);
            if all[n].time <= 0 || lost.is_empty() {
                continue;
            }
            tried += 1;
            let place = all[n].place.clone();

            let mut damaged = file.clone();
            damaged[place.end - 1] ^= 1;
            let (found, warnings) = read(name, &damaged);
            assert!(
                warnings.len() == 1 && warnings[0].contains("1 damaged page, heard as"),
                "{name}: {warnings:?}"
            );
            check(name, &found, &whole, lost.clone());

            // Without the first page of audio, a file is like a recording that begins later.
            if all[n - 1].time > 0 {
                let cut = [&file[..place.start], &file[place.end..]].concat();
                let (found, warnings) = read(name, &cut);
                assert!(
                    warnings.len() == 1 && warnings[0].contains("pages are missing, heard as"),
                    "{name}: {warnings:?}"
                );
                check(name, &found, &whole, lost);
            }
        }
        println!("{name}: {tried} pages");
        assert!(tried >= 6, "{name}");
    });
}

#[test]
fn samples_that_look_like_pages_are_samples() {
    let inner = page(0, 2304, 3, &[b"packet".to_vec()]);
    let cases = [
        b"OggS".to_vec(),
        b"OggS\0\x02".repeat(3),
        inner.clone(),
        page(2, 0, 0, &[b"\x01vorbis....".to_vec()]),
        inner.repeat(5),
    ];
    let plain = read("flac.ogg", &flac(b"")).0;
    each_case(cases, |bytes| {
        let (found, warnings) = read("flac.ogg", &flac(&bytes));
        assert_eq!(warnings, [""; 0]);
        assert_eq!(found.frames(), plain.frames());

        let pairs = bytes.as_chunks::<2>().0.iter();
        let samples: Vec<_> = pairs
            .map(|&pair| f32::from(i16::from_be_bytes(pair)) / 32_768.0)
            .collect();
        for block in found.channels()[0].chunks(1152) {
            assert!(block[50..][..samples.len()] == samples);
        }
    });
}
