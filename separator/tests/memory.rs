//! Tests that memory grows with the length of a song by nothing but its kept samples, whose budget
//! `src/long_songs.rs` tests, and that a song streamed through a file gives the same samples.
//!
//! These tests use the real engine with songs of a minute. `src/long_songs.rs` runs three hours
//! through the stages around it. Songs are generated while they are read. Every length is separated
//! in a process of its own, whose peak memory is measured: this test's executable, started again
//! with `SEXTET_MEMORY_SONG_S` set.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails is the test")]

use std::fs::File;

use sextet_separator::audio::{
    Audio, AudioFile, AudioSource, AudioStream, AudioWriter, Bits, FileFormat, Layout, Tags,
    WriteOptions,
};
use sextet_separator::{
    EngineOptions, Ignore, InMemory, Options, Outputs, Result, Separator, StemSink,
};
use sextet_testing::small::tiny;

/// Environment variable that makes this executable separate one song of that many seconds and print
/// its peak memory.
const SONG_S: &str = "SEXTET_MEMORY_SONG_S";
/// Segment of every published model, in seconds.
const SEGMENT_S: f64 = 7.8;
/// Additional memory that the long song may take compared with the short one, beside its samples,
/// which are kept while they fit into the budget (`MEMORY_BYTES`).
const MARGIN_MB: f64 = 20.0;

/// Song of a given number of frames, generated while it is read.
struct Endless {
    frames: u64,
}

struct EndlessStream {
    frames: u64,
    next: u64,
}

const LAYOUT: Layout = Layout {
    channels: 2,
    rate_hz: 44_100,
};

impl AudioSource for Endless {
    fn open(&self) -> Result<Box<dyn AudioStream>> {
        Ok(Box::new(EndlessStream {
            frames: self.frames,
            next: 0,
        }))
    }
}

impl AudioStream for EndlessStream {
    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn next_block(&mut self) -> Result<Option<Audio>> {
        let start = self.next;
        self.next = (start + 16_000).min(self.frames);
        let sample = |n: u64, step: u64| ((n * step) % 30_011) as f32 / 30_011.0 - 0.5;
        let side = |step: u64| (start..self.next).map(|n| sample(n, step)).collect();
        Ok(
            (start < self.next)
                .then(|| Audio::new(vec![side(7919), side(104_729)], LAYOUT.rate_hz)),
        )
    }
}

/// Sink that counts the frames that it receives.
#[derive(Default)]
struct Count {
    frames: Vec<u64>,
}

impl StemSink for Count {
    fn start(&mut self, outputs: &Outputs) -> Result<()> {
        self.frames = vec![0; outputs.parts.len()];
        Ok(())
    }

    fn write(&mut self, part: usize, block: &Audio) -> Result<()> {
        self.frames[part] += block.frames() as u64;
        Ok(())
    }
}

fn separator() -> Separator {
    Separator::new(
        sextet_testing::small::model(&tiny(SEGMENT_S), 5),
        EngineOptions::default(),
    )
    .unwrap()
}

/// Runs in the processes of the next test. It is not a test by itself.
#[test]
fn one_song() {
    let Ok(seconds) = std::env::var(SONG_S) else {
        return;
    };

    let frames = seconds.parse::<u64>().unwrap() * 44_100;
    let mut sink = Count::default();
    let summary = separator()
        .separate(
            &Endless { frames },
            &Options::default(),
            &mut sink,
            &mut Ignore,
        )
        .unwrap();

    assert_eq!(
        (summary.output_frames, sink.frames),
        (frames, vec![frames; 4])
    );
    sextet_testing::peak::print();
}

#[test]
fn a_longer_song_takes_no_more_memory() {
    if sextet_testing::peak::peak_mb().is_none() {
        println!("0 lengths: this system does not say how much memory a process has held");
        return;
    }
    let lengths_s = [15, 75];
    let [short, long] =
        lengths_s.map(|seconds| sextet_testing::peak::of_child("one_song", SONG_S, seconds));
    let [kept_short, kept_long] = lengths_s.map(|seconds| (seconds * 44_100 * 2 * 4) as f64 / 1e6);
    let apart = (long - kept_long) - (short - kept_short);
    println!("2 lengths: {apart:.1} MB apart beside the samples");
    assert!(apart.abs() < MARGIN_MB, "{short} MB and {long} MB");
}

/// Sink that writes every part to a file as it arrives.
struct Files<'a> {
    folder: &'a std::path::Path,
    writers: Vec<AudioWriter<File>>,
}

impl StemSink for Files<'_> {
    fn start(&mut self, outputs: &Outputs) -> Result<()> {
        for part in &outputs.parts {
            let path = self.folder.join(format!("{}.wav", part.name));
            let options = WriteOptions::new()
                .format(FileFormat::Wav)
                .bits(Bits::Float32)
                .tags(Tags::default());

            self.writers.push(AudioWriter::new(
                File::create(&path).unwrap(),
                outputs.layout,
                &options,
                outputs.frames,
            )?);
        }
        Ok(())
    }

    fn write(&mut self, part: usize, block: &Audio) -> Result<()> {
        self.writers[part].write(block)
    }
}

fn read(source: &dyn AudioSource) -> Vec<Vec<f32>> {
    let mut stream = source.open().unwrap();
    let mut channels = vec![Vec::new(); stream.layout().channels];
    while let Some(block) = stream.next_block().unwrap() {
        channels
            .iter_mut()
            .zip(block.channels())
            .for_each(|(all, new)| all.extend_from_slice(new));
    }
    channels
}

#[test]
fn a_song_streamed_through_files_is_the_same_as_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let endless = Endless {
        frames: 40 * 44_100 + 1234,
    };
    let song = Audio::new(read(&endless), LAYOUT.rate_hz);
    let path = folder.path().join("song.wav");

    let options = WriteOptions::new()
        .format(FileFormat::Wav)
        .bits(Bits::Float32)
        .tags(Tags::default());

    let file = File::create(&path).unwrap();
    let mut writer = AudioWriter::new(file, LAYOUT, &options, song.frames() as u64).unwrap();
    writer.write(&song).unwrap();
    writer.finish().unwrap();
    let mut separator = separator();

    let mut in_memory = InMemory::default();
    separator
        .separate(&song, &Options::default(), &mut in_memory, &mut Ignore)
        .unwrap();
    let mut files = Files {
        folder: folder.path(),
        writers: Vec::new(),
    };

    separator
        .separate(
            &AudioFile::open(&path).unwrap(),
            &Options::default(),
            &mut files,
            &mut Ignore,
        )
        .unwrap();

    files
        .writers
        .into_iter()
        .for_each(|writer| _ = writer.finish().unwrap());
    let mut compared = 0;
    for (part, expected) in in_memory.into_parts() {
        let found =
            read(&AudioFile::open(folder.path().join(format!("{}.wav", part.name))).unwrap());
        for (found, expected) in found.iter().zip(expected.channels()) {
            assert!(
                found
                    .iter()
                    .map(|x| x.to_bits())
                    .eq(expected.iter().map(|x| x.to_bits())),
                "{}",
                part.name
            );
            compared += found.len();
        }
    }

    println!("{compared} samples of 4 stems compared bit for bit");
}
