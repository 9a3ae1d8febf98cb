//! Statistics of a whole song: its length, and the mean and deviation that it is normalised by.

use rayon::prelude::*;

use crate::Result;
use crate::audio::{Audio, BLOCK_FRAMES, Warning};
use crate::error::SeparateError;

/// Value that `demucs.api.Separator.separate_tensor` adds to the deviation.
const DEVIATION_FLOOR: f64 = 1e-8;

/// Statistics of a song that are needed before its first chunk is separated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statistics {
    /// Frames of the song at its own rate.
    pub(crate) source_frames: u64,
    /// Frames of the song at the model's rate.
    pub(crate) model_frames: u64,
    /// Mean of the mono mix at the model's rate.
    pub(crate) mean: f32,
    /// Standard deviation of the mono mix (unbiased) plus 1e-8.
    pub(crate) deviation: f32,
    /// Warnings from reading the song.
    pub(crate) warnings: Vec<Warning>,
}

/// Number of frames measured at a time for a song in memory.
pub(crate) const STRETCH_FRAMES: usize = 64 * BLOCK_FRAMES;

/// Number of frames in a run, which is summed up at a time.
const RUN_FRAMES: usize = 4096;
/// Number of sums kept side by side, to which the processor adds at once.
const ACCUMULATORS: usize = 8;

// Runs never cross blocks or stretches, so the result does not depend on how the song is divided.
const _: () =
    assert!(BLOCK_FRAMES.is_multiple_of(RUN_FRAMES) && STRETCH_FRAMES.is_multiple_of(RUN_FRAMES));

/// Number of frames, the mean of their mono mix, and the sum of its squared distances from the
/// mean.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Adds the next frames of the song. Runs are measured in parallel and joined in their order.
    pub(crate) fn push(&mut self, left: &[f32], right: &[f32]) {
        let runs = left
            .par_chunks(RUN_FRAMES)
            .zip(right.par_chunks(RUN_FRAMES));
        let runs: Vec<Self> = runs.map(|(left, right)| Self::of(left, right)).collect();
        runs.iter().for_each(|run| self.join(run));
    }

    /// Adds a stereo block.
    pub(crate) fn push_block(&mut self, block: &Audio) {
        if let [left, right] = block.channels() {
            self.push(left, right);
        }
    }

    /// Returns the number of frames added so far.
    pub(crate) fn frames(&self) -> u64 {
        self.count
    }

    /// Returns the statistics of the song. `source_frames` counts frames at its own rate.
    pub(crate) fn statistics(
        self,
        source_frames: u64,
        warnings: Vec<Warning>,
    ) -> Result<Statistics> {
        if self.count == 0 {
            return Err(SeparateError::Empty.into());
        }

        if !self.mean.is_finite() || !self.squares.is_finite() {
            return Err(SeparateError::NotFinite.into());
        }

        let unbiased = self.squares / (self.count.max(2) - 1) as f64;
        Ok(Statistics {
            source_frames,
            model_frames: self.count,
            mean: self.mean as f32,
            deviation: (unbiased.sqrt() + DEVIATION_FLOOR) as f32,
            warnings,
        })
    }

    fn of(left: &[f32], right: &[f32]) -> Self {
        let count = left.len() as f64;
        let mean = sum(left, right, |mono| mono) / count;
        let squares = sum(left, right, |mono| (mono - mean).powi(2));
        Self {
            count: left.len() as u64,
            mean,
            squares,
        }
    }

    /// Joins the moments of the next run, by the formula for two samples of Chan, Golub and LeVeque
    /// (Stanford CS-TR-79-773, 1979).
    fn join(&mut self, run: &Self) {
        let (before, count, distance) = (self.count as f64, run.count as f64, run.mean - self.mean);
        let all = before + count;
        self.squares += run.squares + distance * distance * before * count / all;
        self.mean += distance * count / all;
        self.count += run.count;
    }
}

