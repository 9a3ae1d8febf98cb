//! The recorder: the audio thread's part of a capture. It writes the audio and its position on the
//! timeline to the tape.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::tape::{Mark, TapeHead};
use crate::patience::Patience;

/// Time that an offline render sleeps while the disk catches up.
const OFFLINE_NAP: Duration = Duration::from_millis(1);
/// Number of naps after which an offline render gives up on a disk that takes nothing any more: a
/// minute.
const MOST_NAPS: u32 = 60_000;
/// Number of frames that are written at a time, so that a block of any size fits the ring.
const RUN_FRAMES: usize = 4096;

/// A recorder that captures while it is armed and the transport runs, one take each time it is
/// armed. It neither allocates, locks nor waits, except where the host gives time.
pub(crate) struct Recorder {
    head: TapeHead,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The recorder is not armed.
    Off,
    /// The recorder is armed; the transport stands.
    Armed,
    /// A take is running.
    Rolling,
    /// The take is over. The recorder must be disarmed before it can be armed again.
    Done,
}

/// The input of a block.
pub(crate) struct Input<'a> {
    pub(crate) left: &'a [f32],
    pub(crate) right: &'a [f32],
    /// The timeline's frame at the block's start; `None` if the transport stands or has no
    /// position.
    pub(crate) position: Option<i64>,
    /// Time that the host gives the block.
    pub(crate) patience: Patience,
}

impl Recorder {
    pub(super) fn new(head: TapeHead) -> Self {
        Self {
            head,
            state: State::Off,
        }
    }

    /// Processes one block.
    pub(crate) fn process(&mut self, armed: bool, input: &Input<'_>) {
        self.state = match (armed, self.state) {
            (false, State::Rolling) => self.end(State::Off),
            (false, _) => State::Off,
            (true, State::Off) => State::Armed,
            (true, state) => state,
        };
        match (self.state, input.position) {
            (State::Armed, Some(position)) => {
                self.mark(Mark::Begin, input.patience);
                self.state = State::Rolling;
                self.write(input, position);
            }
            (State::Rolling, Some(position)) => self.write(input, position),
            (State::Rolling, None) => self.state = self.end(State::Done),
            _ => {}
        }
    }

    /// Ends a running take, because the host stops processing.
    pub(crate) fn stop(&mut self) {
        if self.state == State::Rolling {
            self.state = self.end(State::Done);
        }
    }

