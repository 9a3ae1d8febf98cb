//! Masks of the stems (`MaskEstimator`), complex factors of every frequency, and the spectra that
//! they make of the mix'.

use std::ops::Range;

use super::config::{Config, Kind};
use super::norm::{fold, normalise};
use super::split::{groups, stack};
use super::tensors;
use crate::model::config::CHANNELS;
use crate::model::error::ModelError;
use crate::model::onnx::{Graph, Value};
use crate::model::weights::{Array, Weights};

/// Adds the spectra [B, stems, 2 channels, 2, bins, T] that the masks make of the mix' [B, 2, 2,
/// bins, T]. The masks come from tokens [B, bands, T, dim].
pub(super) fn masked(
    g: &mut Graph,
    w: &mut Weights,
    config: &Config,
    tokens: &Value,
    spectrum: &Value,
) -> Result<Value, ModelError> {
    let tokens = match config.kind {
        Kind::BandSplit => normalise(g, tokens),
        Kind::MelBand => tokens.clone(),
    };
    let gain = match config.kind {
        Kind::BandSplit => w.take("final_norm.gamma", &[config.dim])?,
        Kind::MelBand => Array::new(&[config.dim], vec![1.0; config.dim]),
    };

    let tokens = g.cast_to_compute_type(&tokens);
    let mut stems = Vec::new();
    for &estimator in &config.estimators {
        let mask = mask(g, w, config, estimator, &gain, &tokens)?;
        let stem = multiply(g, config, &mask, spectrum);
        let [batch, channels, parts, bins, frames] = [0, 1, 2, 3, 4].map(|axis| stem.size(axis));
        stems.push(g.reshape(&stem, &[batch, 1, channels, parts, bins, frames]));
    }
    Ok(g.concat(&stems.iter().collect::<Vec<_>>(), 1))
}

/// Adds the mask of one stem, [B, bins, channels x 2, T], in float32.
fn mask(
    g: &mut Graph,
    w: &mut Weights,
    config: &Config,
    estimator: usize,
    gain: &Array,
    tokens: &Value,
) -> Result<Value, ModelError> {
    let (batch, frames) = (tokens.size(0), tokens.size(2));
    let mut parts = Vec::new();
    for group in groups(config) {
        let width = config.band_width(group.start);
        let mut x = g.slice(tokens, 1, group.start, group.end);
        for layer in 0..=config.mask_layers {
            let (weight, bias) = take(w, config, estimator, layer, group.clone(), gain)?;
            let (weight, bias) = (g.weight(&weight), g.weight(&bias));
            x = g.matmul(&x, &weight);
            x = g.add(&x, &bias);
            if layer < config.mask_layers {
                x = g.tanh(&x);
            }
        }

        // The first half of the outputs times the logistic function of the second.
        let x = g.cast_to_f32(&x);
        let [half, gates] = [0, 1].map(|half| g.slice(&x, 3, half * width, (half + 1) * width));
        let gates = g.sigmoid(&gates);
        let x = g.mul(&half, &gates);

        // [B, bands, T, width] becomes [B, frequencies, channels x 2, T].
        let x = g.transpose(&x, &[0, 1, 3, 2]);
        let frequencies = group.len() * width / (2 * CHANNELS);
        parts.push(g.reshape(&x, &[batch, frequencies, 2 * CHANNELS, frames]));
    }

    let all = g.concat(&parts.iter().collect::<Vec<_>>(), 1);
    Ok(match config.kind {
        Kind::BandSplit => all,
        Kind::MelBand => averaged(g, config, &all),
    })
}

/// Takes the matrices [bands, inputs, outputs] and the biases [bands, 1, outputs] of a layer. The
/// first layer's have the gain of the norm before it.
fn take(
    w: &mut Weights,
    config: &Config,
    estimator: usize,
    layer: usize,
    group: Range<usize>,
    gain: &Array,
) -> Result<(Array, Array), ModelError> {
    let input = if layer == 0 {
        config.dim
    } else {
        config.mask_hidden
    };
    let output = match layer == config.mask_layers {
        true => 2 * config.band_width(group.start),
        false => config.mask_hidden,
    };

    let (mut weights, mut biases) = (Vec::new(), Vec::new());
    for band in group {
        let name = tensors::mask(estimator, band, layer);
        let weight = w.take(&format!("{name}.weight"), &[output, input])?;
        let bias = w.take(&format!("{name}.bias"), &[output])?;
        let weight = if layer == 0 {
            fold(&weight, gain)
        } else {
            weight
        };
        weights.push(weight.transposed());
        biases.push(bias.reshape(&[1, output]));
    }
    Ok((stack(&weights), stack(&biases)))
}

/// Averages the masks of overlapping bands [B, frequencies of all bands, channels x 2, T] for every
/// frequency.
fn averaged(g: &mut Graph, config: &Config, all: &Value) -> Value {
    let frequencies: Vec<usize> = config.bands.concat();
    let mut places = vec![Vec::new(); config.bins()];
    for (place, &bin) in frequencies.iter().enumerate() {
        places[bin].push(place);
    }

    // Where a frequency is in fewer bands than another, the rest is nothing: its factor is 0.
    let most = places.iter().map(Vec::len).max().unwrap_or(0);
    let layer = |g: &mut Graph, layer: usize| {
        let place = |places: &Vec<usize>| places.get(layer).copied().unwrap_or(0);
        let of_layer: Vec<usize> = places.iter().map(place).collect();
        let factors = Array::from_fn(&[config.bins(), 1, 1], |i| {
            let places = &places[i[0]];
            if layer < places.len() {
                1.0 / places.len() as f32
            } else {
                0.0
            }
        });

        let factors = g.constant_f32(&factors);
        let masks = g.gather(all, 1, &of_layer);
        g.mul(&masks, &factors)
    };

    let mut sum = layer(g, 0);
    for index in 1..most {
        let next = layer(g, index);
        sum = g.add(&sum, &next);
    }
    sum
}

/// Multiplies the mix' spectrum [B, 2, 2, bins, T] by a mask [B, bins, channels x 2, T], both of
/// complex numbers.
fn multiply(g: &mut Graph, config: &Config, mask: &Value, spectrum: &Value) -> Value {
    let [batch, bins, frames] = [mask.size(0), mask.size(1), mask.size(3)];
    let mask = g.reshape(mask, &[batch, bins, CHANNELS, 2, frames]);
    let mut mask = g.transpose(&mask, &[0, 2, 3, 1, 4]);
    if config.zero_dc {
        let kept = Array::from_fn(&[bins, 1], |i| if i[0] == 0 { 0.0 } else { 1.0 });
        let kept = g.constant_f32(&kept);
        mask = g.mul(&mask, &kept);
    }

    let part = |g: &mut Graph, of: &Value, part| g.slice(of, 2, part, part + 1);
    let (real, imaginary) = (part(g, &mask, 0), part(g, &mask, 1));
    let (of_real, of_imaginary) = (part(g, spectrum, 0), part(g, spectrum, 1));
    let product = |g: &mut Graph, a: &Value, b: &Value| g.mul(a, b);

    let (a, b) = (
        product(g, &of_real, &real),
        product(g, &of_imaginary, &imaginary),
    );
    let first = g.sub(&a, &b);
    let (a, b) = (
        product(g, &of_real, &imaginary),
        product(g, &of_imaginary, &real),
    );
    let second = g.add(&a, &b);
    g.concat(&[&first, &second], 2)
}
