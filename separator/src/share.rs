//! Mixture consistency: what the stems lack to add up to the mix is shared out among them.
//!
//! Each stem takes a share in proportion to its own energy around that moment, so that a stem that is silent stays nearly so
//! (the energy-weighted projection of Wisdom et al., "Differentiable consistency constraints for improved deep speech
//! enhancement", ICASSP 2019). Energies are smoothed with a time constant of 20 ms: shares glide, and nothing clicks.

use crate::audio::Audio;

/// Time constant of the energies.
const SMOOTHING_S: f64 = 0.02;
/// Energy that every stem is taken to have at least: -120 dBFS. In silence, the shares are equal.
const FLOOR: f64 = 1e-12;

/// Makes stems add up to the mix, block by block.
pub(crate) struct Share {
    energies: Vec<f64>,
    /// How much of an energy is left after one frame.
    decay: f64,
}

impl Share {
    /// For so many stems at `rate_hz`.
    pub(crate) fn new(stems: usize, rate_hz: u32) -> Self {
        let decay = (-1.0 / (SMOOTHING_S * f64::from(rate_hz))).exp();
        Self { energies: vec![0.0; stems], decay }
    }

    /// Adds to `stems` what they lack to add up to `mix`. All have the same layout and length.
    pub(crate) fn apply(&mut self, mix: &Audio, stems: &mut [Audio]) {
        let (channels, frames) = (mix.channels().len(), mix.frames());
        let mut planes: Vec<Vec<&mut [f32]>> = stems.iter_mut().map(|stem| stem.channels_mut().collect()).collect();
        for frame in 0..frames {
            let mut total = 0.0;
            for (energy, stem) in self.energies.iter_mut().zip(&planes) {
                let power: f64 = stem.iter().map(|channel| f64::from(channel[frame]).powi(2)).sum();
                *energy = self.decay * *energy + (1.0 - self.decay) * power;
                total += *energy + FLOOR;
            }
            for channel in 0..channels {
                let sum: f64 = planes.iter().map(|stem| f64::from(stem[channel][frame])).sum();
                let lacking = f64::from(mix.channels()[channel][frame]) - sum;
                for (energy, stem) in self.energies.iter().zip(&mut planes) {
                    let sample = &mut stem[channel][frame];
                    *sample = (f64::from(*sample) + lacking * (energy + FLOOR) / total) as f32;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plane(seed: u32, frames: usize, gain: f32) -> Vec<f32> {
        (0..frames).map(|n| ((n as f32 + 1.0) * (seed as f32 + 0.7) * 0.61).sin() * gain).collect()
    }

    proptest! {
        #[test]
        fn stems_add_up_to_the_mix(stems in 1_usize..7, channels in 1_usize..3, frames in 1_usize..400, gain in 0.0..4.0_f32) {
            let audio = |seed: u32| Audio::new((0..channels as u32).map(|c| plane(seed + c, frames, gain)).collect(), 44_100);
            let mix = audio(91);
            let mut parts: Vec<Audio> = (0..stems as u32).map(|stem| audio(7 * stem)).collect();
            Share::new(stems, 44_100).apply(&mix, &mut parts);
            for channel in 0..channels {
                for frame in 0..frames {
                    let sum: f64 = parts.iter().map(|part| f64::from(part.channels()[channel][frame])).sum();
                    let lacking = (sum - f64::from(mix.channels()[channel][frame])).abs();
                    // -120 dBFS is 1e-6 of full scale.
                    prop_assert!(lacking <= 1e-6 * f64::from(gain.max(1.0)), "{lacking}");
                }
            }
        }
    }

    #[test]
    fn a_silent_stem_stays_silent_beside_a_loud_one() {
        let mix = Audio::new(vec![plane(1, 4410, 0.5)], 44_100);
        let mut stems = [Audio::new(vec![plane(1, 4410, 0.4)], 44_100), Audio::new(vec![vec![0.0; 4410]], 44_100)];
        Share::new(2, 44_100).apply(&mix, &mut stems);
        let peak = stems[1].channels()[0][100..].iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
        assert!(peak < 1e-6, "{peak}");
    }
}
