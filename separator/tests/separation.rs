//! Tests of separations through the facade, with a small model of drawn weights: lengths, rates,
//! channels, unusual songs, and every option. The parity tests check the values of the samples;
//! these tests check the properties that hold for all values.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails is the test")]

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::OnceLock;

use sextet_separator::audio::{Audio, AudioSource, AudioStream, Folded, Layout};
use sextet_separator::{
    DecodeOptions, Decoded, EngineChoice, EngineOptions, Error, ErrorKind, Ignore, InMemory,
    Listener, Model, Mono, Options, Outputs, Part, Progress, Result, SeparateError, Separator,
    Stem, StemSink, Sum, Summary,
};
use sextet_testing::draw::splitmix;
use sextet_testing::small::{small, tiny};

const RATES_HZ: [u32; 6] = [8_000, 22_050, 44_100, 48_000, 96_000, 192_000];

/// Returns the small model, whose segment is half a second.
fn model() -> Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL
        .get_or_init(|| sextet_testing::small::model(&small(), 7))
        .clone()
}

fn separator() -> Separator {
    Separator::new(model(), EngineOptions::default()).unwrap()
}

/// Returns noise over a tone, different in every channel.
fn song(layout: Layout, frames: usize) -> Audio {
    let channel = |channel: usize| {
        let tone = |n: usize| (n as f64 * 0.031 * (channel + 1) as f64).sin() * 0.3;
        let noise = splitmix(channel as u64 + 1).take(frames);
        noise
            .enumerate()
            .map(|(n, u)| (tone(n) + 0.4 * (u - 0.5)) as f32)
            .collect()
    };
    Audio::new((0..layout.channels).map(channel).collect(), layout.rate_hz)
}

fn stereo(frames: usize) -> Audio {
    song(
        Layout {
            channels: 2,
            rate_hz: 44_100,
        },
        frames,
    )
}

/// Separates `song`. Returns every part and the summary.
fn separate(
    separator: &mut Separator,
    song: &dyn AudioSource,
    options: &Options,
) -> (Vec<Audio>, Summary) {
    let mut sink = InMemory::default();
    let summary = separator
        .separate(song, options, &mut sink, &mut Ignore)
        .unwrap();
    (
        sink.into_parts()
            .into_iter()
            .map(|(_, audio)| audio)
            .collect(),
        summary,
    )
}

/// Returns the bits of every sample, for exact comparisons.
fn bits(parts: &[Audio]) -> Vec<Vec<u32>> {
    let channels = parts.iter().flat_map(Audio::channels);
    channels
        .map(|channel| channel.iter().map(|sample| sample.to_bits()).collect())
        .collect()
}

fn all_finite(parts: &[Audio]) -> bool {
    parts
        .iter()
        .flat_map(Audio::channels)
        .flatten()
        .all(|sample| sample.is_finite())
}

fn peak(parts: &[Audio]) -> f32 {
    parts
        .iter()
        .flat_map(Audio::channels)
        .flatten()
        .fold(0.0, |peak, sample| peak.max(sample.abs()))
}

/// Returns the song that stems have to add up to: `song` in stereo, or in mono if it is mono.
fn target(song: &Audio) -> Audio {
    let mut stream = Folded::new(song.open().unwrap());
    let mut channels = vec![Vec::new(); song.channels().len().min(2)];
    while let Some(block) = stream.next_block().unwrap() {
        channels
            .iter_mut()
            .zip(block.channels())
            .for_each(|(all, new)| all.extend_from_slice(new));
    }
    Audio::new(channels, song.rate_hz())
}

/// Returns the largest sample of the difference between `target` and the sum of `parts`.
fn residual(parts: &[Audio], target: &Audio) -> f64 {
    let mut largest = 0.0_f64;
    for (channel, target) in target.channels().iter().enumerate() {
        for (frame, &sample) in target.iter().enumerate() {
            let sum: f64 = parts
                .iter()
                .map(|part| f64::from(part.channels()[channel][frame]))
                .sum();
            largest = largest.max((sum - f64::from(sample)).abs());
        }
    }

    largest
}

