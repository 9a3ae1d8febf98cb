//! Spectrograms: how loud each band of frequencies is in each column of a stretch of audio.

use std::f32::consts::TAU;
use std::sync::Arc;

use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};

/// Number of bands of a column, from the lowest to the highest.
pub(crate) const BANDS: usize = 96;
/// Lower edge of the lowest band in Hz.
const LOWEST_HZ: f32 = 40.0;
/// Upper edge of the highest band in Hz.
const HIGHEST_HZ: f32 = 16_000.0;
/// Decibels between silence, which is 0, and a sine at full scale, which is 255.
const RANGE_DB: f32 = 90.0;

/// The loudness of the bands of one column.
pub(crate) type Column = [u8; BANDS];

/// The columns of a stretch, in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spectrogram {
    pub(crate) columns: Vec<Column>,
}

impl Spectrogram {
    /// Returns a number of silent columns.
    pub(crate) fn silent(columns: usize) -> Self {
        Self {
            columns: vec![[0; BANDS]; columns],
        }
    }

    /// Returns the loudest that each band is between two positions, given as parts of the whole.
    pub(crate) fn between(&self, from: f64, to: f64) -> Column {
        let count = self.columns.len() as f64;
        let start = ((from.max(0.0) * count) as usize).min(self.columns.len());
        let end = ((to * count).ceil() as usize).clamp(start, self.columns.len());

        let mut loudest = [0; BANDS];
        for column in &self.columns[start..end] {
            for (sum, &level) in loudest.iter_mut().zip(column) {
                *sum = level.max(*sum);
            }
        }

        loudest
    }
}

/// The bins of a spectrum that a band is read from.
#[derive(Clone, Copy)]
enum Band {
    /// The loudest of these bins: first and last.
    Loudest(usize, usize),
    /// A position between a bin and the next: the band is narrower than they are apart.
    Between(usize, f32),
    /// None: the band lies above what the rate carries.
    Above,
}

/// Measures windows of stereo audio.
pub(crate) struct Analyser {
    fft: Arc<dyn Fft<f32>>,
    /// Hann's window.
    window: Vec<f32>,
    bands: [Band; BANDS],
    spectrum: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl Analyser {
    /// Creates an analyser of windows of `window_frames` frames.
    pub(crate) fn new(rate_hz: u32, window_frames: usize) -> Self {
        let fft = FftPlanner::new().plan_fft_forward(window_frames);
        let hann = |frame: usize| 0.5 - 0.5 * (TAU * frame as f32 / window_frames as f32).cos();
        let scratch = vec![Complex32::default(); fft.get_inplace_scratch_len()];
        Self {
            fft,
            window: (0..window_frames).map(hann).collect(),
            bands: std::array::from_fn(|band| bins_of(band, rate_hz, window_frames)),
            spectrum: vec![Complex32::default(); window_frames],
            scratch,
        }
    }

    /// Returns the number of frames of a window.
    pub(crate) fn window_frames(&self) -> usize {
        self.window.len()
    }

    /// Adds a window to a column, of which the loudest counts.
    ///
    /// # Panics
    /// If a channel is shorter than the window.
    pub(crate) fn add(&mut self, left: &[f32], right: &[f32], column: &mut Column) {
        let frames = self.window.len();
        let sides = left[..frames].iter().zip(&right[..frames]);

        // Both sides are transformed at once, one as the real and one as the imaginary part.
        for ((bin, &weight), (&left, &right)) in
            self.spectrum.iter_mut().zip(&self.window).zip(sides)
        {
            *bin = Complex32::new(weight * left, weight * right);
        }
        self.fft
            .process_with_scratch(&mut self.spectrum, &mut self.scratch);

        for (level, &band) in column.iter_mut().zip(&self.bands) {
            *level = self.level(band).max(*level);
        }
    }

    /// Returns the power of a bin, in both sides together. For spectra L and R of real signals and
    /// Z = L + iR, `|L[k]|² + |R[k]|²` is `(|Z[k]|² + |Z[-k]|²) / 2`.
    fn power(&self, bin: usize) -> f32 {
        let mirrored = (self.spectrum.len() - bin) % self.spectrum.len();
        0.5 * (self.spectrum[bin].norm_sqr() + self.spectrum[mirrored].norm_sqr())
    }

    fn level(&self, band: Band) -> u8 {
        let power = match band {
            Band::Loudest(first, last) => (first..=last)
                .map(|bin| self.power(bin))
                .fold(0.0, f32::max),
            Band::Between(bin, part) => (1.0 - part) * self.power(bin) + part * self.power(bin + 1),
            Band::Above => 0.0,
        };

        // A sine at full scale in both sides has a quarter of the window's length in its bin.
        let full = 2.0 * (self.window.len() as f32 / 4.0).powi(2);
        let decibels = 10.0 * (power / full).log10();
        (255.0 * (1.0 + decibels / RANGE_DB)).clamp(0.0, 255.0) as u8
    }
}

/// Returns the bins of a band. Bands are equally wide for the ear.
fn bins_of(band: usize, rate_hz: u32, window_frames: usize) -> Band {
    let edge_hz =
        |band: usize| LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ).powf(band as f32 / BANDS as f32);
    let bin_hz = rate_hz as f32 / window_frames as f32;
    let (low, high) = (edge_hz(band) / bin_hz, edge_hz(band + 1) / bin_hz);
    let middle = (low * high).sqrt();

