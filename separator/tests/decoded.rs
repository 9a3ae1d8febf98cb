//! Tests of songs that are kept in memory and songs that are read again: how often a source is
//! opened, when the budget is exceeded, and that the stems are the same, bit for bit.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails is the test")]

use std::sync::atomic::{AtomicU64, Ordering};

use sextet_cases::each_case;
use sextet_separator::audio::{Audio, AudioSource, AudioStream, Layout};
use sextet_separator::{
    DecodeOptions, Decoded, EngineOptions, Ignore, InMemory, Mono, Options, Result, Separator, Sum,
};
use sextet_testing::draw::splitmix;
use sextet_testing::small::tiny;

/// Number of bytes of a stereo frame.
const FRAME_BYTES: u64 = 8;

fn separator() -> Separator {
    Separator::new(
        sextet_testing::small::model(&tiny(0.5), 7),
        EngineOptions::default(),
    )
    .unwrap()
}

/// Song that has to be read block by block and counts how often that is done.
struct Counted {
    audio: Audio,
    /// Number of frames that its header states.
    announced: Option<u64>,
    opened: AtomicU64,
    /// Number of frames returned.
    decoded: AtomicU64,
}

struct CountedStream<'a> {
    stream: Box<dyn AudioStream + 'a>,
    decoded: &'a AtomicU64,
}

impl Counted {
    fn new(layout: Layout, frames: usize, announced: Option<u64>) -> Self {
        let channel = |number: usize| {
            splitmix(number as u64)
                .take(frames)
                .map(|u| 0.8 * (u - 0.5) as f32)
                .collect()
        };

        let audio = Audio::new((0..layout.channels).map(channel).collect(), layout.rate_hz);
        Self {
            audio,
            announced,
            opened: AtomicU64::default(),
            decoded: AtomicU64::default(),
        }
    }

    /// Returns how often the song was opened and its frames decoded since the last call.
    fn passes(&self) -> (u64, f64) {
        let decoded = self.decoded.swap(0, Ordering::Relaxed);
        (
            self.opened.swap(0, Ordering::Relaxed),
            decoded as f64 / self.audio.frames() as f64,
        )
    }
}

impl AudioSource for Counted {
    fn open(&self) -> Result<Box<dyn AudioStream + '_>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(CountedStream {
            stream: self.audio.open()?,
            decoded: &self.decoded,
        }))
    }

    fn frames(&self) -> Option<u64> {
        self.announced
    }
}

impl AudioStream for CountedStream<'_> {
    fn layout(&self) -> Layout {
        self.stream.layout()
    }

    fn next_block(&mut self) -> Result<Option<Audio>> {
        let block = self.stream.next_block()?;
        self.decoded.fetch_add(
            block.as_ref().map_or(0, |block| block.frames() as u64),
            Ordering::Relaxed,
        );
        Ok(block)
    }
}

/// Returns the bits of every sample of the stems of `song`, read with the given memory budget.
fn stems(
    separator: &mut Separator,
    song: &Counted,
    options: &Options,
    memory_bytes: u64,
) -> Vec<Vec<u32>> {
    let mut sink = InMemory::default();
    let decode = DecodeOptions::of(options).memory_bytes(memory_bytes);

    let decoded = Decoded::read(song, decode, &mut Ignore, &mut |_| ()).unwrap();
    assert_eq!(decoded.is_kept(), memory_bytes > 0);
    separator
        .separate_decoded(&decoded, options, &mut sink, &mut Ignore)
        .unwrap();

    let parts = sink.into_parts();
    let channels = parts.iter().flat_map(|(_, audio)| audio.channels());
    channels
        .map(|channel| channel.iter().map(|sample| sample.to_bits()).collect())
        .collect()
}

/// Returns the rates, channels and options of the songs that are compared.
fn cases() -> Vec<(Layout, Options)> {
    let mut cases = Vec::new();
    for (rate_hz, channels) in [
        (44_100, 2),
        (48_000, 2),
        (44_100, 1),
        (22_050, 1),
        (48_000, 6),
        (44_100, 6),
    ] {
        for (sum, shifts, to_hz, mono) in [
            (Sum::Model, 0, None, Mono::Keep),
            (Sum::Exact, 0, None, Mono::Keep),
            (Sum::Exact, 0, None, Mono::Stereo),
            (Sum::Exact, 2, None, Mono::Keep),
            (Sum::Model, 2, None, Mono::Keep),
            (Sum::Exact, 0, Some(44_100), Mono::Keep),
            (Sum::Exact, 0, Some(32_000), Mono::Keep),
        ] {
            let options = Options::new()
                .sum(sum)
                .shifts(shifts)
                .rate_hz(to_hz)
                .mono(mono);
            cases.push((Layout { channels, rate_hz }, options));
        }
    }

    cases
}

