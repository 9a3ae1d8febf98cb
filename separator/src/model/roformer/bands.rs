//! Bands of the spectrum: side by side, or as wide as the ear's.

use serde_json::Value as Json;

use super::settings::{Settings, value};
use crate::model::config::MODEL_RATE_HZ;
use crate::model::error::ModelError;

/// Numbers of frequencies of the bands of a BS-RoFormer that does not say them, each with how many
/// bands have it (`DEFAULT_FREQS_PER_BANDS`).
const DEFAULT: [(usize, usize); 7] = [
    (2, 24),
    (4, 12),
    (12, 8),
    (24, 8),
    (48, 8),
    (128, 1),
    (129, 1),
];

/// Returns the frequencies of the bands that `freqs_per_bands` gives the sizes of.
pub(super) fn split(model: &mut Settings, fft_size: usize) -> Result<Vec<Vec<usize>>, ModelError> {
    const NAME: &str = "freqs_per_bands";
    let sizes: Vec<usize> = match model.take(NAME) {
        None => (DEFAULT.iter().flat_map(|&(size, bands)| vec![size; bands])).collect(),
        Some(found) => {
            let sizes = serde_json::from_value(found.clone());
            sizes.map_err(|_| value(NAME, found, "a list of whole numbers"))?
        }
    };

    let bins = fft_size / 2 + 1;
    let sum = sizes
        .iter()
        .try_fold(0_usize, |sum, &size| sum.checked_add(size));
    if sizes.len() < 2 || sum != Some(bins) || sizes.contains(&0) {
        let found = format!(
            "{} bands of {} frequencies in all",
            sizes.len(),
            sum.unwrap_or(0)
        );
        let expected = format!("two bands or more, none empty, of {bins} frequencies in all");
        return Err(value(NAME, found, &expected));
    }

    let starts = sizes.iter().scan(0, |end, &size| {
        *end += size;
        Some(*end - size..*end)
    });
    Ok(starts.map(Iterator::collect).collect())
}

/// Returns the frequencies of bands that are as wide as the triangles of a mel filter bank
/// (`librosa.filters.mel` with its defaults), wherever those are not 0.
pub(super) fn mel(bands: &Json, fft_size: usize) -> Result<Vec<Vec<usize>>, ModelError> {
    let bins = fft_size / 2 + 1;
    let count = bands.as_u64().filter(|count| (2..=512).contains(count));
    let count = count.ok_or_else(|| value("num_bands", bands, "a whole number from 2 to 512"))?;
    let count = count as usize;

    let edges = edges(count);
    let frequency = |bin: usize| bin as f64 * f64::from(MODEL_RATE_HZ) / fft_size as f64;
    let reaches = |band: usize, bin: usize| {
        let rising = (frequency(bin) - edges[band]) / (edges[band + 1] - edges[band]);
        let falling = (edges[band + 2] - frequency(bin)) / (edges[band + 2] - edges[band + 1]);

        // The reference gives the first and the last frequency to the first and the last band.
        let end = [(0, 0), (count - 1, bins - 1)].contains(&(band, bin));
        end || rising.min(falling) > 0.0
    };

    let of_band = |band| (0..bins).filter(|&bin| reaches(band, bin)).collect();
    let bands: Vec<Vec<usize>> = (0..count).map(of_band).collect();
    let covered = |bin| bands.iter().any(|band| band.contains(&bin));
    if bands.iter().any(Vec::is_empty) || !(0..bins).all(covered) {
        let expected = "so many that every frequency is in a band, and none is empty";
        return Err(value("num_bands", count, expected));
    }
    Ok(bands)
}

/// Returns the edges of the triangles in Hz, from 0 to half the sample rate, evenly spaced on
/// Slaney's mel scale: linear up to 1000 Hz, then logarithmic.
fn edges(count: usize) -> Vec<f64> {
    const LINEAR_HZ: f64 = 200.0 / 3.0;
    const KNEE_HZ: f64 = 1000.0;
    let knee = KNEE_HZ / LINEAR_HZ;
    let step = 6.4_f64.ln() / 27.0;

    let highest = f64::from(MODEL_RATE_HZ) / 2.0;
    let highest = knee + (highest / KNEE_HZ).ln() / step;
    let edge = |index: usize| {
        let mel = highest * index as f64 / (count + 1) as f64;
        match mel < knee {
            true => LINEAR_HZ * mel,
            false => KNEE_HZ * (step * (mel - knee)).exp(),
        }
    };
    (0..count + 2).map(edge).collect()
}