#[test]
fn every_rate_length_and_channel_count_gives_as_many_finite_frames() {
    // Use the quickest model: this test is about the stages around it.
    let mut separator = Separator::new(
        sextet_testing::small::model(&tiny(0.2), 1),
        EngineOptions::default(),
    )
    .unwrap();

    let mut tried = 0;
    for rate_hz in RATES_HZ {
        let segment = rate_hz as usize / 5;
        for frames in [1, 7, 1000, segment, 2 * segment + 321] {
            for channels in [1, 2, 6] {
                for sum in [Sum::Model, Sum::Exact] {
                    let case =
                        format!("{rate_hz} Hz, {frames} frames, {channels} channels, {sum:?}");
                    let song = song(Layout { channels, rate_hz }, frames);
                    let (parts, summary) =
                        separate(&mut separator, &song, &Options::new().sum(sum));

                    let layout = Layout {
                        channels: channels.min(2),
                        rate_hz,
                    };
                    assert_eq!(parts.len(), 4, "{case}");
                    assert!(
                        parts
                            .iter()
                            .all(|part| part.layout() == layout && part.frames() == frames),
                        "{case}"
                    );

                    assert!(all_finite(&parts), "{case}");
                    assert_eq!(
                        (summary.source_frames, summary.output_frames),
                        (frames as u64, frames as u64),
                        "{case}"
                    );

                    if sum == Sum::Exact {
                        let residual = residual(&parts, &target(&song));
                        // A level of -120 dBFS is a millionth of full scale.
                        assert!(residual < 1e-6, "{case}: {residual:e}");
                    }

                    tried += 1;
                }
            }
        }
    }

    println!("{tried} combinations of rate, length, channels and sum");
}

#[test]
fn other_rates_and_mono_can_be_asked_for() {
    let mut separator = separator();
    let mut tried = 0;
    for from_hz in [8_000, 44_100, 48_000] {
        for to_hz in RATES_HZ {
            for (mono, channels) in [(Mono::Keep, 1), (Mono::Stereo, 2)] {
                let frames = 12_345;
                let song = song(
                    Layout {
                        channels: 1,
                        rate_hz: from_hz,
                    },
                    frames,
                );

                let options = Options::new()
                    .rate_hz(Some(to_hz))
                    .mono(mono)
                    .sum(Sum::Exact);

                let (parts, _) = separate(&mut separator, &song, &options);
                let expected =
                    (frames as f64 * f64::from(to_hz) / f64::from(from_hz)).round() as usize;

                assert!(parts.iter().all(|part| part.layout()
                    == Layout {
                        channels,
                        rate_hz: to_hz
                    }));

                assert!(
                    parts.iter().all(|part| part.frames() == expected),
                    "{from_hz} to {to_hz}: {expected}"
                );
                assert!(all_finite(&parts));
                tried += 1;
            }
        }
    }

    for rate_hz in [0, 1, 7_999, 192_001, u32::MAX] {
        let options = Options::new().rate_hz(Some(rate_hz));
        let error = separator
            .separate(
                &stereo(100),
                &options,
                &mut InMemory::default(),
                &mut Ignore,
            )
            .unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Options, "{rate_hz}: {error}");
        tried += 1;
    }

    println!("{tried} rates asked for");
}

/// Source that gives the same samples in blocks of odd sizes.
struct Cut<'a>(&'a Audio, &'a [usize]);

struct CutStream {
    audio: Audio,
    sizes: Vec<usize>,
    next: usize,
    block: usize,
}

impl AudioSource for Cut<'_> {
    fn open(&self) -> Result<Box<dyn AudioStream>> {
        Ok(Box::new(CutStream {
            audio: self.0.clone(),
            sizes: self.1.to_vec(),
            next: 0,
            block: 0,
        }))
    }
}

impl AudioStream for CutStream {
    fn layout(&self) -> Layout {
        self.audio.layout()
    }

    fn next_block(&mut self) -> Result<Option<Audio>> {
        let (start, size) = (self.next, self.sizes[self.block % self.sizes.len()]);
        let end = (start + size).min(self.audio.frames());
        (self.next, self.block) = (end, self.block + 1);

        let cut = || {
            self.audio
                .channels()
                .iter()
                .map(|channel| channel[start..end].to_vec())
                .collect()
        };

        Ok((start < end).then(|| Audio::new(cut(), self.audio.rate_hz())))
    }
}