    /// Returns whether the take for which it was armed is over.
    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Done
    }

    /// Marks the take as over: it was over before this recorder was made, and the capture is still
    /// armed.
    pub(crate) fn begin_over(&mut self) {
        self.state = State::Done;
    }

    /// Arms the recorder anew, without disarming it first.
    pub(crate) fn arm_again(&mut self) {
        if self.state == State::Done {
            self.state = State::Off;
        }
    }

    /// Returns whether it waits for the transport, or a take is running.
    pub(crate) fn is_armed(&self) -> bool {
        matches!(self.state, State::Armed | State::Rolling)
    }

    /// Wakes the session thread.
    pub(crate) fn wake_session(&self) {
        self.head.session.unpark();
    }

    /// Returns whether a take is running.
    pub(crate) fn is_rolling(&self) -> bool {
        self.state == State::Rolling
    }

    fn end(&mut self, next: State) -> State {
        self.mark(Mark::End, Patience::None);
        next
    }

    fn write(&mut self, input: &Input<'_>, position: i64) {
        let runs = input
            .left
            .chunks(RUN_FRAMES)
            .zip(input.right.chunks(RUN_FRAMES));
        for (number, (left, right)) in runs.enumerate() {
            let position = position + (number * RUN_FRAMES) as i64;
            let room =
                |head: &TapeHead| head.samples.slots() >= 2 * left.len() && head.marks.slots() > 1;
            self.wait_for(room, input.patience);

            // The last place is reserved for the mark that ends the take.
            if !room(&self.head) {
                self.head
                    .lost_frames
                    .fetch_add(left.len() as u64, Ordering::Relaxed);
                continue;
            }

            if let Ok(chunk) = self.head.samples.write_chunk_uninit(2 * left.len()) {
                chunk.fill_from_iter(
                    left.iter()
                        .zip(right)
                        .flat_map(|(&left, &right)| [left, right]),
                );
                let _ = self.head.marks.push(Mark::Span {
                    position,
                    frames: left.len(),
                });
            }
        }

        self.head.session.unpark();
    }

    fn mark(&mut self, mark: Mark, patience: Patience) {
        self.wait_for(|head| !head.marks.is_full(), patience);
        let _ = self.head.marks.push(mark);
        self.head.session.unpark();
    }

    /// Waits while the host gives time until there is room, or the session thread is gone.
    fn wait_for(&self, room: impl Fn(&TapeHead) -> bool, patience: Patience) {
        let mut naps = 0;
        while !room(&self.head)
            && patience.has_time()
            && !self.head.samples.is_abandoned()
            && naps < MOST_NAPS
        {
            self.head.session.unpark();
            std::thread::sleep(OFFLINE_NAP);
            naps += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::super::tape::{TapeEvent, ring};
    use super::*;

    /// Plays blocks of ten frames, the value of each frame being its position, and returns the
    /// events from the tape.
    fn heard(blocks: &[(bool, Option<i64>)]) -> Vec<String> {
        let (head, mut tape) = ring(48_000, std::thread::current());
        let mut recorder = Recorder::new(head);
        let mut seen = Vec::new();
        for &(armed, position) in blocks {
            let frames: Vec<f32> = (0..10)
                .map(|n| (position.unwrap_or(0) + n) as f32)
                .collect();
            recorder.process(
                armed,
                &Input {
                    left: &frames,
                    right: &frames,
                    position,
                    patience: Patience::None,
                },
            );

            tape.drain(|event| match event {
                TapeEvent::Begin => seen.push("begin".to_owned()),
                TapeEvent::Audio(at, samples) => {
                    assert_eq!(samples.len(), 20);
                    assert_eq!((samples[0], samples[19]), (at as f32, (at + 9) as f32));
                    seen.push(at.to_string());
                }
                TapeEvent::End => seen.push("end".to_owned()),
            });
        }

        drop(recorder);
        tape.drain(|event| seen.push(format!("{event:?}")));
        seen
    }

    #[test]
    fn a_take_is_what_is_heard_while_armed_and_running() {
        type Case = (&'static [(bool, Option<i64>)], &'static [&'static str]);
        let cases: [Case; 7] = [
            (&[(false, Some(0)), (true, None)], &[]),
            (
                &[
                    (true, None),
                    (true, Some(5)),
                    (true, Some(15)),
                    (true, None),
                ],
                &["begin", "5", "15", "end"],
            ),
            // A loop, and a position before the beginning.
            (
                &[(true, Some(90)), (true, Some(-10)), (false, Some(0))],
                &["begin", "90", "-10", "end"],
            ),
            // Still armed after the take: nothing more is captured until the recorder is armed
            // anew.
            (
                &[(true, Some(0)), (true, None), (true, Some(0))],
                &["begin", "0", "end"],
            ),
            (
                &[
                    (true, Some(0)),
                    (true, None),
                    (false, None),
                    (true, Some(7)),
                    (true, None),
                ],
                &["begin", "0", "end", "begin", "7", "end"],
            ),
            // The plugin is removed in the middle of a take.
            (&[(true, Some(3))], &["begin", "3", "End"]),
            (&[], &[]),
        ];

        each_case(cases, |(blocks, expected)| {
            assert_eq!(heard(blocks), expected, "{blocks:?}");
        });
    }

    #[test]
    fn a_full_ring_loses_frames_and_says_so() {
        let (head, mut tape) = ring(1_000, std::thread::current());
        let mut recorder = Recorder::new(head);
        let frames = [0.5; 1_000];
        for second in 0..6 {
            let position = Some(second * 1_000);
            recorder.process(
                true,
                &Input {
                    left: &frames,
                    right: &frames,
                    position,
                    patience: Patience::None,
                },
            );
        }

        recorder.stop();
        assert_eq!(tape.lost_frames(), 2_000);

        let mut seen = Vec::new();
        tape.drain(|event| seen.push(matches!(event, TapeEvent::Audio(..))));

        assert_eq!(seen, [false, true, true, true, true, false]);
    }

    #[test]
    fn a_render_waits_for_the_disk() {
        let (head, mut tape) = ring(1_000, std::thread::current());
        let mut recorder = Recorder::new(head);
        let render = std::thread::spawn(move || {
            for second in 0..20 {
                let frames = [second as f32; 1_000];
                let position = Some(second * 1_000);
                recorder.process(
                    true,
                    &Input {
                        left: &frames,
                        right: &frames,
                        position,
                        patience: Patience::Unlimited,
                    },
                );
            }
            recorder.stop();
        });

        let mut frames = 0;
        let mut over = false;
        while !over {
            tape.drain(|event| match event {
                TapeEvent::Audio(_, samples) => frames += samples.len() / 2,
                TapeEvent::End => over = true,
                TapeEvent::Begin => {}
            });
        }

        render.join().unwrap();
        assert_eq!((frames, tape.lost_frames()), (20_000, 0));
    }
}
