//! Test that three hours of song take the memory of three minutes, and that a song kept in memory
//! takes no more than the budget.
//!
//! An engine that returns its input stands in for the model, whose memory does not depend on the
//! song: three hours of a real song would take too long. Songs are generated while they are read.
//! Each is separated in a process of its own, whose peak memory is measured: this test's
//! executable, started again with `SEXTET_LONG_SONG_S` set.

use std::collections::VecDeque;

use crate::audio::{Audio, AudioSource, AudioStream, Layout};
use crate::decoded::{DecodeOptions, Decoded, MEMORY_BYTES};
use crate::engine::{Engine, EngineClass, LazyEngine};
use crate::{Ignore, Options, Outputs, Result, Stem, StemSink, pipeline};
use sextet_testing::peak;

/// Environment variable that makes this executable separate one song of that many seconds.
const SONG_S: &str = "SEXTET_LONG_SONG_S";
/// Environment variable that makes the song announce its length.
const ANNOUNCES: &str = "SEXTET_LONG_SONG_ANNOUNCES";
/// Number of bytes of a kept frame.
const FRAME_BYTES: u64 = 8;
/// Segment of every published model: 7.8 s.
const SEGMENT_FRAMES: usize = 343_980;
const SOURCES: [Stem; 1] = [Stem::Drums];
const LAYOUT: Layout = Layout {
    channels: 2,
    rate_hz: 44_100,
};

/// Engine whose stems are its input. Like an engine on a GPU, it takes several segments before one
/// has to be taken back.
#[derive(Default)]
struct Echo {
    waiting: VecDeque<Vec<f32>>,
    stems: Vec<f32>,
}

impl Engine for Echo {
    fn name(&self) -> String {
        "echo".to_owned()
    }

    fn class(&self) -> EngineClass {
        EngineClass::CpuF32
    }

    fn depth(&self) -> usize {
        3
    }

    fn submit(&mut self, fill: &mut dyn FnMut(&mut [f32])) -> Result<()> {
        assert!(self.waiting.len() < self.depth());
        let mut mix = vec![f32::NAN; 2 * SEGMENT_FRAMES];
        fill(&mut mix);
        self.waiting.push_back(mix);
        Ok(())
    }

    fn take(&mut self) -> Result<&[f32]> {
        self.stems = self.waiting.pop_front().unwrap();
        Ok(&self.stems)
    }

    fn forget(&mut self) -> Result<()> {
        self.waiting.clear();
        Ok(())
    }
}

/// Song of a given number of frames, and a stream of it.
#[derive(Clone, Copy)]
struct Song {
    frames: u64,
    next: u64,
    announces: bool,
}

/// Returns sample `n` of both sides.
fn sample(n: u64) -> f32 {
    (n as u32).wrapping_mul(2_654_435_761) as f32 / u32::MAX as f32 - 0.5
}

impl AudioSource for Song {
    fn open(&self) -> Result<Box<dyn AudioStream>> {
        Ok(Box::new(*self))
    }

    fn frames(&self) -> Option<u64> {
        self.announces.then_some(self.frames)
    }
}

impl AudioStream for Song {
    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn next_block(&mut self) -> Result<Option<Audio>> {
        let start = self.next;
        self.next = (start + 16_000).min(self.frames);
        let side: Vec<f32> = (start..self.next).map(sample).collect();
        Ok((start < self.next).then(|| Audio::new(vec![side.clone(), side], LAYOUT.rate_hz)))
    }
}

/// Sink that compares the stems with the song.
#[derive(Default)]
struct Check {
    frames: [u64; SOURCES.len()],
}

impl StemSink for Check {
    fn start(&mut self, _: &Outputs) -> Result<()> {
        Ok(())
    }

    fn write(&mut self, part: usize, block: &Audio) -> Result<()> {
        let start = self.frames[part];
        for (index, found) in block.channels()[1].iter().enumerate().step_by(101) {
            assert!(
                (found - sample(start + index as u64)).abs() < 1e-5,
                "frame {}",
                start + index as u64
            );
        }

        self.frames[part] += block.frames() as u64;
        Ok(())
    }
}

/// Runs in the processes of the next test. It is not a test by itself.
#[test]
fn one_song() {
    let Ok(seconds) = std::env::var(SONG_S) else {
        return;
    };

    let announces = std::env::var_os(ANNOUNCES).is_some();
    let song = Song {
        frames: seconds.parse::<u64>().unwrap() * 44_100 + 1,
        next: 0,
        announces,
    };

    let mut engines = [LazyEngine::on(
        Box::new(Echo::default()),
        SEGMENT_FRAMES,
        vec![1.0; SOURCES.len()],
    )];

    let mut sink = Check::default();
    let options = Options::default();
    let decoded =
        Decoded::read(&song, DecodeOptions::of(&options), &mut Ignore, &mut |_| ()).unwrap();

    assert_eq!(decoded.is_kept(), song.frames * FRAME_BYTES <= MEMORY_BYTES);
    pipeline::run(
        &mut engines,
        &SOURCES,
        decoded.view(),
        &options,
        &mut sink,
        &mut Ignore,
    )
    .unwrap();

    assert_eq!(sink.frames, [song.frames; SOURCES.len()]);
    peak::print();
}

#[test]
fn three_hours_take_the_memory_of_three_minutes_and_none_more_than_the_budget() {
    if peak::peak_mb().is_none() {
        println!("0 lengths: this system does not say how much memory a process has held");
        return;
    }

    let peak = |seconds: u64, announces: bool| {
        let settings = announces.then_some((ANNOUNCES, "1"));
        peak::of_child_with("long_songs::one_song", SONG_S, seconds, settings)
    };
    let longest_kept_s = MEMORY_BYTES / FRAME_BYTES / 44_100;
    let short = peak(3 * 60, true);

    // A known length is compared with the budget before the song is read.
    for seconds in [longest_kept_s + 1, 3 * 60 * 60] {
        let long = peak(seconds, true);
        println!("{seconds} s, announced: {:.1} MB apart", long - short);
        assert!((long - short).abs() < 150.0, "{short} MB and {long} MB");
    }

    // A song of unknown length is kept until it turns out to be too long.
    let budget = MEMORY_BYTES as f64 / 1e6;
    for (seconds, announces) in [
        (longest_kept_s, true),
        (longest_kept_s + 1, false),
        (60 * 60, false),
    ] {
        let long = peak(seconds, announces);
        println!(
            "{seconds} s: {:.1} MB more than the budget of {budget:.0} MB",
            long - budget
        );
        assert!(
            long < budget + 150.0,
            "{long} MB with a budget of {budget} MB"
        );
    }

    println!("6 lengths");
}