#[test]
fn how_a_song_comes_in_blocks_does_not_matter() {
    let mut separator = separator();
    let sizes: [&[usize]; 3] = [&[1], &[7, 1, 4099], &[65_537]];

    let mut tried = 0;
    for (rate_hz, channels) in [(44_100, 2), (48_000, 6), (22_050, 1)] {
        for sum in [Sum::Model, Sum::Exact] {
            let options = Options::new().sum(sum);
            let song = song(Layout { channels, rate_hz }, 50_001);

            let whole = bits(&separate(&mut separator, &song, &options).0);
            for sizes in sizes {
                let cut = bits(&separate(&mut separator, &Cut(&song, sizes), &options).0);
                assert!(
                    cut == whole,
                    "{rate_hz} Hz, {channels} channels, {sum:?}, blocks of {sizes:?}"
                );
                tried += 1;
            }
        }
    }

    println!("{tried} ways to cut songs into blocks");
}

#[test]
fn the_same_run_gives_the_same_bits() {
    let song = stereo(70_000);
    let options = Options::new().shifts(2);
    let run = |threads: Option<usize>| {
        let threads = threads.and_then(NonZeroUsize::new);
        let mut separator = Separator::new(
            model(),
            EngineOptions::new()
                .engine(EngineChoice::Cpu)
                .threads(threads),
        )
        .unwrap();

        let first = bits(&separate(&mut separator, &song, &options).0);
        assert!(
            first == bits(&separate(&mut separator, &song, &options).0),
            "{threads:?} threads, the second time"
        );
        first
    };

    let one = run(Some(1));
    for threads in [Some(1), Some(2), Some(3), None] {
        assert!(run(threads) == one, "{threads:?} threads");
    }

    println!("5 separators on 1, 2, 3 and all threads, twice each");
}

#[test]
fn silence_stays_silent() {
    let mut separator = separator();
    let mut tried = 0;
    for rate_hz in [44_100, 48_000] {
        for (frames, channels) in [(1, 1), (1, 2), (500, 2), (60_000, 2), (60_000, 6)] {
            for sum in [Sum::Model, Sum::Exact] {
                let layout = Layout { channels, rate_hz };
                let options = Options::new().sum(sum);
                let (parts, _) = separate(&mut separator, &Audio::silent(layout, frames), &options);

                // The stems of silence are not exactly 0: the networks' output is scaled by the
                // deviation's floor, 1e-8.
                assert!(
                    peak(&parts) < 1e-6 && all_finite(&parts),
                    "{layout:?}, {frames}: {}",
                    peak(&parts)
                );

                tried += 1;
            }
        }
    }

    println!("{tried} silences");
}

#[test]
fn odd_songs_give_finite_stems_that_can_be_made_to_add_up() {
    let square = |n: usize| if n % 200 < 100 { 1.0 } else { -1.0 };
    let noise: Vec<f32> = splitmix(3).take(60_000).map(|u| (u - 0.5) as f32).collect();
    type Song<'a> = (&'a str, Box<dyn Fn(usize, usize) -> f32 + 'a>);

    let songs: Vec<Song<'_>> = vec![
        ("DC", Box::new(|_, _| 0.5)),
        ("full-scale DC", Box::new(|_, _| 1.0)),
        (
            "DC of opposite sides",
            Box::new(|side, _| if side == 0 { 0.5 } else { -0.5 }),
        ),
        (
            "nothing but side",
            Box::new(|side, n| if side == 0 { noise[n] } else { -noise[n] }),
        ),
        ("full-scale square wave", Box::new(|_, n| square(n))),
        ("denormals", Box::new(|_, n| noise[n] * 1e-40)),
        (
            "the smallest denormal",
            Box::new(|_, n| f32::from_bits((n % 2) as u32)),
        ),
        ("faint", Box::new(|_, n| noise[n] * 1e-20)),
        ("48 dB of gain", Box::new(|_, n| noise[n] * 251.0)),
        (
            "48 dB of gain on a square wave",
            Box::new(|_, n| square(n) * 251.0),
        ),
        (
            "one click",
            Box::new(|_, n| if n == 20_000 { 1.0 } else { 0.0 }),
        ),
        (
            "one click at the start",
            Box::new(|_, n| if n == 0 { 1.0 } else { 0.0 }),
        ),
        (
            "one click on one side",
            Box::new(|side, n| if side == 1 && n == 9 { 1.0 } else { 0.0 }),
        ),
        ("huge", Box::new(|_, n| noise[n] * 1e6)),
    ];

    let mut separator = separator();
    let mut tried = 0;
    for (name, sample) in &songs {
        for (frames, rate_hz) in [(1, 44_100), (5_000, 44_100), (30_000, 48_000)] {
            let side = |side: usize| (0..frames).map(|n| sample(side, n)).collect();
            let song = Audio::new(vec![side(0), side(1)], rate_hz);
            for sum in [Sum::Model, Sum::Exact] {
                let case = format!("{name}, {frames} frames at {rate_hz} Hz, {sum:?}");
                let (parts, _) = separate(&mut separator, &song, &Options::new().sum(sum));

                assert!(all_finite(&parts), "{case}");
                if sum == Sum::Exact {
                    let loudest =
                        f64::from(peak(std::slice::from_ref(&song)).max(peak(&parts)).max(1.0));
                    let residual = residual(&parts, &song);
                    assert!(
                        residual < 1e-6 * loudest,
                        "{case}: {residual:e} of {loudest}"
                    );
                }

                tried += 1;
            }
        }
    }

    println!("{tried} odd songs");
}

