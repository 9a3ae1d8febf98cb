//! The first pass over a song: how long it is, and the mean and deviation that it is normalised by.

use crate::Result;
use crate::audio::{Audio, AudioSource, AudioStream, Folded, Resampled, Warning};
use crate::error::SeparateError;
use crate::model::MODEL_RATE_HZ;
use crate::progress::{Listener, Progress};

/// What `demucs.api.Separator.separate_tensor` adds to the deviation.
const DEVIATION_FLOOR: f64 = 1e-8;

/// What the second pass has to know before it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statistics {
    /// Frames of the song at its own rate.
    pub(crate) source_frames: u64,
    /// Frames of the song at the model's rate.
    pub(crate) model_frames: u64,
    /// Mean of the mono mix at the model's rate.
    pub(crate) mean: f32,
    /// Its standard deviation (unbiased) plus 1e-8.
    pub(crate) deviation: f32,
    /// What was odd about the song.
    pub(crate) warnings: Vec<Warning>,
}

/// The song as the model hears it: stereo at 44.1 kHz.
pub(crate) fn model_stream(source: &dyn AudioSource) -> Result<Resampled<'_>> {
    Resampled::new(Box::new(Folded::new(source.open()?)), MODEL_RATE_HZ)
}

/// Reads the whole of `source` once.
pub(crate) fn measure(source: &dyn AudioSource, listener: &mut dyn Listener) -> Result<Statistics> {
    let mut stream = model_stream(source)?;
    let mut moments = Moments::default();
    while let Some(block) = stream.next_block()? {
        moments.push(&block);
        listener.progress(Progress::Reading { frames: stream.read_frames() });
        if listener.cancelled() {
            return Err(SeparateError::Cancelled.into());
        }
    }
    moments.settle();
    if moments.count == 0 {
        return Err(SeparateError::Empty.into());
    }
    if !moments.mean.is_finite() || !moments.squares.is_finite() {
        return Err(SeparateError::NotFinite.into());
    }
    let unbiased = moments.squares / (moments.count.max(2) - 1) as f64;
    Ok(Statistics {
        source_frames: stream.read_frames(),
        model_frames: moments.count,
        mean: moments.mean as f32,
        deviation: (unbiased.sqrt() + DEVIATION_FLOOR) as f32,
        warnings: stream.warnings(),
    })
}

/// Frames that are summed up at a time: always the same, so that the result does not depend on how the song comes in blocks.
const RUN_FRAMES: usize = 4096;
/// Sums that are kept side by side, which the processor adds to at once.
const LANES: usize = 8;

/// Mean and sum of squared distances from it, over runs of frames (Chan, Golub and LeVeque 1983).
#[derive(Debug, Default)]
struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
    /// Mono frames of a run that is not full yet.
    pending: Vec<f64>,
}

impl Moments {
    fn push(&mut self, block: &Audio) {
        let mut start = 0;
        while start < block.frames() {
            let end = block.frames().min(start + RUN_FRAMES - self.pending.len());
            let from = self.pending.len();
            self.pending.resize(from + end - start, 0.0);
            let mono = &mut self.pending[from..];
            for channel in block.channels() {
                mono.iter_mut().zip(&channel[start..end]).for_each(|(sum, &sample)| *sum += f64::from(sample));
            }
            let channels = block.channels().len() as f64;
            mono.iter_mut().for_each(|sum| *sum /= channels);
            if self.pending.len() == RUN_FRAMES {
                self.settle();
            }
            start = end;
        }
    }

    /// Takes in what is pending.
    fn settle(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let count = self.pending.len() as f64;
        let mean = sum(&self.pending, |sample| sample) / count;
        let squares = sum(&self.pending, |sample| (sample - mean).powi(2));
        let (before, distance) = (self.count as f64, mean - self.mean);
        let all = before + count;
        self.squares += squares + distance * distance * before * count / all;
        self.mean += distance * count / all;
        self.count += self.pending.len() as u64;
        self.pending.clear();
    }
}

/// The sum of `value` over `samples`.
fn sum(samples: &[f64], value: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let whole = samples.chunks_exact(LANES);
    let rest = whole.remainder();
    for samples in whole {
        lanes.iter_mut().zip(samples).for_each(|(lane, &sample)| *lane += value(sample));
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|&sample| value(sample)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, Ignore};

    #[test]
    fn mean_and_deviation_are_those_of_the_mono_mix() {
        let left: Vec<f32> = (0..40_000).map(|n| (n as f32 * 0.01).sin() + 0.3).collect();
        let right: Vec<f32> = (0..40_000).map(|n| (n as f32 * 0.003).cos() * 0.5).collect();
        let mono: Vec<f64> = left.iter().zip(&right).map(|(l, r)| (f64::from(*l) + f64::from(*r)) / 2.0).collect();
        let mean = mono.iter().sum::<f64>() / 40_000.0;
        let variance = mono.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 39_999.0;
        let found = measure(&Audio::new(vec![left, right], MODEL_RATE_HZ), &mut Ignore).unwrap();
        assert_eq!((found.source_frames, found.model_frames), (40_000, 40_000));
        assert!((f64::from(found.mean) - mean).abs() < 1e-7, "{} {mean}", found.mean);
        assert!((f64::from(found.deviation) - variance.sqrt()).abs() < 1e-7);
    }

    #[test]
    fn one_frame_has_no_deviation_and_no_frame_is_an_error() {
        let one = measure(&Audio::new(vec![vec![0.5]], 48_000), &mut Ignore).unwrap();
        assert_eq!((one.source_frames, one.model_frames), (1, 1));
        assert!(one.deviation > 0.0 && one.deviation < 1e-7);
        let none = measure(&Audio::new(vec![vec![]], 48_000), &mut Ignore).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::Audio);
    }

    #[test]
    fn samples_that_are_no_numbers_are_refused() {
        for bad in [f32::NAN, f32::INFINITY] {
            let error = measure(&Audio::new(vec![vec![0.0, bad, 0.0]], MODEL_RATE_HZ), &mut Ignore).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Audio);
        }
    }
}