#[test]
fn a_song_that_is_kept_gives_the_stems_of_one_that_is_read_again() {
    let mut separator = separator();
    let cases = cases();
    each_case(&cases, |(layout, options)| {
        let song = Counted::new(*layout, 70_001, None);
        let kept = stems(&mut separator, &song, options, u64::MAX);
        assert_eq!(song.passes(), (1, 1.0), "kept: {layout:?}, {options:?}");
        let streamed = stems(&mut separator, &song, options, 0);

        let passes = if options.sum == Sum::Exact { 3 } else { 2 };
        assert_eq!(
            song.passes(),
            (passes, passes as f64),
            "streamed: {layout:?}, {options:?}"
        );

        assert!(kept == streamed, "{layout:?}, {options:?}");

        // Compare with the result of a plain separation too.
        let mut sink = InMemory::default();
        separator
            .separate(&song, options, &mut sink, &mut Ignore)
            .unwrap();

        assert_eq!(song.passes(), (1, 1.0), "{layout:?}, {options:?}");
        let in_memory = {
            let mut sink = InMemory::default();
            separator
                .separate(&song.audio, options, &mut sink, &mut Ignore)
                .unwrap();
            sink.into_parts()
        };

        assert!(sink.into_parts() == in_memory, "{layout:?}, {options:?}");
    });

    println!(
        "{} songs compared bit for bit, kept, read again and in memory",
        cases.len()
    );
}

#[test]
fn a_song_is_kept_up_to_the_budget_whatever_its_header_says() {
    let mut tried = 0;
    let cases = [
        (44_100, Sum::Model),
        (44_100, Sum::Exact),
        (48_000, Sum::Model),
        (48_000, Sum::Exact),
    ];
    each_case(cases, |(rate_hz, sum)| {
        let frames = 100_000_u64;
        let heard_frames = (frames as f64 * 44_100.0 / f64::from(rate_hz)).round() as u64;
        let own_frames = if rate_hz != 44_100 && sum == Sum::Exact {
            frames
        } else {
            0
        };
        let needed = (heard_frames + own_frames) * FRAME_BYTES;
        let cases = [
            None,
            Some(frames),
            Some(1),
            Some(frames - 1),
            Some(2 * frames),
        ];
        each_case(cases, |announced| {
            each_case([0, needed - 1, needed, 3 * needed], |memory_bytes| {
                let song = Counted::new(
                    Layout {
                        channels: 2,
                        rate_hz,
                    },
                    frames as usize,
                    announced,
                );

                let decoded = Decoded::read(
                    &song,
                    DecodeOptions::new().sum(sum).memory_bytes(memory_bytes),
                    &mut Ignore,
                    &mut |_| (),
                )
                .unwrap();

                let fits = memory_bytes >= needed;

                // A header that states too many frames is believed before the song is read.
                let is_believed = announced.is_none_or(|announced| announced <= frames)
                    || memory_bytes >= 2 * needed;
                let what = format!(
                    "{rate_hz} Hz, {sum:?}, {announced:?} announced, {memory_bytes} of {needed} bytes"
                );

                assert_eq!(decoded.is_kept(), fits && is_believed, "{what}");
                assert_eq!(
                    (decoded.frames(), song.passes()),
                    (frames, (1, 1.0)),
                    "{what}"
                );

                tried += 1;
            });
        });
    });

    println!("{tried} budgets");
}

#[test]
fn whoever_taps_hears_all_of_it_once_in_stereo_at_its_own_rate() {
    let mut tried = 0;
    each_case([44_100, 48_000, 8_000], |rate_hz| {
        each_case([1, 2], |channels| {
            each_case([0, u64::MAX], |memory_bytes| {
                let song = Counted::new(Layout { channels, rate_hz }, 200_001, None);
                let mut heard = [Vec::new(), Vec::new()];
                let mut tap = |block: &Audio| {
                    assert_eq!(
                        block.layout(),
                        Layout {
                            channels: 2,
                            rate_hz
                        }
                    );
                    heard
                        .iter_mut()
                        .zip(block.channels())
                        .for_each(|(all, new)| all.extend_from_slice(new));
                };

                let options = DecodeOptions::new()
                    .sum(Sum::Exact)
                    .memory_bytes(memory_bytes);
                Decoded::read(&song, options, &mut Ignore, &mut tap).unwrap();

                let expected = [0, channels - 1].map(|number| &song.audio.channels()[number]);
                assert!(
                    heard.iter().eq(expected),
                    "{channels} channels at {rate_hz} Hz"
                );
                tried += 1;
            });
        });
    });

    println!("{tried} songs tapped");
}
