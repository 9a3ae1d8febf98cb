//! Mixture consistency: the difference between the mix and the sum of the stems is shared out among
//! the stems.
//!
//! Each stem takes a share in proportion to its own energy around that moment, so that a silent
//! stem stays nearly silent (the energy-weighted projection of Wisdom et al., "Differentiable
//! consistency constraints for improved deep speech enhancement", ICASSP 2019). Energies are
//! smoothed with a time constant of 20 ms: shares change gradually and cause no clicks.

use std::slice::ChunksMut;

use rayon::prelude::*;

use crate::audio::Audio;

/// Time constant of the energies, in seconds.
const SMOOTHING_S: f64 = 0.02;
/// Smallest energy of a stem: -120 dBFS. In silence the shares are therefore equal.
const FLOOR: f64 = 1e-12;
/// Number of frames that one thread shares out at a time: few enough for their data to stay in its
/// caches.
const RUN_FRAMES: usize = 1 << 12;

/// Stage that makes stems add up to the mix, block by block.
pub(crate) struct MixtureConsistency {
    /// Energy of each stem at the last frame.
    energies: Vec<f64>,
    /// Energies of every frame of a block, stem by stem.
    courses: Vec<Vec<f64>>,
    /// Fraction of an energy that remains after one frame.
    decay: f64,
}

impl MixtureConsistency {
    /// Creates the stage for `stems` stems at `rate_hz`.
    pub(crate) fn new(stems: usize, rate_hz: u32) -> Self {
        let decay = (-1.0 / (SMOOTHING_S * f64::from(rate_hz))).exp();
        Self {
            energies: vec![0.0; stems],
            courses: vec![Vec::new(); stems],
            decay,
        }
    }

    /// Adds the difference between `mix` and the sum of `stems` to the stems. `mix` has one plane
    /// for each channel. All have the same channels and length.
    ///
    /// An energy depends on that of the frame before, but not on other stems, so each stem has a
    /// task of its own. After that no frame depends on another, and runs of frames are shared out
    /// in parallel. No sum depends on the number of threads.
    pub(crate) fn apply<C: AsRef<[f32]> + Sync>(&mut self, mix: &[C], stems: &mut [Audio]) {
        let decay = self.decay;
        let following = self
            .energies
            .par_iter_mut()
            .zip(&mut self.courses)
            .zip(&*stems);

        following
            .for_each(|((energy, course), stem)| follow(energy, course, stem.channels(), decay));
        let courses = &self.courses;
        runs(stems)
            .into_par_iter()
            .enumerate()
            .for_each(|(index, mut run)| {
                let from = index * RUN_FRAMES;
                let frames = run
                    .first()
                    .and_then(|stem| stem.first())
                    .map_or(0, |channel| channel.len());
                let energies: Vec<&[f64]> = courses
                    .iter()
                    .map(|course| &course[from..from + frames])
                    .collect();

                let mix: Vec<&[f32]> = mix
                    .iter()
                    .map(|channel| &channel.as_ref()[from..from + frames])
                    .collect();
                share_out(&mix, &energies, &mut run);
            });
    }
}

/// Writes the energy of a stem at every frame to `course`, each computed from the one before.
fn follow(energy: &mut f64, course: &mut Vec<f64>, channels: &[Vec<f32>], decay: f64) {
    course.clear();
    course.resize(channels[0].len(), 0.0);

    for channel in channels {
        course
            .iter_mut()
            .zip(channel)
            .for_each(|(power, sample)| *power += f64::from(*sample).powi(2));
    }

    for power in course {
        *energy = decay * *energy + (1.0 - decay) * *power;
        *power = *energy;
    }
}

/// Divides the stems into runs of [`RUN_FRAMES`]: for each run every stem's part, channel by
/// channel.
fn runs(stems: &mut [Audio]) -> Vec<Vec<Vec<&mut [f32]>>> {
    let count = stems.first().map_or(0, Audio::frames).div_ceil(RUN_FRAMES);
    let mut rest: Vec<Vec<ChunksMut<'_, f32>>> = Vec::with_capacity(stems.len());
    for stem in stems {
        rest.push(
            stem.channels_mut()
                .map(|channel| channel.chunks_mut(RUN_FRAMES))
                .collect(),
        );
    }

    let mut next = || {
        rest.iter_mut()
            .map(|stem| stem.iter_mut().filter_map(Iterator::next).collect())
            .collect()
    };

    (0..count).map(|_| next()).collect()
}