    if middle + 1.0 >= window_frames as f32 / 2.0 {
        Band::Above
    } else if low.ceil() < high {
        let last = (high.ceil() as usize - 1).min(window_frames / 2);
        Band::Loudest(low.ceil() as usize, last)
    } else {
        Band::Between(middle as usize, middle.fract())
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    const RATE_HZ: u32 = 48_000;

    /// Returns the column of a sine in the left or the right channel, at a level.
    fn column_of(hz: f32, height: f32, side: usize, window_frames: usize) -> Column {
        let sine = |frame: usize| height * (TAU * hz * frame as f32 / RATE_HZ as f32).sin();
        let loud: Vec<f32> = (0..window_frames).map(sine).collect();
        let silent = vec![0.0; window_frames];
        let (left, right) = if side == 0 {
            (&loud, &silent)
        } else {
            (&silent, &loud)
        };

        let mut column = [0; BANDS];
        Analyser::new(RATE_HZ, window_frames).add(left, right, &mut column);
        column
    }

    #[test]
    fn sines_are_found_in_their_bands() {
        let at = |hz: f32| {
            (BANDS as f32 * (hz / LOWEST_HZ).ln() / (HIGHEST_HZ / LOWEST_HZ).ln()) as usize
        };
        let cases = [55.0, 110.0, 440.0, 1000.0, 5000.0, 12_000.0]
            .into_iter()
            .flat_map(|hz| [(hz, 0), (hz, 1)]);
        each_case(cases, |(hz, side)| {
            let column = column_of(hz, 1.0, side, 4096);
            let loudest = (0..BANDS).max_by_key(|&band| column[band]).unwrap();

            // Low bands are narrower than what a window tells apart.
            let near = if hz < 200.0 { 4 } else { 1 };
            assert!(
                loudest.abs_diff(at(hz)) <= near,
                "{loudest}, not {}",
                at(hz)
            );
        });
    }

    #[test]
    fn levels_are_decibels() {
        // One side alone has half of the power, 3 dB less. Hann's window loses at most 1.4 dB.
        each_case(
            [(1.0, 0.0), (0.1, 20.0), (0.01, 40.0)],
            |(height, below_db)| {
                let loudest = *column_of(3000.0, height, 0, 4096).iter().max().unwrap();
                let found_db = RANGE_DB * (1.0 - f32::from(loudest) / 255.0);
                assert!(
                    (below_db + 2.5..below_db + 5.0).contains(&found_db),
                    "{found_db} dB below full scale"
                );
            },
        );
    }

    #[test]
    fn silence_and_samples_that_are_no_numbers_are_silent() {
        each_case([0.0, f32::NAN], |height| {
            assert_eq!(column_of(1000.0, height, 0, 1024), [0; BANDS]);
        });
    }

    #[test]
    fn bands_lie_within_the_spectrum_at_every_rate() {
        let rates = [8000, 22_050, 44_100, 48_000, 96_000, 192_000];
        let cases = rates
            .into_iter()
            .flat_map(|hz| [(hz, 1024), (hz, 2048), (hz, 4096)]);
        each_case(cases, |(rate_hz, window_frames)| {
            let noise: Vec<f32> = (0..window_frames as u32)
                .map(|n| (n.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32 - 0.5)
                .collect();
            let mut column = [0; BANDS];
            Analyser::new(rate_hz, window_frames).add(&noise, &noise, &mut column);

            let carried = |band: usize| {
                let hz = LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ).powf((band + 1) as f32 / 96.0);
                hz < 0.45 * rate_hz as f32
            };
            let silent = (0..BANDS).find(|&band| carried(band) && column[band] == 0);
            assert_eq!(silent, None);
        });
    }
}
