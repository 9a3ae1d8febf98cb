//! Bands of the spectrum as tokens (`BandSplit`).
//!
//! Neighbouring bands of one width are computed together, as one product with a matrix for each.

use std::ops::Range;

use super::config::Config;
use super::norm::{fold, normalise};
use crate::model::config::CHANNELS;
use crate::model::error::ModelError;
use crate::model::onnx::{Graph, Value};
use crate::model::weights::{Array, Weights};

/// Returns the neighbouring bands of one width, in order.
pub(super) fn groups(config: &Config) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for band in 0..config.bands.len() {
        match groups.last_mut() {
            Some(group) if config.band_width(group.start) == config.band_width(band) => {
                group.end = band + 1;
            }
            _ => groups.push(band..band + 1),
        }
    }
    groups
}

/// Joins arrays of one shape along a new first axis.
pub(super) fn stack(arrays: &[Array]) -> Array {
    let shape = [&[arrays.len()], arrays[0].shape()].concat();
    let data = arrays.iter().flat_map(|array| array.data()).copied();
    Array::new(&shape, data.collect())
}

/// Adds the tokens [B, bands, T, dim] of the spectrum [B, 2 channels, 2 (real, imaginary), bins,
/// T].
pub(super) fn split(
    g: &mut Graph,
    w: &mut Weights,
    config: &Config,
    spectrum: &Value,
) -> Result<Value, ModelError> {
    // [B, T, bins x channels x 2], frequency by frequency as the bands have them.
    let (batch, frames) = (spectrum.size(0), spectrum.size(4));
    let x = g.transpose(spectrum, &[0, 4, 3, 1, 2]);
    let x = g.reshape(&x, &[batch, frames, config.bins(), 2 * CHANNELS]);

    let mut tokens = Vec::new();
    for group in groups(config) {
        let (count, width) = (group.len(), config.band_width(group.start));
        let places: Vec<usize> = config.bands[group.clone()].concat();
        let bands = g.gather(&x, 2, &places);
        let bands = g.reshape(&bands, &[batch, frames, count, width]);
        let bands = g.transpose(&bands, &[0, 2, 1, 3]);

        let bands = normalise(g, &bands);
        let bands = g.cast_to_compute_type(&bands);
        let (weight, bias) = take(w, config, group, width)?;
        let (weight, bias) = (g.weight(&weight), g.weight(&bias));
        let bands = g.matmul(&bands, &weight);
        tokens.push(g.add(&bands, &bias));
    }

    let tokens = g.concat(&tokens.iter().collect::<Vec<_>>(), 1);
    Ok(g.cast_to_f32(&tokens))
}

/// Takes the matrices [bands, width, dim] and biases [bands, 1, dim] of a group, with the gains of
/// the norms before them.
fn take(
    w: &mut Weights,
    config: &Config,
    group: Range<usize>,
    width: usize,
) -> Result<(Array, Array), ModelError> {
    let (mut weights, mut biases) = (Vec::new(), Vec::new());
    for band in group {
        let name = format!("band_split.to_features.{band}");
        let gain = w.take(&format!("{name}.0.gamma"), &[width])?;
        let weight = w.take(&format!("{name}.1.weight"), &[config.dim, width])?;
        let bias = w.take(&format!("{name}.1.bias"), &[config.dim])?;
        weights.push(fold(&weight, &gain).transposed());
        biases.push(bias.reshape(&[1, config.dim]));
    }
    Ok((stack(&weights), stack(&biases)))
}