#[test]
fn parts_are_sums_of_stems() {
    let mut separator = separator();
    let song = stereo(40_000);
    let (mut tried, mut worst) = (0, 0.0_f64);

    for sum in [Sum::Model, Sum::Exact] {
        for rate_hz in [None, Some(48_000)] {
            let all = Options::new().sum(sum).rate_hz(rate_hz);

            let (stems, _) = separate(&mut separator, &song, &all);
            for (index, stem) in Stem::ALL.into_iter().enumerate() {
                let parts = vec![Part::stem(stem), Part::without(stem, &Stem::ALL)];
                assert_eq!(parts[1].name, format!("no_{stem}"));
                let (two, _) = separate(&mut separator, &song, &all.clone().parts(parts));

                assert!(bits(&two[..1]) == bits(&stems[index..=index]), "{stem}");
                let rest: Vec<Audio> = (0..6)
                    .filter(|&i| i != index)
                    .map(|i| stems[i].clone())
                    .collect();

                // One side is rounded after resampling and the other before it.
                let (apart, loudest) = (
                    residual(&rest, &two[1]),
                    f64::from(peak(&stems).max(peak(&two))),
                );
                assert!(
                    apart < 1e-6 * loudest,
                    "no_{stem} at {rate_hz:?}: {apart:e} of {loudest}"
                );
                worst = worst.max(apart / loudest);
                tried += 1;
            }
        }
    }

    let parts = vec![
        Part::new("nothing", vec![]),
        Part::stem(Stem::Bass),
        Part::stem(Stem::Bass),
    ];

    let (odd, _) = separate(&mut separator, &song, &Options::new().parts(parts));

    assert!(peak(&odd[..1]) == 0.0 && bits(&odd[1..2]) == bits(&odd[2..]));
    println!(
        "{} pairs of parts, {worst:.1e} of the loudest sample apart at most",
        tried + 1
    );
}

/// Listener that counts chunks and cancels after a given number.
struct CancelAfter(Cell<u64>, u64);

impl Listener for CancelAfter {
    fn progress(&mut self, progress: Progress) {
        if let Progress::Separating { chunks_done, .. } = progress {
            self.0.set(chunks_done);
        }
    }

    fn cancelled(&self) -> bool {
        self.0.get() >= self.1
    }
}

#[test]
fn a_bag_leaves_out_members_that_no_wanted_stem_needs() {
    let weights = vec![
        vec![1.0, 0.0, 1.0, 1.0, 0.5, 1.0],
        vec![0.0, 1.0, 0.0, 2.0, 0.5, 0.0],
    ];
    let models = [7, 8]
        .map(|seed| sextet_testing::small::model(&small(), seed))
        .to_vec();
    let bag = || Model::bag(models.clone(), weights.clone()).unwrap();

    let song = stereo(50_000);
    let (all, both) = separate(
        &mut Separator::new(bag(), EngineOptions::default()).unwrap(),
        &song,
        &Options::default(),
    );

    let cases = [
        (Stem::Drums, 1),
        (Stem::Bass, 1),
        (Stem::Other, 1),
        (Stem::Vocals, 2),
        (Stem::Guitar, 2),
    ];

    for (stem, members) in cases {
        let mut separator = Separator::new(bag(), EngineOptions::default()).unwrap();
        let options = Options::new().parts(vec![Part::stem(stem)]);
        let (part, summary) = separate(&mut separator, &song, &options);
        let index = Stem::ALL.iter().position(|&other| other == stem).unwrap();
        assert!(bits(&part) == bits(&all[index..=index]), "{stem}");
        assert_eq!(summary.chunks * 2, both.chunks * members, "{stem}");
    }

    println!("{} stems of a bag", cases.len());
}

