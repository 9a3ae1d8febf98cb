//! Reading of a song ahead of its use, on threads of its own. Decoding and folding run beside
//! resampling, and both run beside measuring, separating and writing.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, scope};

use crate::Result;
use crate::audio::{
    Audio, AudioSource, AudioStream, BLOCK_FRAMES, Folded, Layout, Resampler, Warning,
};
use crate::model::MODEL_RATE_HZ;
use crate::timings::timed;

/// Number of blocks that each thread may be ahead of the next: 12 s.
const BLOCKS: usize = 8;

/// Reader of the song in blocks of [`BLOCK_FRAMES`]. The last block may be shorter.
pub(crate) struct ReadAhead {
    passed: Receiver<Result<Passed>>,
    /// Whether the model's rate differs from the song's.
    is_resampled: bool,
    read_frames: u64,
    warnings: Vec<Warning>,
}

/// Message from one thread to the next.
enum Passed {
    /// Stereo block of the song, at the rate that the sending thread produces.
    Block(Audio),
    /// Stereo block at the song's own rate, sent before the resampled blocks made from it.
    Own(Audio),
    /// End of the song, with its warnings.
    Over(Vec<Warning>),
}

/// Block of the song as the reader receives it.
#[derive(Debug, PartialEq)]
pub(crate) enum Read {
    /// Block as the model hears it: stereo at [`MODEL_RATE_HZ`].
    Heard(Audio),
    /// Stereo block at the song's own rate, if that differs from the model's and was asked for.
    Own(Audio),
}

/// Calls `work` with the layout of `source` and a reader of its blocks. `prepare` is applied to
/// each block on the thread that reads it. With `own`, blocks at the song's own rate are read too.
///
/// # Errors
/// Returns the errors of `work` and of opening `source`. Errors of reading it come from
/// [`ReadAhead::next`].
pub(crate) fn read_ahead<T>(
    source: &dyn AudioSource,
    own: bool,
    prepare: impl Fn(&mut Audio) + Send,
    work: impl FnOnce(Layout, ReadAhead) -> Result<T>,
) -> Result<T> {
    let stream = source.open()?;
    let layout = stream.layout();
    let resampler = Resampler::new(
        Layout {
            channels: 2,
            ..layout
        },
        MODEL_RATE_HZ,
    )?;

    let stream = Folded::new(stream);

    // Work that ends early drops the receiver, which ends each thread at its next block.
    scope(|scope| {
        let is_resampled = layout.rate_hz != MODEL_RATE_HZ;
        let passed = if is_resampled {
            let decoded = spawn(scope, move |sender| decode(stream, |_| (), sender));
            spawn(scope, move |sender| {
                resample(&decoded, resampler, own, prepare, sender)
            })
        } else {
            spawn(scope, move |sender| decode(stream, prepare, sender))
        };

        work(
            layout,
            ReadAhead {
                passed,
                is_resampled,
                read_frames: 0,
                warnings: Vec::new(),
            },
        )
    })
}

/// Runs `read` on a thread of its own and returns the receiver of its messages.
fn spawn<'scope>(
    scope: &'scope Scope<'scope, '_>,
    read: impl FnOnce(&SyncSender<Result<Passed>>) -> Result<()> + Send + 'scope,
) -> Receiver<Result<Passed>> {
    let (sender, passed) = sync_channel(BLOCKS);
    scope.spawn(move || {
        if let Err(error) = read(&sender) {
            // Ignore the error: the receiver is gone.
            let _ = sender.send(Err(error));
        }
    });
    passed
}

impl ReadAhead {
    /// Returns the next block, or `None` at the end of the song.
    ///
    /// # Errors
    /// Fails when the song cannot be read any further. The song has then ended.
    pub(crate) fn next(&mut self) -> Result<Option<Read>> {
        let Ok(passed) = self.passed.recv() else {
            return Ok(None);
        };
        Ok(match passed? {
            Passed::Own(block) => {
                self.read_frames += block.frames() as u64;
                Some(Read::Own(block))
            }
            Passed::Block(block) => {
                self.read_frames += if self.is_resampled {
                    0
                } else {
                    block.frames() as u64
                };
                Some(Read::Heard(block))
            }
            Passed::Over(warnings) => {
                self.warnings = warnings;
                None
            }
        })
    }

