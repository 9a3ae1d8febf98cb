//! Normalised song from which chunks are cut: read ahead on another thread, or copied from memory.

use crate::Result;
use crate::audio::{Audio, AudioSource, Layout};
use crate::chunks::{History, copy_stretch};
use crate::model::{CHANNELS, MODEL_RATE_HZ};
use crate::read_ahead::{Read, ReadAhead};
use crate::statistics::Statistics;

/// Layout that the model takes, so that nothing has to be folded or resampled.
const HEARD: Layout = Layout {
    channels: CHANNELS,
    rate_hz: MODEL_RATE_HZ,
};

/// Returns the song's samples if they are in memory in the model's layout.
pub(crate) fn in_place(source: &dyn AudioSource) -> Option<&Audio> {
    source.in_memory().filter(|song| song.layout() == HEARD)
}

/// Returns the function that subtracts the song's mean from a sample and divides it by the
/// deviation.
pub(crate) fn normalise(
    statistics: &Statistics,
) -> impl Fn(f32) -> f32 + Copy + Send + Sync + use<> {
    let (mean, deviation) = (statistics.mean, statistics.deviation);
    move |sample| (sample - mean) / deviation
}

/// Source of the chunks.
pub(crate) trait Song {
    /// Reads the song at least up to `end`, so that the frames before it can be copied. A shorter
    /// song is read to its end.
    ///
    /// # Errors
    /// Fails when the song cannot be read any further.
    fn read_until(&mut self, end: i64) -> Result<()>;

    /// Copies [2, frames] of the song from frame `from` on to `chunk`, row-major. Frames outside
    /// the song are silent.
    fn copy_into(&self, from: i64, chunk: &mut [f32]);

    /// Allows the frames before `frame` to be dropped: no further chunk needs them.
    fn forget_before(&mut self, frame: i64);
}

/// Song that arrives block by block and is normalised already.
pub(crate) struct Streamed {
    ahead: ReadAhead,
    history: History,
}

impl Streamed {
    pub(crate) fn new(ahead: ReadAhead) -> Self {
        Self {
            ahead,
            history: History::default(),
        }
    }
}

impl Song for Streamed {
    fn read_until(&mut self, end: i64) -> Result<()> {
        while (self.history.end() as i64) < end {
            let Some(read) = self.ahead.next()? else {
                break;
            };
            if let Read::Heard(block) = read {
                self.history.push(block.channels());
            }
        }
        Ok(())
    }

    fn copy_into(&self, from: i64, chunk: &mut [f32]) {
        self.history.copy_into(from, chunk);
    }

    fn forget_before(&mut self, frame: i64) {
        self.history.forget_before(frame);
    }
}

/// Song in memory, normalised while it is copied.
pub(crate) struct InPlace<'a, N> {
    song: &'a Audio,
    normalise: N,
}

impl<'a, N> InPlace<'a, N> {
    pub(crate) fn new(song: &'a Audio, normalise: N) -> Self {
        Self { song, normalise }
    }
}

impl<N: Fn(f32) -> f32 + Sync> Song for InPlace<'_, N> {
    fn read_until(&mut self, _end: i64) -> Result<()> {
        Ok(())
    }

    fn copy_into(&self, from: i64, chunk: &mut [f32]) {
        copy_stretch(self.song.channels(), 0, from, chunk, &self.normalise);
    }

    fn forget_before(&mut self, _frame: i64) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{AudioStream, BLOCK_FRAMES};
    use crate::read_ahead::read_ahead;

    /// Song that has to be read block by block.
    struct ByBlocks<'a>(&'a Audio);

    impl AudioSource for ByBlocks<'_> {
        fn open(&self) -> Result<Box<dyn AudioStream + '_>> {
            self.0.open()
        }
    }

    #[test]
    fn a_chunk_is_the_same_read_ahead_or_in_place() {
        let frames = 3 * BLOCK_FRAMES + 77;
        let side = |step: f32| (0..frames).map(|n| (n as f32 * step).sin()).collect();
        let song = Audio::new(vec![side(0.01), side(0.017)], MODEL_RATE_HZ);

        let normalise = |sample: f32| (sample - 0.1) / 0.3;
        let normalise_block = move |block: &mut Audio| {
            block
                .channels_mut()
                .flatten()
                .for_each(|sample| *sample = normalise(*sample))
        };

        let mut in_place = InPlace::new(&song, normalise);
        let windows = [
            -1_000,
            -10,
            0,
            12_345,
            frames as i64 - 9_000,
            frames as i64 - 1,
            frames as i64 + 5,
        ];

        read_ahead(&ByBlocks(&song), false, normalise_block, |_, ahead| {
            let mut streamed = Streamed::new(ahead);
            for window in windows {
                let cut = |song: &mut dyn Song| -> Result<Vec<f32>> {
                    let mut chunk = vec![f32::NAN; 2 * 10_000];
                    song.read_until(window + 10_000)?;
                    song.copy_into(window, &mut chunk);
                    song.forget_before(window);
                    Ok(chunk)
                };

                let chunk = cut(&mut streamed)?;
                assert!(chunk == cut(&mut in_place)?, "from frame {window}");
                let first = song.channels()[0]
                    .get(window.max(0) as usize)
                    .map_or(0.0, |&sample| normalise(sample));

                assert_eq!(
                    chunk[window.min(0).unsigned_abs() as usize],
                    first,
                    "from frame {window}"
                );
            }

            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn only_what_the_model_hears_as_it_is_stays_in_place() {
        let song = |channels, rate_hz| Audio::new(vec![vec![0.5; 10]; channels], rate_hz);
        assert!(in_place(&song(2, MODEL_RATE_HZ)).is_some());
        assert!(in_place(&song(1, MODEL_RATE_HZ)).is_none());
        assert!(in_place(&song(2, 48_000)).is_none());
        assert!(in_place(&ByBlocks(&song(2, MODEL_RATE_HZ))).is_none());
    }
}