/// Shares out a run of frames. The innermost loops run over frames, which the compiler vectorises.
fn share_out(mix: &[&[f32]], energies: &[&[f64]], stems: &mut [Vec<&mut [f32]>]) {
    let frames = energies.first().map_or(0, |energies| energies.len());
    let mut totals = vec![0.0; frames];
    for energies in energies {
        totals
            .iter_mut()
            .zip(*energies)
            .for_each(|(total, energy)| *total += energy + FLOOR);
    }

    let mut lacking = vec![0.0; frames];
    for (channel, mix) in mix.iter().enumerate() {
        lacking.fill(-0.0);
        for stem in &*stems {
            lacking
                .iter_mut()
                .zip(&*stem[channel])
                .for_each(|(sum, sample)| *sum += f64::from(*sample));
        }

        lacking
            .iter_mut()
            .zip(*mix)
            .for_each(|(lacking, mix)| *lacking = f64::from(*mix) - *lacking);
        for (energies, stem) in energies.iter().zip(&mut *stems) {
            let shares = energies.iter().zip(&lacking).zip(&totals);
            stem[channel].iter_mut().zip(shares).for_each(
                |(sample, ((energy, lacking), total))| {
                    *sample = (f64::from(*sample) + lacking * (energy + FLOOR) / total) as f32;
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sextet_cases::each_case;

    use super::*;

    fn plane(seed: u32, frames: usize, gain: f32) -> Vec<f32> {
        (0..frames)
            .map(|n| ((n as f32 + 1.0) * (seed as f32 + 0.7) * 0.61).sin() * gain)
            .collect()
    }

    proptest! {
        #[test]
        fn stems_add_up_to_the_mix(stems in 1_usize..7, channels in 1_usize..3, frames in 1_usize..400, gain in 0.0..4.0_f32) {
            let audio = |seed: u32| Audio::new((0..channels as u32).map(|c| plane(seed + c, frames, gain)).collect(), 44_100);
            let mix = audio(91);

            let mut parts: Vec<Audio> = (0..stems as u32).map(|stem| audio(7 * stem)).collect();
            MixtureConsistency::new(stems, 44_100).apply(mix.channels(), &mut parts);

            for channel in 0..channels {
                for frame in 0..frames {
                    let sum: f64 = parts.iter().map(|part| f64::from(part.channels()[channel][frame])).sum();
                    let lacking = (sum - f64::from(mix.channels()[channel][frame])).abs();
                    // A level of -120 dBFS is 1e-6 of full scale.
                    prop_assert!(lacking <= 1e-6 * f64::from(gain.max(1.0)), "{lacking}");
                }
            }
        }
    }

    #[test]
    fn a_silent_stem_stays_silent_beside_a_loud_one() {
        let mix = Audio::new(vec![plane(1, 4410, 0.5)], 44_100);
        let mut stems = [
            Audio::new(vec![plane(1, 4410, 0.4)], 44_100),
            Audio::new(vec![vec![0.0; 4410]], 44_100),
        ];
        MixtureConsistency::new(2, 44_100).apply(mix.channels(), &mut stems);
        let peak = stems[1].channels()[0][100..]
            .iter()
            .fold(0.0_f32, |peak, x| peak.max(x.abs()));

        assert!(peak < 1e-6, "{peak}");
    }

    /// Computes the expected samples, bit for bit, frame after frame on one thread.
    fn one_by_one(consistency: &mut MixtureConsistency, mix: &Audio, stems: &mut [Audio]) {
        let mut planes: Vec<Vec<&mut [f32]>> = stems
            .iter_mut()
            .map(|stem| stem.channels_mut().collect())
            .collect();
        for frame in 0..mix.frames() {
            let mut total = 0.0;
            for (energy, stem) in consistency.energies.iter_mut().zip(&planes) {
                let power: f64 = stem
                    .iter()
                    .map(|channel| f64::from(channel[frame]).powi(2))
                    .sum();
                *energy = consistency.decay * *energy + (1.0 - consistency.decay) * power;
                total += *energy + FLOOR;
            }

            for (channel, mix) in mix.channels().iter().enumerate() {
                let sum: f64 = planes
                    .iter()
                    .map(|stem| f64::from(stem[channel][frame]))
                    .sum();
                let lacking = f64::from(mix[frame]) - sum;
                for (energy, stem) in consistency.energies.iter().zip(&mut planes) {
                    let sample = &mut stem[channel][frame];
                    *sample = (f64::from(*sample) + lacking * (energy + FLOOR) / total) as f32;
                }
            }
        }
    }

    #[test]
    fn on_all_cores_it_is_the_same_as_frame_after_frame() {
        let mut compared = 0;
        let cases = [(1, 1), (2, 2), (4, 2), (6, 1), (6, 2)];
        each_case(cases, |(stems, channels)| {
            let (mut together, mut alone) = (
                MixtureConsistency::new(stems, 44_100),
                MixtureConsistency::new(stems, 44_100),
            );
            for (block, frames) in [1, RUN_FRAMES, 3 * RUN_FRAMES + 17, 5]
                .into_iter()
                .enumerate()
            {
                let audio = |seed: usize, gain: f32| {
                    let plane = |channel: usize| {
                        plane((seed + 31 * channel + 7 * block) as u32, frames, gain)
                    };
                    Audio::new((0..channels).map(plane).collect(), 44_100)
                };
                // One of the stems is silence of either sign.
                let gains = |stem: usize| {
                    if stem == 1 {
                        [0.0, -0.0][block % 2]
                    } else {
                        0.4
                    }
                };
                let mix = audio(91, 0.7);
                let mut found: Vec<Audio> = (0..stems)
                    .map(|stem| audio(3 * stem, gains(stem)))
                    .collect();
                let mut expected = found.clone();
                together.apply(mix.channels(), &mut found);
                one_by_one(&mut alone, &mix, &mut expected);
                let bits = |stems: &[Audio]| -> Vec<u32> {
                    stems
                        .iter()
                        .flat_map(Audio::channels)
                        .flatten()
                        .map(|sample| sample.to_bits())
                        .collect()
                };
                assert!(
                    bits(&found) == bits(&expected),
                    "{stems} stems, {channels} channels, block {block}"
                );
                compared += frames * stems * channels;
            }
        });

        println!("{compared} samples compared bit for bit");
    }
}