    /// Returns the number of frames at the song's own rate that the blocks so far were made of. The
    /// number is complete only if blocks at that rate were asked for.
    pub(crate) fn read_frames(&self) -> u64 {
        self.read_frames
    }

    /// Returns the warnings about the song. They are complete once [`ReadAhead::next`] has returned
    /// `None`.
    pub(crate) fn into_warnings(self) -> Vec<Warning> {
        self.warnings
    }
}

/// Reads `stream` to its end, or until the receiver is gone.
fn decode(
    mut stream: Folded<'_>,
    prepare: impl Fn(&mut Audio),
    sender: &SyncSender<Result<Passed>>,
) -> Result<()> {
    let mut blocks = Blocks::new(stream.layout());
    while let Some(block) = timed("decode", || stream.next_block())? {
        for block in blocks.push(block) {
            if !pass_on(block, &prepare, sender) {
                return Ok(());
            }
        }
    }

    if blocks
        .rest()
        .is_none_or(|rest| pass_on(rest, &prepare, sender))
    {
        let _ = sender.send(Ok(Passed::Over(stream.warnings())));
    }
    Ok(())
}

/// Resamples the blocks from `decoded`. With `own`, it passes on the original blocks too.
fn resample(
    decoded: &Receiver<Result<Passed>>,
    mut resampler: Resampler,
    own: bool,
    prepare: impl Fn(&mut Audio),
    sender: &SyncSender<Result<Passed>>,
) -> Result<()> {
    let (from, to) = (resampler.input_layout(), resampler.output_layout());
    let (mut blocks, mut read_frames) = (Blocks::new(to), 0);

    while let Ok(passed) = decoded.recv() {
        let block = match passed? {
            Passed::Block(block) | Passed::Own(block) => block,
            Passed::Over(warnings) => {
                let total = Resampler::output_frames(read_frames, from.rate_hz, to.rate_hz);
                let end = timed("resample the song", || resampler.finish(total))?;
                let mut rest = blocks.push(end).into_iter().chain(blocks.rest());
                if rest.all(|block| pass_on(block, &prepare, sender)) {
                    let _ = sender.send(Ok(Passed::Over(warnings)));
                }
                return Ok(());
            }
        };

        read_frames += block.frames() as u64;
        if own && sender.send(Ok(Passed::Own(block.clone()))).is_err() {
            return Ok(());
        }

        let resampled = timed("resample the song", || resampler.push(block))?;
        if !blocks
            .push(resampled)
            .into_iter()
            .all(|block| pass_on(block, &prepare, sender))
        {
            return Ok(());
        }
    }

    Ok(())
}

/// Prepares and sends a block. Returns whether the receiver still exists.
fn pass_on(
    mut block: Audio,
    prepare: &impl Fn(&mut Audio),
    sender: &SyncSender<Result<Passed>>,
) -> bool {
    prepare(&mut block);
    sender.send(Ok(Passed::Block(block))).is_ok()
}

/// Buffer that divides blocks of any size into blocks of [`BLOCK_FRAMES`].
struct Blocks {
    pending: Vec<Vec<f32>>,
    rate_hz: u32,
}

impl Blocks {
    fn new(layout: Layout) -> Self {
        Self {
            pending: vec![Vec::new(); layout.channels],
            rate_hz: layout.rate_hz,
        }
    }

    /// Adds `block` and returns the blocks that are full.
    fn push(&mut self, block: Audio) -> Vec<Audio> {
        if self.pending[0].is_empty() && block.frames() == BLOCK_FRAMES {
            return vec![block];
        }

        self.pending
            .iter_mut()
            .zip(block.channels())
            .for_each(|(kept, new)| kept.extend_from_slice(new));
        let mut full = Vec::new();
        while self.pending[0].len() >= BLOCK_FRAMES {
            full.push(Audio::new(
                self.pending.iter_mut().map(take_block).collect(),
                self.rate_hz,
            ));
        }

        full
    }

    /// Returns the last, shorter block, if any.
    fn rest(&mut self) -> Option<Audio> {
        let rest: Vec<Vec<f32>> = self.pending.iter_mut().map(std::mem::take).collect();
        (!rest[0].is_empty()).then(|| Audio::new(rest, self.rate_hz))
    }
}

