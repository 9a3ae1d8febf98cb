//! One layout for a file whose layout changes in the middle.

use std::f32::consts::FRAC_1_SQRT_2;

use super::{Audio, Fold, Layout, Resampler, Speaker};

/// Converter of blocks of any layout to one, sample for sample at the place where they belong.
pub(super) struct Conform {
    to: Layout,
    run: Option<Run>,
}

/// Run of blocks of one layout.
struct Run {
    layout: Layout,
    resampler: Resampler,
    frames: u64,
}

impl Conform {
    /// Creates a converter to `to`.
    pub(super) fn new(to: Layout) -> Self {
        Self { to, run: None }
    }

    /// Takes `block` and returns the frames that are ready, possibly none.
    ///
    /// # Errors
    /// Those of the [`Resampler`].
    pub(super) fn push(&mut self, block: Audio) -> crate::Result<Vec<Vec<f32>>> {
        let layout = block.layout();
        let mut ready = vec![Vec::new(); self.to.channels];
        if self.run.as_ref().is_some_and(|run| run.layout != layout) {
            ready = self.finish()?;
        }

        let run = match &mut self.run {
            Some(run) => run,
            none => none.insert(Run {
                layout,
                resampler: Resampler::new(
                    Layout {
                        rate_hz: layout.rate_hz,
                        ..self.to
                    },
                    self.to.rate_hz,
                )?,
                frames: 0,
            }),
        };

        run.frames += block.frames() as u64;
        let block = run.resampler.push(with_channels(block, self.to.channels))?;
        append(&mut ready, block);
        Ok(ready)
    }

    /// Returns the rest of the run.
    ///
    /// # Errors
    /// Those of the [`Resampler`].
    pub(super) fn finish(&mut self) -> crate::Result<Vec<Vec<f32>>> {
        let mut rest = vec![Vec::new(); self.to.channels];
        if let Some(run) = self.run.take() {
            let from_hz = run.layout.rate_hz;
            let total = Resampler::output_frames(run.frames, from_hz, self.to.rate_hz);
            append(&mut rest, run.resampler.finish(total)?);
        }
        Ok(rest)
    }
}

fn append(all: &mut [Vec<f32>], block: Audio) {
    for (all, channel) in all.iter_mut().zip(block.into_channels()) {
        all.extend(channel);
    }
}

/// Returns `block` with `channels` channels. Mono is heard on both sides of a wider layout with the
/// power that it has in the middle (ITU-R BS.775), as ffmpeg and players do it, and other channels
/// keep their places in the usual order. Of more channels, a fold is heard.
fn with_channels(block: Audio, channels: usize) -> Audio {
    let (found, rate_hz) = (block.layout().channels, block.rate_hz());
    if found == channels {
        return block;
    }

    let mut planes = if found > 2 && found > channels {
        Fold::new(&Speaker::usual(found))
            .apply(block)
            .into_channels()
    } else {
        block.into_channels()
    };
    if let [middle] = &mut planes[..] {
        middle
            .iter_mut()
            .for_each(|sample| *sample *= FRAC_1_SQRT_2);
        planes.push(planes[0].clone());
    } else if channels == 1 {
        let mean = |(left, right): (&f32, &f32)| 0.5 * (left + right);
        planes = vec![planes[0].iter().zip(&planes[1]).map(mean).collect()];
    }

    let frames = planes[0].len();
    planes.resize(channels, vec![0.0; frames]);
    Audio::new(planes, rate_hz)
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    /// Half of full scale in mono, on each side.
    const HALF: f32 = 0.5 * FRAC_1_SQRT_2;

    fn audio(channels: &[f32], rate_hz: u32, frames: usize) -> Audio {
        let planes = channels.iter().map(|&value| vec![value; frames]).collect();
        Audio::new(planes, rate_hz)
    }

    #[test]
    fn channels_find_their_places() {
        let cases: [(&[f32], usize, &[f32]); 6] = [
            (&[0.5], 1, &[0.5]),
            (&[0.5], 2, &[HALF, HALF]),
            (&[0.1, 0.3], 1, &[0.2]),
            (&[0.1, 0.3], 4, &[0.1, 0.3, 0.0, 0.0]),
            (&[0.5], 3, &[HALF, HALF, 0.0]),
            (&[0.1, 0.2, 0.0, 0.9, 0.0, 0.0], 2, &[0.1, 0.2]),
        ];
        each_case(cases, |(from, channels, expected)| {
            let found = with_channels(audio(from, 8_000, 3), channels);
            for (found, expected) in found.channels().iter().zip(expected) {
                assert!(found.iter().all(|sample| (sample - expected).abs() < 1e-6));
            }
            assert_eq!((found.layout().channels, found.frames()), (channels, 3));
        });
    }

    /// Checks that every run has its length at the rate of the whole, and that levels stay.
    #[test]
    fn runs_of_every_layout_follow_one_another() {
        let to = Layout {
            channels: 2,
            rate_hz: 48_000,
        };
        let mut conform = Conform::new(to);
        let mut planes = vec![Vec::new(); 2];
        let runs = [
            (audio(&[0.1], 24_000, 24_000), 48_000),
            (audio(&[0.2, 0.4], 48_000, 1_000), 1_000),
            (audio(&[0.3, 0.3], 44_100, 44_100), 48_000),
        ];

        let mut ends = Vec::new();
        for (run, frames) in runs {
            for start in (0..run.frames()).step_by(500) {
                let part =
                    |channel: &Vec<f32>| channel[start..run.frames().min(start + 500)].to_vec();
                let block = Audio::new(run.channels().iter().map(part).collect(), run.rate_hz());
                let ready = conform.push(block).unwrap();
                planes
                    .iter_mut()
                    .zip(ready)
                    .for_each(|(all, new)| all.extend(new));
            }
            ends.push(frames);
        }
        let rest = conform.finish().unwrap();
        planes
            .iter_mut()
            .zip(rest)
            .for_each(|(all, new)| all.extend(new));

        assert_eq!(planes[0].len(), ends.iter().sum::<usize>());
        let cases = [
            (24_000, 0.2 * HALF, 0.2 * HALF),
            (48_500, 0.2, 0.4),
            (73_000, 0.3, 0.3),
        ];
        each_case(cases, |(at, left, right)| {
            let found = (planes[0][at], planes[1][at]);
            assert!(
                (found.0 - left).abs() < 1e-3 && (found.1 - right).abs() < 1e-3,
                "{found:?} at {at}"
            );
        });
    }
}
