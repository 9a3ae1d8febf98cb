//! The tape: a ring between audio thread and session thread. Both ends are made together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;

use rtrb::{Consumer, Producer, RingBuffer};

/// Length of the ring in seconds. A disk may block the session thread for so long.
const RING_S: f64 = 4.0;
/// Number of spans that the ring holds: more than the blocks in those seconds, unless blocks are
/// tiny.
const SPANS: usize = 1 << 14;

/// An entry of the ring of marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A take begins.
    Begin,
    /// The number of frames that follow in the ring of samples, and the frame of the timeline at
    /// which they were captured.
    Span { position: i64, frames: usize },
    /// The take is over.
    End,
}

/// The audio thread's end of the tape.
pub(super) struct TapeHead {
    pub(super) marks: Producer<Mark>,
    /// Interleaved samples.
    pub(super) samples: Producer<f32>,
    pub(super) lost_frames: Arc<AtomicU64>,
    pub(super) session: Thread,
}

/// The session thread's end of the tape.
pub(crate) struct Tape {
    marks: Consumer<Mark>,
    samples: Consumer<f32>,
    lost_frames: Arc<AtomicU64>,
    rate_hz: u32,
    run: Vec<f32>,
    rolling: bool,
}

/// An event that is read from the tape.
#[derive(Debug, PartialEq)]
pub(crate) enum TapeEvent<'a> {
    /// A take begins.
    Begin,
    /// The frame of the timeline and the interleaved frames that were captured there.
    Audio(i64, &'a [f32]),
    /// The take is over.
    End,
}

/// Creates both ends of a tape for a session at `rate_hz`. The audio thread's end wakes the thread
/// `session`.
pub(super) fn ring(rate_hz: u32, session: Thread) -> (TapeHead, Tape) {
    let (mark_writer, marks) = RingBuffer::new(SPANS);
    let (sample_writer, samples) = RingBuffer::new((2.0 * RING_S * f64::from(rate_hz)) as usize);

    let lost_frames = Arc::new(AtomicU64::new(0));
    let head = TapeHead {
        marks: mark_writer,
        samples: sample_writer,
        lost_frames: lost_frames.clone(),
        session,
    };

    let tape = Tape {
        marks,
        samples,
        lost_frames,
        rate_hz,
        run: Vec::new(),
        rolling: false,
    };

    (head, tape)
}

impl Tape {
    /// Returns the sample rate in Hz.
    pub(crate) fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Returns the number of frames so far that were lost because the ring was full.
    pub(crate) fn lost_frames(&self) -> u64 {
        self.lost_frames.load(Ordering::Relaxed)
    }

    /// Returns whether the audio thread's end is gone and everything was read.
    pub(crate) fn is_over(&self) -> bool {
        self.marks.is_abandoned() && self.marks.is_empty() && !self.rolling
    }

    /// Passes all events to `take`. A recorder that is gone has ended its take.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(TapeEvent<'_>)) {
        let abandoned = self.marks.is_abandoned();
        while let Ok(mark) = self.marks.pop() {
            match mark {
                Mark::Begin => {
                    self.rolling = true;
                    take(TapeEvent::Begin);
                }
                Mark::Span { position, frames } => {
                    self.run.resize(2 * frames, 0.0);

                    // The recorder wrote the samples before the mark.
                    let Ok(chunk) = self.samples.read_chunk(2 * frames) else {
                        continue;
                    };

                    let (first, second) = chunk.as_slices();
                    self.run[..first.len()].copy_from_slice(first);
                    self.run[first.len()..].copy_from_slice(second);
                    chunk.commit_all();
                    take(TapeEvent::Audio(position, &self.run));
                }
                Mark::End => {
                    self.rolling = false;
                    take(TapeEvent::End);
                }
            }
        }

        if abandoned && std::mem::take(&mut self.rolling) {
            take(TapeEvent::End);
        }
    }
}