/// Removes the first block from `samples` and returns it. The rest stays, with room for further
/// samples.
fn take_block(samples: &mut Vec<f32>) -> Vec<f32> {
    let mut rest = Vec::with_capacity(BLOCK_FRAMES.max(samples.len()));
    rest.extend_from_slice(&samples[BLOCK_FRAMES..]);
    samples.truncate(BLOCK_FRAMES);
    std::mem::replace(samples, rest)
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;
    use crate::{Error, SeparateError};

    fn song(frames: usize) -> Audio {
        Audio::new(vec![(0..frames).map(|n| n as f32).collect()], MODEL_RATE_HZ)
    }

    #[test]
    fn the_song_comes_whole_in_blocks_of_one_size() {
        let cases = [0, 1, BLOCK_FRAMES, BLOCK_FRAMES + 1, 20 * BLOCK_FRAMES - 7];
        each_case(cases, |frames| {
            let song = song(frames);
            let (mut sizes, mut heard) = (Vec::new(), Vec::new());
            let negate = |block: &mut Audio| {
                block
                    .channels_mut()
                    .flatten()
                    .for_each(|sample| *sample = -*sample)
            };

            let read = |_, mut ahead: ReadAhead| {
                while let Some(Read::Heard(block)) = ahead.next()? {
                    sizes.push(block.frames());
                    assert_eq!(block.channels().len(), 2, "mono comes twice");
                    heard.extend_from_slice(&block.channels()[1]);
                }
                assert!(ahead.next()?.is_none(), "what is over stays over");
                Ok(ahead.read_frames())
            };

            assert_eq!(
                read_ahead(&song, false, negate, read).unwrap(),
                frames as u64
            );
            assert!(
                heard
                    .iter()
                    .zip(&song.channels()[0])
                    .all(|(heard, sample)| *heard == -sample)
            );

            assert_eq!(heard.len(), frames);
            assert!(
                sizes.iter().rev().skip(1).all(|&size| size == BLOCK_FRAMES),
                "{sizes:?}"
            );
        });
    }

    #[test]
    fn work_that_ends_early_ends_the_reading() {
        let song = song(100 * BLOCK_FRAMES);
        let first = read_ahead(&song, false, |_| (), |_, mut ahead| ahead.next()).unwrap();
        assert!(matches!(first, Some(Read::Heard(block)) if block.frames() == BLOCK_FRAMES));

        let failed = read_ahead(
            &song,
            false,
            |_| (),
            |_, _| Err::<(), Error>(SeparateError::Cancelled.into()),
        );

        assert_eq!(failed.unwrap_err().kind(), crate::ErrorKind::Cancelled);
    }

    /// Song that breaks off after some blocks.
    struct Broken;

    impl AudioStream for Broken {
        fn layout(&self) -> crate::audio::Layout {
            crate::audio::Layout {
                channels: 2,
                rate_hz: MODEL_RATE_HZ,
            }
        }

        fn next_block(&mut self) -> Result<Option<Audio>> {
            Err(SeparateError::NotFinite.into())
        }
    }

    impl AudioSource for Broken {
        fn open(&self) -> Result<Box<dyn AudioStream + '_>> {
            Ok(Box::new(Self))
        }
    }

    #[test]
    fn what_goes_wrong_in_reading_is_heard() {
        let error = read_ahead(&Broken, false, |_| (), |_, mut ahead| ahead.next()).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Audio);
    }

    #[test]
    fn a_song_at_another_rate_comes_at_both() {
        let song = Audio::new(
            vec![
                (0..3 * BLOCK_FRAMES)
                    .map(|n| (n as f32 * 0.01).sin())
                    .collect(),
            ],
            48_000,
        );
        each_case([false, true], |own| {
            let (mut at_its_own, mut heard) = (Vec::new(), 0);
            let read = |layout, mut ahead: ReadAhead| {
                assert_eq!(layout, song.layout());
                while let Some(read) = ahead.next()? {
                    match read {
                        Read::Own(block) => at_its_own.extend_from_slice(&block.channels()[1]),
                        Read::Heard(block) => heard += block.frames() as u64,
                    }
                }
                Ok(ahead.read_frames())
            };

            let read_frames = read_ahead(&song, own, |_| (), read).unwrap();
            assert_eq!(
                heard,
                Resampler::output_frames(3 * BLOCK_FRAMES as u64, 48_000, MODEL_RATE_HZ)
            );

            let expected: &[f32] = if own { &song.channels()[0] } else { &[] };
            assert!(at_its_own == expected);
            assert_eq!(read_frames, expected.len() as u64);
        });
    }
}