#[test]
fn cancelling_stops_between_chunks() {
    let mut separator = separator();
    let song = stereo(100_000);
    let total = separate(&mut separator, &song, &Options::default())
        .1
        .chunks;

    assert!(total > 4);
    for after in 0..total {
        let mut listener = CancelAfter(Cell::new(0), after);
        let error = separator
            .separate(
                &song,
                &Options::default(),
                &mut InMemory::default(),
                &mut listener,
            )
            .unwrap_err();

        assert_eq!(error.kind(), ErrorKind::Cancelled);
        assert!(matches!(error.cause(), Some(SeparateError::Cancelled)));
        assert_eq!(listener.0.get(), after);
    }

    let mut listener = CancelAfter(Cell::new(0), total);
    separator
        .separate(
            &song,
            &Options::default(),
            &mut InMemory::default(),
            &mut listener,
        )
        .unwrap();

    println!("cancelled after each of {total} chunks");
}

#[test]
fn a_single_chunk_is_the_beginning_of_the_whole() {
    let mut separator = separator();
    let mut tried = 0;
    for (rate_hz, frames) in [
        (44_100, 22_051),
        (44_100, 100_000),
        (48_000, 100_000),
        (8_000, 30_000),
    ] {
        for overlap in [0.0, 0.25, 0.5] {
            let song = song(
                Layout {
                    channels: 2,
                    rate_hz,
                },
                frames,
            );

            let options = Options::new().overlap(overlap);
            let (whole, _) = separate(&mut separator, &song, &options);
            let (single, summary) = separate(&mut separator, &song, &options.single_chunk(true));

            let expected = rate_hz as usize / 2;
            assert_eq!(summary.chunks, 1, "{rate_hz} {frames}");
            assert!(
                single.iter().all(|part| part.frames() == expected),
                "{rate_hz}: {}",
                single[0].frames()
            );

            // Compare up to the beginning of the second chunk. At other rates, compare up to where
            // the filter begins to reach it.
            let alone = (expected as f64 * (1.0 - overlap)) as usize;
            let compared = if rate_hz == 44_100 {
                alone
            } else {
                alone - rate_hz as usize / 8
            };

            let head = |parts: &[Audio]| {
                let channels = |part: &Audio| {
                    part.channels()
                        .iter()
                        .map(|c| c[..compared].to_vec())
                        .collect()
                };
                parts
                    .iter()
                    .map(|part| Audio::new(channels(part), rate_hz))
                    .collect::<Vec<_>>()
            };

            if rate_hz == 44_100 {
                assert!(
                    bits(&head(&single)) == bits(&head(&whole)),
                    "{frames} {overlap}"
                );
            } else {
                let (single, whole) = (head(&single), head(&whole));
                let apart = single
                    .iter()
                    .zip(&whole)
                    .map(|(a, b)| residual(std::slice::from_ref(a), b));
                let apart = apart.fold(0.0, f64::max);
                assert!(apart < 1e-4, "{rate_hz} {overlap}: {apart:e}");
            }

            tried += 1;
        }
    }

    let (short, summary) = separate(
        &mut separator,
        &stereo(500),
        &Options::new().single_chunk(true),
    );

    assert_eq!((short[0].frames(), summary.chunks), (500, 1));
    println!("{} single chunks", tried + 1);
}

/// Sink that fails at the start, or at a write with a given number.
struct Failing {
    at: Option<usize>,
    writes: usize,
}

impl StemSink for Failing {
    fn start(&mut self, _: &Outputs) -> Result<()> {
        self.at.map_or(
            Err(Error::new(ErrorKind::Output, "no room at the start")),
            |_| Ok(()),
        )
    }

    fn write(&mut self, _: usize, _: &Audio) -> Result<()> {
        self.writes += 1;
        match self.at {
            Some(at) if self.writes > at => Err(Error::new(
                ErrorKind::Output,
                format!("no room at write {at}"),
            )),
            _ => Ok(()),
        }
    }
}

#[test]
fn an_error_of_the_sink_ends_the_run() {
    let mut separator = separator();
    let cases = [None, Some(0), Some(1), Some(7), Some(20)];
    for at in cases {
        let mut sink = Failing { at, writes: 0 };
        let error = separator
            .separate(
                &stereo(100_000),
                &Options::default(),
                &mut sink,
                &mut Ignore,
            )
            .unwrap_err();

        let expected = at.map_or("no room at the start".to_owned(), |at| {
            format!("no room at write {at}")
        });
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Output, expected)
        );
        assert_eq!(
            sink.writes,
            at.map_or(0, |at| at + 1),
            "nothing is written after an error"
        );
    }

    println!("{} failing sinks", cases.len());
}

