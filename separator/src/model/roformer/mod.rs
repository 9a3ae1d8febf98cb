//! RoFormers as one graph of real numbers: a chunk of waveform in, the stems' waveforms out.
//!
//! Sources: `bs_roformer.py` and `mel_band_roformer.py`, `forward`, of bs-roformer-infer and
//! melband-roformer-infer 0.1.5 (Lu et al. 2023, Wang et al. 2023). Each file here holds one part
//! of it and names the source of that part.

mod bands;
mod config;
mod layers;
mod masks;
mod norm;
mod settings;
mod spectrum;
mod split;
mod tensors;

use super::config::CHANNELS;
use super::error::ModelError;
use super::htdemucs::{INPUT, OUTPUT};
use super::onnx::{Element, Graph};
use super::weights::Weights;

pub(crate) use self::config::Config;
pub(super) use self::tensors::check;

/// Writes the network's graph with all of its weights.
///
/// # Errors
/// Fails when a tensor is missing, has another shape than the configuration requires, or is left
/// over.
pub(super) fn write(
    config: &Config,
    mut weights: Weights,
    batch: usize,
    compute_type: Element,
) -> Result<Graph, ModelError> {
    let w = &mut weights;
    let mut graph = Graph::new("roformer", compute_type);
    let g = &mut graph;

    let mix = g.input(INPUT, &[batch, CHANNELS, config.chunk_frames]);
    let spectrum = spectrum::stft(g, config, &mix);

    // Tokens [B, bands, frames, dim], which are attended to along time and along the bands in turn.
    let mut x = split::split(g, w, config, &spectrum)?;
    for depth in 0..config.depth {
        x = layers::transformer(g, w, config, depth, 0, x)?;
        x = g.transpose(&x, &[0, 2, 1, 3]);
        x = layers::transformer(g, w, config, depth, 1, x)?;
        x = g.transpose(&x, &[0, 2, 1, 3]);
    }

    let masked = masks::masked(g, w, config, &x, &spectrum)?;
    let stems = spectrum::istft(g, config, &masked);
    g.output(OUTPUT, &stems);
    weights.finish()?;

    Ok(graph)
}

/// Returns the number of products of two numbers that a chunk takes, in matrix products. It is what
/// the graph would count, which takes as much memory as the weights.
pub(super) fn products(config: &Config) -> u64 {
    let frames = config.spectrogram_frames() as u64;
    let (dim, bands) = (config.dim as u64, config.bands.len() as u64);
    let (inner, heads) = ((config.heads * config.head) as u64, config.heads as u64);
    let tokens = frames * bands;

    // A layer's linear parts, and the products of queries with keys and of scores with values.
    let linear = 4 * inner * dim + heads * dim + 8 * dim * dim;
    let along = [frames, bands].into_iter().zip(config.layers);
    let layers = along.map(|(others, layers)| layers as u64 * (linear + 2 * inner * others));
    let layers: u64 = config.depth as u64 * tokens * layers.sum::<u64>();

    let widths = || (0..config.bands.len()).map(|band| config.band_width(band) as u64);
    let split: u64 = frames * widths().map(|width| width * dim).sum::<u64>();
    let hidden = config.mask_hidden as u64;
    let mask = |width: u64| match config.mask_layers as u64 {
        0 => dim * 2 * width,
        layers => dim * hidden + (layers - 1) * hidden * hidden + hidden * 2 * width,
    };
    let masks = frames * config.sources.len() as u64 * widths().map(mask).sum::<u64>();

    layers + split + masks + spectrum::products(config)
}
