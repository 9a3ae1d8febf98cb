//! The level meters: the highest samples that the audio thread has passed on since the editor
//! looked last, kept without locks.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::closeup::LANES;
use crate::playback::Block;

/// Number of channels of a lane.
const SIDES: usize = 2;
/// Level above which a change is worth drawing: -60 dB.
pub(crate) const FLOOR: f32 = 0.001;

/// The highest absolute sample of each lane and side: main output, then stems.
pub(crate) type Peaks = [[f32; SIDES]; LANES];

/// The peaks that the editor has not seen yet.
#[derive(Default)]
pub(crate) struct Meters {
    /// The bits of the peaks. The order of positive floats is that of their bits.
    peaks: [[AtomicU32; SIDES]; LANES],
}

impl Meters {
    /// Measures the buses of a block that was played. Returns whether there is anything to see.
    pub(crate) fn measure(&self, block: &Block<'_>) -> bool {
        let mut is_heard = false;
        let buses = std::iter::once(&block.main).chain(&block.stems);

        for (peaks, bus) in self.peaks.iter().zip(buses) {
            for (peak, channel) in peaks.iter().zip(bus) {
                let highest = highest(channel);
                peak.fetch_max(highest.to_bits(), Ordering::Relaxed);
                is_heard |= highest > FLOOR;
            }
        }

        is_heard
    }

    /// Returns the peaks since the last call.
    pub(crate) fn take(&self) -> Peaks {
        self.peaks.each_ref().map(|sides| {
            sides
                .each_ref()
                .map(|peak| f32::from_bits(peak.swap(0, Ordering::Relaxed)))
        })
    }
}

/// Returns the highest absolute sample. Samples that are no numbers do not count.
fn highest(channel: &[f32]) -> f32 {
    // Eight running maxima, so that the compiler uses vectors.
    let mut lanes = [0.0_f32; 8];
    let (runs, rest) = channel.as_chunks::<8>();
    for run in runs {
        for (highest, sample) in lanes.iter_mut().zip(run) {
            *highest = highest.max(sample.abs());
        }
    }

    let all = lanes.iter().copied();
    all.chain(rest.iter().map(|sample| sample.abs()))
        .fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peaks_are_of_all_blocks_since_the_last_look() {
        let meters = Meters::default();
        let play = |heights: [f32; 14]| {
            let mut sides = heights.map(|height| [0.0, height, -0.5 * height, f32::NAN, 0.0]);
            let mut buses = sides.iter_mut().map(|side| &mut side[..]);
            let mut bus = || [buses.next().unwrap(), buses.next().unwrap()];
            meters.measure(&Block {
                main: bus(),
                stems: std::array::from_fn(|_| bus()),
                position: None,
                loop_start: None,
                patience: crate::patience::Patience::None,
            })
        };

        let loud = std::array::from_fn(|channel| channel as f32 / 14.0);
        assert!(play(loud));
        assert!(play(loud.map(|height| -height / 2.0)));
        let peaks = meters.take();
        assert_eq!(peaks.as_flattened(), loud);

        assert!(!play([0.0; 14]), "silence is nothing to see");
        assert_eq!(meters.take(), Peaks::default());
    }

    #[test]
    fn peaks_are_found_wherever_they_are() {
        for length in [1, 7, 8, 9, 64, 100] {
            for at in 0..length {
                let mut channel = vec![0.25; length];
                channel[at] = -0.75;
                assert_eq!(highest(&channel), 0.75, "{at} of {length}");
            }
        }
    }
}