/// Returns the sum of `value` over the mono mix of two sides.
fn sum(left: &[f32], right: &[f32], value: impl Fn(f64) -> f64) -> f64 {
    let mono = |(left, right): (&f32, &f32)| value((f64::from(*left) + f64::from(*right)) / 2.0);
    let mut sums = [0.0; ACCUMULATORS];
    let (left, left_rest) = left.as_chunks::<ACCUMULATORS>();
    let (right, right_rest) = right.as_chunks::<ACCUMULATORS>();

    for (left, right) in left.iter().zip(right) {
        sums.iter_mut()
            .zip(left.iter().zip(right))
            .for_each(|(sum, sides)| *sum += mono(sides));
    }

    sums.iter().sum::<f64>() + left_rest.iter().zip(right_rest).map(mono).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;
    use crate::audio::{AudioSource, AudioStream};
    use crate::decoded::{DecodeOptions, Decoded};
    use crate::model::MODEL_RATE_HZ;
    use crate::{ErrorKind, Ignore, Options};

    fn measure(source: impl AudioSource) -> Result<Statistics> {
        let options = DecodeOptions::of(&Options::default());
        let decoded = Decoded::read(source, options, &mut Ignore, &mut |_| ())?;
        Ok(decoded.view().statistics.clone())
    }

    #[test]
    fn mean_and_deviation_are_those_of_the_mono_mix() {
        let left: Vec<f32> = (0..40_000).map(|n| (n as f32 * 0.01).sin() + 0.3).collect();
        let right: Vec<f32> = (0..40_000)
            .map(|n| (n as f32 * 0.003).cos() * 0.5)
            .collect();
        let mono: Vec<f64> = left
            .iter()
            .zip(&right)
            .map(|(l, r)| (f64::from(*l) + f64::from(*r)) / 2.0)
            .collect();

        let mean = mono.iter().sum::<f64>() / 40_000.0;
        let variance = mono.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 39_999.0;

        let found = measure(Audio::new(vec![left, right], MODEL_RATE_HZ)).unwrap();
        assert_eq!((found.source_frames, found.model_frames), (40_000, 40_000));
        assert!(
            (f64::from(found.mean) - mean).abs() < 1e-7,
            "{} {mean}",
            found.mean
        );

        assert!((f64::from(found.deviation) - variance.sqrt()).abs() < 1e-7);
    }

    /// Song that has to be read block by block.
    struct Streamed(Audio);

    impl AudioSource for Streamed {
        fn open(&self) -> Result<Box<dyn AudioStream + '_>> {
            self.0.open()
        }
    }

    #[test]
    fn in_place_and_block_by_block_come_to_the_same() {
        let cases = [
            1,
            RUN_FRAMES,
            BLOCK_FRAMES + 1,
            STRETCH_FRAMES + 3 * BLOCK_FRAMES + 77,
        ];
        each_case(cases, |frames| {
            let side = |step: f32| {
                (0..frames)
                    .map(|n| (n as f32 * step).sin() * 0.4 + 0.1)
                    .collect()
            };
            let song = Audio::new(vec![side(0.01), side(0.017)], MODEL_RATE_HZ);
            let in_place = measure(&song).unwrap();
            assert_eq!(
                measure(Streamed(song)).unwrap(),
                in_place,
                "{frames} frames"
            );
        });
    }

    #[test]
    fn one_frame_has_no_deviation_and_no_frame_is_an_error() {
        let one = measure(Audio::new(vec![vec![0.5]], 48_000)).unwrap();
        assert_eq!((one.source_frames, one.model_frames), (1, 1));
        assert!(one.deviation > 0.0 && one.deviation < 1e-7);
        let none = measure(Audio::new(vec![vec![]], 48_000)).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::Audio);
    }

    #[test]
    fn samples_that_are_no_numbers_are_refused() {
        each_case([f32::NAN, f32::INFINITY], |bad| {
            let error = measure(Audio::new(vec![vec![0.0, bad, 0.0]], MODEL_RATE_HZ)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Audio);
        });
    }
}