/// Source that fails from the opening with a given number on, counted from 0.
struct Broken<'a> {
    audio: &'a Audio,
    opens: std::sync::atomic::AtomicUsize,
    fails_at: usize,
}

impl AudioSource for Broken<'_> {
    fn open(&self) -> Result<Box<dyn AudioStream + '_>> {
        let opened = self
            .opens
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if opened >= self.fails_at {
            return Err(Error::new(ErrorKind::Input, "the file has gone"));
        }
        self.audio.open()
    }
}

#[test]
fn what_cannot_be_separated_is_refused() {
    let mut separator = separator();
    let mut tried = 0;
    let mut refuse = |song: &dyn AudioSource, options: Options, kind: ErrorKind, what: &str| {
        let error = separator
            .separate(song, &options, &mut InMemory::default(), &mut Ignore)
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(!error.to_string().is_empty());
        tried += 1;
    };

    let song = stereo(1000);
    for overlap in [1.0, -0.25, 2.0, f64::NAN, f64::INFINITY, 0.999_999_9] {
        refuse(
            &song,
            Options::new().overlap(overlap),
            ErrorKind::Options,
            "overlap",
        );
    }

    refuse(
        &Audio::silent(song.layout(), 0),
        Options::default(),
        ErrorKind::Audio,
        "no frames",
    );

    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (rate_hz, at) in [(44_100, 0), (44_100, 999), (48_000, 500)] {
            let mut audio = sextet_testing::draw::song(1000, 1).into_channels();
            audio[1][at] = bad;
            refuse(
                &Audio::new(audio, rate_hz),
                Options::default(),
                ErrorKind::Audio,
                "not a number",
            );
        }
    }

    let opens = Default::default();
    refuse(
        &Broken {
            audio: &song,
            opens,
            fails_at: 0,
        },
        Options::default(),
        ErrorKind::Input,
        "broken source",
    );

    let mut read_again = |fails_at: usize| {
        let (opens, options) = (Default::default(), Options::new().sum(Sum::Exact));

        let decode = DecodeOptions::of(&options).memory_bytes(0);
        let source = Broken {
            audio: &song,
            opens,
            fails_at,
        };

        let decoded = Decoded::read(&source, decode, &mut Ignore, &mut |_| ()).unwrap();
        separator
            .separate_decoded(&decoded, &options, &mut InMemory::default(), &mut Ignore)
            .map(drop)
    };

    for fails_at in [1, 2] {
        assert_eq!(
            read_again(fails_at).unwrap_err().kind(),
            ErrorKind::Input,
            "broken source, opened for its sum or again"
        );
        tried += 1;
    }

    read_again(3).unwrap();
    let mut four = Separator::new(
        sextet_testing::small::model(&tiny(0.5), 1),
        EngineOptions::default(),
    )
    .unwrap();

    let options = Options::new().parts(vec![Part::stem(Stem::Piano)]);
    let error = four
        .separate(&song, &options, &mut InMemory::default(), &mut Ignore)
        .unwrap_err();

    assert!(
        matches!(
            error.cause(),
            Some(SeparateError::NoSuchStem {
                stem: Stem::Piano,
                ..
            })
        ),
        "{error}"
    );

    println!("{} songs and options refused", tried + 1);
}

/// Checks songs of one frame or of a constant. Such a song equals its mean, which demucs adds to
/// every stem: the stems do not add up unless asked to.
#[test]
fn a_constant_song_is_in_every_stem_unless_the_sum_is_exact() {
    let mut separator = separator();
    for frames in [1, 30_000] {
        let song = Audio::new(vec![vec![0.5; frames]; 2], 44_100);
        let (stems, _) = separate(&mut separator, &song, &Options::default());

        assert!(
            stems
                .iter()
                .flat_map(Audio::channels)
                .flatten()
                .all(|sample| (sample - 0.5).abs() < 1e-6)
        );

        let (stems, _) = separate(&mut separator, &song, &Options::new().sum(Sum::Exact));

        assert!(
            stems
                .iter()
                .flat_map(Audio::channels)
                .flatten()
                .all(|sample| (sample - 0.5 / 6.0).abs() < 1e-6)
        );
    }

    println!("2 constant songs");
}
