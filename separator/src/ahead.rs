//! The song as the model hears it, read on a thread of its own: what decodes, folds and resamples runs beside what measures,
//! separates and writes.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, scope};

use crate::Result;
use crate::audio::{Audio, AudioSource, AudioStream, BLOCK_FRAMES, Folded, Resampled, Warning};
use crate::model::MODEL_RATE_HZ;
use crate::timings::timed;

/// Blocks that are read ahead, 12 s in all.
const BLOCKS: usize = 8;

/// The song in blocks of [`BLOCK_FRAMES`], the last of which may be shorter, stereo at [`MODEL_RATE_HZ`].
pub(crate) struct Ahead {
    blocks: Receiver<Result<Read>>,
    read_frames: u64,
    warnings: Vec<Warning>,
}

/// What the thread hands over.
struct Read {
    block: Option<Audio>,
    /// Frames of the song, at its own rate, read by then.
    read_frames: u64,
    /// Complete where there is no block, which is the end.
    warnings: Vec<Warning>,
}

/// Lets `work` have `source`, each block put through `prepare` where it is read.
///
/// # Errors
/// Those of `work`, and of opening `source`; those of reading it come from [`Ahead::next`].
pub(crate) fn read_ahead<T>(
    source: &dyn AudioSource,
    prepare: impl Fn(&mut Audio) + Send,
    work: impl FnOnce(Ahead) -> Result<T>,
) -> Result<T> {
    let stream = Resampled::new(Box::new(Folded::new(source.open()?)), MODEL_RATE_HZ)?;
    // Work that ends early drops the receiver, which ends the thread at its next block.
    scope(|scope| work(Ahead::start(scope, stream, prepare)))
}

impl Ahead {
    fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        stream: Resampled<'scope>,
        prepare: impl Fn(&mut Audio) + Send + 'scope,
    ) -> Self {
        let (sender, blocks) = sync_channel(BLOCKS);
        scope.spawn(move || {
            if let Err(error) = read(stream, prepare, &sender) {
                // Nobody left to tell is no error.
                let _ = sender.send(Err(error));
            }
        });
        Self { blocks, read_frames: 0, warnings: Vec::new() }
    }

    /// The next block; `None` when the song is over.
    ///
    /// # Errors
    /// When the song cannot be read any further; it is over then.
    pub(crate) fn next(&mut self) -> Result<Option<Audio>> {
        let Ok(read) = self.blocks.recv() else { return Ok(None) };
        let Read { block, read_frames, warnings } = read?;
        (self.read_frames, self.warnings) = (read_frames, warnings);
        Ok(block)
    }

    /// Frames of the song that the blocks so far were made of, at its own rate.
    pub(crate) fn read_frames(&self) -> u64 {
        self.read_frames
    }

    /// What was odd about the song; complete once [`Ahead::next`] has returned `None`.
    pub(crate) fn into_warnings(self) -> Vec<Warning> {
        self.warnings
    }
}

/// Reads `stream` to its end, or until nobody listens.
fn read(mut stream: Resampled<'_>, prepare: impl Fn(&mut Audio), sender: &SyncSender<Result<Read>>) -> Result<()> {
    let hand_over = |mut block: Audio, read_frames| {
        prepare(&mut block);
        sender.send(Ok(Read { block: Some(block), read_frames, warnings: Vec::new() })).is_ok()
    };
    let mut pending = vec![Vec::new(); stream.layout().channels];
    while let Some(block) = timed("decode, fold, resample", || stream.next_block())? {
        if pending[0].is_empty() && block.frames() == BLOCK_FRAMES {
            if !hand_over(block, stream.read_frames()) {
                return Ok(());
            }
            continue;
        }
        pending.iter_mut().zip(block.channels()).for_each(|(kept, new)| kept.extend_from_slice(new));
        while pending[0].len() >= BLOCK_FRAMES {
            let block = pending.iter_mut().map(take_block).collect();
            if !hand_over(Audio::new(block, MODEL_RATE_HZ), stream.read_frames()) {
                return Ok(());
            }
        }
    }
    let (read_frames, warnings) = (stream.read_frames(), stream.warnings());
    if pending[0].is_empty() || hand_over(Audio::new(pending, MODEL_RATE_HZ), read_frames) {
        let _ = sender.send(Ok(Read { block: None, read_frames, warnings }));
    }
    Ok(())
}

/// The first block of `samples`, which keeps the rest and room for what follows.
fn take_block(samples: &mut Vec<f32>) -> Vec<f32> {
    let mut rest = Vec::with_capacity(BLOCK_FRAMES.max(samples.len()));
    rest.extend_from_slice(&samples[BLOCK_FRAMES..]);
    samples.truncate(BLOCK_FRAMES);
    std::mem::replace(samples, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, SeparateError};

    fn song(frames: usize) -> Audio {
        Audio::new(vec![(0..frames).map(|n| n as f32).collect()], MODEL_RATE_HZ)
    }

    #[test]
    fn the_song_comes_whole_in_blocks_of_one_size() {
        for frames in [0, 1, BLOCK_FRAMES, BLOCK_FRAMES + 1, 20 * BLOCK_FRAMES - 7] {
            let song = song(frames);
            let (mut sizes, mut heard) = (Vec::new(), Vec::new());
            let negate = |block: &mut Audio| block.channels_mut().flatten().for_each(|sample| *sample = -*sample);
            let read = |mut ahead: Ahead| {
                while let Some(block) = ahead.next()? {
                    sizes.push(block.frames());
                    assert_eq!(block.channels().len(), 2, "mono comes twice");
                    heard.extend_from_slice(&block.channels()[1]);
                }
                assert!(ahead.next()?.is_none(), "what is over stays over");
                Ok(ahead.read_frames())
            };
            assert_eq!(read_ahead(&song, negate, read).unwrap(), frames as u64);
            assert!(heard.iter().zip(&song.channels()[0]).all(|(heard, sample)| *heard == -sample));
            assert_eq!(heard.len(), frames);
            assert!(sizes.iter().rev().skip(1).all(|&size| size == BLOCK_FRAMES), "{sizes:?}");
        }
    }

    #[test]
    fn work_that_ends_early_ends_the_reading() {
        let song = song(100 * BLOCK_FRAMES);
        let first = read_ahead(&song, |_| (), |mut ahead| Ok(ahead.next()?.map(|block| block.frames())));
        assert_eq!(first.unwrap(), Some(BLOCK_FRAMES));
        let failed = read_ahead(&song, |_| (), |_| Err::<(), Error>(SeparateError::Cancelled.into()));
        assert_eq!(failed.unwrap_err().kind(), crate::ErrorKind::Cancelled);
    }

    /// A song that breaks off after some blocks.
    struct Broken;

    impl AudioStream for Broken {
        fn layout(&self) -> crate::audio::Layout {
            crate::audio::Layout { channels: 2, rate_hz: MODEL_RATE_HZ }
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
        let error = read_ahead(&Broken, |_| (), |mut ahead| ahead.next()).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Audio);
    }
}
