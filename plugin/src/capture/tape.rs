//! The ring between audio thread and session thread. Both ends are made together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;

use rtrb::{Consumer, Producer, RingBuffer};

use super::recorder::Recorder;

/// What the ring holds, in seconds: a disk may keep the session thread waiting for so long.
const RING_S: f64 = 4.0;
/// Spans that the ring holds: more blocks than there are in those seconds, unless they are tiny.
const SPANS: usize = 1 << 14;

/// One line of the tape's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A take begins.
    Begin,
    /// So many frames follow in the samples' ring, which were heard at this frame of the timeline.
    Span { position: i64, frames: usize },
    /// The take is over.
    End,
}

/// The audio thread's end.
pub(super) struct TapeHead {
    pub(super) marks: Producer<Mark>,
    /// Interleaved.
    pub(super) samples: Producer<f32>,
    pub(super) lost_frames: Arc<AtomicU64>,
    pub(super) session: Thread,
}

/// The session thread's end.
pub(crate) struct Tape {
    marks: Consumer<Mark>,
    samples: Consumer<f32>,
    lost_frames: Arc<AtomicU64>,
    rate_hz: u32,
    run: Vec<f32>,
    rolling: bool,
}

/// What comes off the tape.
#[derive(Debug, PartialEq)]
pub(crate) enum Event<'a> {
    /// A take begins.
    Begin,
    /// Interleaved frames, and where on the timeline they were heard.
    Audio(i64, &'a [f32]),
    /// The take is over.
    End,
}

/// Makes a ring for a session at `rate_hz`; the recorder wakes `session` when there is something.
pub(crate) fn tape(rate_hz: u32, session: Thread) -> (Recorder, Tape) {
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

    (Recorder::new(head), tape)
}

impl Tape {
    /// The rate of what is on it.
    pub(crate) fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Frames that were lost because the ring was full, so far.
    pub(crate) fn lost_frames(&self) -> u64 {
        self.lost_frames.load(Ordering::Relaxed)
    }

    /// Whether the audio thread's end is gone and everything was read.
    pub(crate) fn is_over(&self) -> bool {
        self.marks.is_abandoned() && self.marks.is_empty() && !self.rolling
    }

    /// Hands out all that has come. A recorder that is gone has ended its take.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(Event<'_>)) {
        let abandoned = self.marks.is_abandoned();
        while let Ok(mark) = self.marks.pop() {
            match mark {
                Mark::Begin => {
                    self.rolling = true;
                    take(Event::Begin);
                }
                Mark::Span { position, frames } => {
                    self.run.resize(2 * frames, 0.0);

                    // The samples were written before the mark.
                    let Ok(chunk) = self.samples.read_chunk(2 * frames) else {
                        continue;
                    };

                    let (first, second) = chunk.as_slices();
                    self.run[..first.len()].copy_from_slice(first);
                    self.run[first.len()..].copy_from_slice(second);
                    chunk.commit_all();
                    take(Event::Audio(position, &self.run));
                }
                Mark::End => {
                    self.rolling = false;
                    take(Event::End);
                }
            }
        }

        if abandoned && std::mem::take(&mut self.rolling) {
            take(Event::End);
        }
    }
}
