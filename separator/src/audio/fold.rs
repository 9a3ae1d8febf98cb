//! Folding of any number of channels to the two that the model takes.

use super::{Audio, AudioStream, Layout, Speaker, Warning};
use crate::Result;

/// Gain of -3 dB.
const M3DB: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// Gain of -6 dB: the surround's -3 dB, and another -3 dB since both sides share it.
const M6DB: f32 = 0.5;

/// Matrix that folds audio to stereo.
///
/// | speaker                         | left  | right | source                                   |
/// |---------------------------------|-------|-------|------------------------------------------|
/// | front left, front left centre   | 1     | 0     | ITU-R BS.775-3, table 2 (3/2 to 2/0)     |
/// | front right, front right centre | 0     | 1     | ITU-R BS.775-3, table 2                  |
/// | front centre                    | 0.707 | 0.707 | ITU-R BS.775-3, table 2                  |
/// | side or rear left               | 0.707 | 0     | ITU-R BS.775-3, table 2 (left surround)  |
/// | side or rear right              | 0     | 0.707 | ITU-R BS.775-3, table 2 (right surround) |
/// | rear centre                     | 0.5   | 0.5   | surround's 0.707, x 0.707 for two sides  |
/// | low-frequency effects           | 0     | 0     | dropped, as BS.775 leaves it optional    |
/// | anything else                   | 0.5   | 0.5   | heard in the middle, as a rear centre    |
/// | mono                            | 1     | 1     | the channel twice, as demucs does        |
///
/// The result is not scaled down: samples are floating point, and demucs normalises its input.
/// Stereo passes unchanged bit for bit. A layout of a single channel is mono, whatever position the
/// channel claims.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// Gains of each input channel to left and right.
    gains: Vec<[f32; 2]>,
}

impl Fold {
    /// Creates the fold for channels at `speakers`, at least one.
    pub fn new(speakers: &[Speaker]) -> Self {
        let gains = match speakers {
            [_] => vec![[1.0, 1.0]],
            // Two channels are left and right, whatever their labels.
            [_, _] => vec![[1.0, 0.0], [0.0, 1.0]],
            more => more.iter().map(|&speaker| gains_of(speaker)).collect(),
        };
        Self { gains }
    }

    /// Returns `audio` folded to stereo. It has as many channels as the fold has speakers. Missing
    /// channels count as silent, and surplus channels are dropped.
    pub fn apply(&self, audio: Audio) -> Audio {
        if audio.channels().len() == 2 {
            return audio;
        }

        let mut sides = [vec![0.0; audio.frames()], vec![0.0; audio.frames()]];
        for (channel, gains) in audio.channels().iter().zip(&self.gains) {
            for (side, &gain) in sides.iter_mut().zip(gains) {
                add_scaled(side, channel, gain);
            }
        }

        Audio::new(sides.into(), audio.rate_hz())
    }
}

fn gains_of(speaker: Speaker) -> [f32; 2] {
    match speaker {
        Speaker::FrontLeft | Speaker::FrontLeftCenter => [1.0, 0.0],
        Speaker::FrontRight | Speaker::FrontRightCenter => [0.0, 1.0],
        Speaker::FrontCenter => [M3DB, M3DB],
        Speaker::SideLeft | Speaker::RearLeft => [M3DB, 0.0],
        Speaker::SideRight | Speaker::RearRight => [0.0, M3DB],
        Speaker::Lfe => [0.0, 0.0],
        Speaker::RearCenter | Speaker::Other => [M6DB, M6DB],
    }
}

fn add_scaled(sum: &mut [f32], samples: &[f32], gain: f32) {
    if gain == 0.0 {
        return;
    }
    for (sum, sample) in sum.iter_mut().zip(samples) {
        *sum += gain * sample;
    }
}

/// Stream folded to stereo, block by block.
pub struct Folded<'a> {
    inner: Box<dyn AudioStream + 'a>,
    fold: Fold,
}

impl<'a> Folded<'a> {
    /// Folds `inner` by the speakers that it names.
    pub fn new(inner: Box<dyn AudioStream + 'a>) -> Self {
        let fold = Fold::new(&inner.speakers());
        Self { inner, fold }
    }
}

impl AudioStream for Folded<'_> {
    fn layout(&self) -> Layout {
        Layout {
            channels: 2,
            ..self.inner.layout()
        }
    }

    fn next_block(&mut self) -> Result<Option<Audio>> {
        Ok(self.inner.next_block()?.map(|block| self.fold.apply(block)))
    }

    fn warnings(&self) -> Vec<Warning> {
        self.inner.warnings()
    }
}
