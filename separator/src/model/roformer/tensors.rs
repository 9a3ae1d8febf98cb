//! Tensors of a RoFormer: their names in the checkpoint, and their shapes.

use super::config::{Config, Kind};
use crate::model::error::ModelError;
use crate::model::weights::Weights;

/// Name and shape of a tensor.
type Named = (String, Vec<usize>);

/// Returns the part of the name that the transformer along time (0) or the bands (1) at `depth`
/// has, up to its layer number `layer`.
pub(super) fn layer(depth: usize, axis: usize, layer: usize) -> String {
    format!("layers.{depth}.{axis}.layers.{layer}")
}

/// Checks that `weights` are the tensors of `config`, no less and no more.
pub(in crate::model) fn check(config: &Config, weights: &Weights) -> Result<(), ModelError> {
    let tensors = tensors(config);
    for (name, shape) in &tensors {
        weights.expect(name, shape)?;
    }
    weights.expect_no_more(tensors.iter().map(|(name, _)| name.as_str()))
}

/// Returns all tensors.
fn tensors(config: &Config) -> Vec<Named> {
    let mut all = Vec::new();
    for band in 0..config.bands.len() {
        let (name, width) = (
            format!("band_split.to_features.{band}"),
            config.band_width(band),
        );
        all.push((format!("{name}.0.gamma"), vec![width]));
        all.push((format!("{name}.1.weight"), vec![config.dim, width]));
        all.push((format!("{name}.1.bias"), vec![config.dim]));
    }

    for depth in 0..config.depth {
        for (axis, &layers) in config.layers.iter().enumerate() {
            (0..layers).for_each(|index| of_layer(config, &layer(depth, axis, index), &mut all));
            if config.kind == Kind::MelBand {
                all.push((
                    format!("layers.{depth}.{axis}.norm.gamma"),
                    vec![config.dim],
                ));
            }
        }
    }

    if config.kind == Kind::BandSplit {
        all.push(("final_norm.gamma".to_owned(), vec![config.dim]));
    }
    for estimator in 0..config.estimators.len() {
        (0..config.bands.len()).for_each(|band| of_mask(config, estimator, band, &mut all));
    }
    all
}

/// Adds the tensors of a layer, attention and feed-forward part.
fn of_layer(config: &Config, layer: &str, all: &mut Vec<Named>) {
    let (dim, inner) = (config.dim, config.heads * config.head);
    let tensors: [(&str, &[usize]); 11] = [
        ("0.norm.gamma", &[dim]),
        ("0.rotary_embed.freqs", &[config.head / 2]),
        ("0.to_qkv.weight", &[3 * inner, dim]),
        ("0.to_gates.weight", &[config.heads, dim]),
        ("0.to_gates.bias", &[config.heads]),
        ("0.to_out.0.weight", &[dim, inner]),
        ("1.net.0.gamma", &[dim]),
        ("1.net.1.weight", &[4 * dim, dim]),
        ("1.net.1.bias", &[4 * dim]),
        ("1.net.4.weight", &[dim, 4 * dim]),
        ("1.net.4.bias", &[dim]),
    ];
    let named = tensors.map(|(name, shape)| (format!("{layer}.{name}"), shape.to_vec()));
    all.extend(named);
}

/// Returns the name of linear layer number `layer` of a mask estimator.
pub(super) fn mask(estimator: usize, band: usize, layer: usize) -> String {
    format!(
        "mask_estimators.{estimator}.to_freqs.{band}.0.{}",
        2 * layer
    )
}

/// Adds the tensors of a mask estimator for one band.
fn of_mask(config: &Config, estimator: usize, band: usize, all: &mut Vec<Named>) {
    let mut input = config.dim;
    for layer in 0..=config.mask_layers {
        let output = match layer == config.mask_layers {
            true => 2 * config.band_width(band),
            false => config.mask_hidden,
        };
        let name = mask(estimator, band, layer);
        all.push((format!("{name}.weight"), vec![output, input]));
        all.push((format!("{name}.bias"), vec![output]));
        input = output;
    }
}
