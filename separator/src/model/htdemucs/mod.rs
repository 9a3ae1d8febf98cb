//! Hybrid Transformer Demucs as one graph of real numbers: a segment of waveform in, the stems'
//! waveforms out.
//!
//! Source: `demucs/htdemucs.py` of demucs 4.1.0, `HTDemucs.forward` (Rouard, Massa and Défossez
//! 2023). Each file here holds one part of it and names the source of that part.

mod dconv;
mod dft;
mod layers;
mod norm;
mod transformer;

use self::dft::BINS;
use self::layers::{Branch, Layer};
use self::norm::{Standardised, standardise};
use super::config::{CHANNELS, Config, HOP};
use super::error::ModelError;
use super::onnx::{Element, Graph, Value, Window};
use super::weights::{Array, Weights};

pub(crate) use self::dconv::OverRows;
pub(super) use self::dft::span;
pub(crate) use self::dft::{MARGIN, inverse_envelope, window};
pub(super) use self::transformer::{position_1d, position_2d};

/// Version of the graph. It is raised by every change of the graph, so that files built from an
/// older one are built again.
pub const GRAPH_VERSION: u32 = 2;

/// Name of the graph's input, [B, 2, segment], float32.
pub(crate) const INPUT: &str = "mix";
/// Name of the graph's output, [B, stems, 2, segment], float32.
pub(crate) const OUTPUT: &str = "stems";

/// Writes the model's graph with all of its weights.
///
/// # Errors
/// Fails when a tensor is missing, has another shape than the configuration requires, or is left
/// over.
pub(crate) fn write(
    config: &Config,
    weights: Weights,
    batch: usize,
    compute_type: Element,
) -> Result<Graph, ModelError> {
    write_to(Graph::new("htdemucs", compute_type), config, weights, batch)
}

/// Writes the model's graph of a single segment without the values of its weights.
///
/// # Errors
/// As [`write()`].
pub(crate) fn outline(config: &Config, weights: Weights) -> Result<Graph, ModelError> {
    write_to(Graph::outline(), config, weights, 1)
}

fn write_to(
    mut graph: Graph,
    config: &Config,
    mut weights: Weights,
    batch: usize,
) -> Result<Graph, ModelError> {
    let w = &mut weights;
    let g = &mut graph;
    let frames = config.spectrogram_frames();

    let mix = g.input(INPUT, &[batch, CHANNELS, config.segment_frames]);

    // Spectrum and waveform, both standardised.
    let spectrum = spectrum(g, &mix, frames);
    let frequency = standardise(g, &spectrum);
    let flat = g.reshape(&mix, &[batch, CHANNELS, 1, config.segment_frames]);
    let time = standardise(g, &flat);

    let x = g.cast_to_compute_type(&frequency.x);
    let xt = g.cast_to_compute_type(&time.x);

    // The network itself.
    let encoded = encode(g, w, config, x, xt)?;
    let (x, xt) = middle(g, w, config, &encoded)?;
    let (x, xt) = decode(g, w, config, encoded, x, xt)?;

    // Sum of both branches as waveforms.
    let x = waveform(g, config, &x, &frequency);
    let xt = restore(g, &xt, &time);
    let xt = g.reshape(&xt, x.shape());

    let stems = g.add(&x, &xt);
    g.output(OUTPUT, &stems);
    weights.finish()?;

    Ok(graph)
}

/// Adds the spectrum of `mix` [B, 2, L], with real and imaginary parts as channels: [B, 4, 2048,
/// T].
fn spectrum(g: &mut Graph, mix: &Value, frames: usize) -> Value {
    let (batch, length) = (mix.size(0), mix.size(2));
    let padded = g.pad_reflect(mix, MARGIN, MARGIN + frames * HOP - length);
    let padded = g.reshape(&padded, &[batch * CHANNELS, dft::span(frames)]);
    let spectrum = dft::stft(g, &padded);
    g.reshape(&spectrum, &[batch, CHANNELS * 2, BINS, frames])
}

/// Outputs of the encoder.
struct Encoded {
    x: Value,
    xt: Value,
    /// Outputs of the frequency and time layers, for the decoder's skip connections.
    skips: Vec<Value>,
    skips_t: Vec<Value>,
    /// Lengths of the layers' inputs along the branch's axis.
    lengths: Vec<usize>,
    lengths_t: Vec<usize>,
}

fn encode(
    g: &mut Graph,
    w: &mut Weights,
    config: &Config,
    x: Value,
    xt: Value,
) -> Result<Encoded, ModelError> {
    let [skips, skips_t] = [Vec::new(), Vec::new()];
    let mut e = Encoded {
        x,
        xt,
        skips,
        skips_t,
        lengths: Vec::new(),
        lengths_t: Vec::new(),
    };

    for index in 0..config.depth {
        let layer = |branch, name| Layer {
            config,
            branch,
            name: format!("{name}.{index}"),
            index,
        };

        let (frequency, time) = (
            layer(Branch::Frequency, "encoder"),
            layer(Branch::Time, "tencoder"),
        );
        let channels = config.channels_after(index + 1);
        e.lengths.push(e.x.size(2));
        e.lengths_t.push(e.xt.size(3));
        e.xt = time.downsample(g, w, &e.xt, channels)?;

        let mut y = frequency.downsample(g, w, &e.x, channels)?;
        if y.size(2) == 1 {
            // Both branches have the same shape here: the time branch ends and is added to the
            // frequency branch.
            y = g.add(&y, &e.xt);
        } else {
            e.xt = time.encode(g, w, e.xt)?;
            e.skips_t.push(e.xt.clone());
        }

        e.x = frequency.encode(g, w, y)?;
        if index == 0 {
            e.x = embed_frequency(g, w, config, e.x)?;
        }

        e.skips.push(e.x.clone());
    }

    Ok(e)
}

/// Adds the embedding of each frequency (`ScaledEmbedding`) after the first layer, if the model has
/// one.
fn embed_frequency(
    g: &mut Graph,
    w: &mut Weights,
    config: &Config,
    x: Value,
) -> Result<Value, ModelError> {
    let Some(weight) = config.freq_emb else {
        return Ok(x);
    };

    let (channels, rows) = (x.size(1), x.size(2));
    let table = w.take("freq_emb.embedding.weight", &[rows, channels])?;
    let shape = [1, channels, rows, 1];
    let embedding = g.weight_from(&shape, || {
        let table = table.transposed().scale(config.emb_scale * weight);
        table.reshape(&shape)
    });
    Ok(g.add(&x, &embedding))
}

/// Adds the transformer, with the 1x1 convolutions before and after it if the model has them.
fn middle(
    g: &mut Graph,
    w: &mut Weights,
    config: &Config,
    e: &Encoded,
) -> Result<(Value, Value), ModelError> {
    if config.transformer.layers == 0 {
        // The reference skips these convolutions too, but its checkpoint still contains them.
        for (name, t) in [("up", ""), ("down", ""), ("up", "_t"), ("down", "_t")] {
            if let Some(width) = config.bottom_channels {
                take_resampler(
                    w,
                    config,
                    &format!("channel_{name}sampler{t}"),
                    name == "up",
                    width,
                )?;
            }
        }
        return Ok((e.x.clone(), e.xt.clone()));
    }

    let Some(width) = config.bottom_channels else {
        return transformer::transformer(g, w, config, &e.x, &e.xt);
    };

    let pointwise = |g: &mut Graph,
                     w: &mut Weights,
                     name: &str,
                     up: bool,
                     x: &Value|
     -> Result<Value, ModelError> {
        let (weight, bias) = take_resampler(w, config, name, up, width)?;
        let (weight, bias) = (g.weight(&weight), g.weight(&bias));
        Ok(g.conv(x, &weight, &bias, Window::PLAIN))
    };

    let x = pointwise(g, w, "channel_upsampler", true, &e.x)?;
    let xt = pointwise(g, w, "channel_upsampler_t", true, &e.xt)?;
    let (x, xt) = transformer::transformer(g, w, config, &x, &xt)?;
    let x = pointwise(g, w, "channel_downsampler", false, &x)?;

    let xt = pointwise(g, w, "channel_downsampler_t", false, &xt)?;
    Ok((x, xt))
}

fn take_resampler(
    w: &mut Weights,
    config: &Config,
    name: &str,
    up: bool,
    width: usize,
) -> Result<(Array, Array), ModelError> {
    let narrow = config.channels_after(config.depth);
    let [out, input] = if up { [width, narrow] } else { [narrow, width] };
    let weight = w
        .take(&format!("{name}.weight"), &[out, input, 1])?
        .reshape(&[out, input, 1, 1]);
    Ok((weight, w.take(&format!("{name}.bias"), &[out])?))
}

fn decode(
    g: &mut Graph,
    w: &mut Weights,
    config: &Config,
    mut e: Encoded,
    mut x: Value,
    mut xt: Value,
) -> Result<(Value, Value), ModelError> {
    let merged = e.skips.len() > e.skips_t.len();
    for position in 0..config.depth {
        let index = config.depth - 1 - position;
        let layer = |branch, name| Layer {
            config,
            branch,
            name: format!("{name}.{position}"),
            index,
        };

        let (frequency, time) = (
            layer(Branch::Frequency, "decoder"),
            layer(Branch::Time, "tdecoder"),
        );
        let outputs = config.sources.len() * CHANNELS;
        let [channels, channels_t] = match index {
            0 => [2 * outputs, outputs],
            _ => [config.channels_after(index); 2],
        };

        let (Some(skip), Some(length), Some(length_t)) =
            (e.skips.pop(), e.lengths.pop(), e.lengths_t.pop())
        else {
            unreachable!("the encoder has as many layers as the decoder");
        };

        let y = frequency.decode(g, w, &x, &skip)?;
        xt = match e.skips_t.pop_if(|_| !(merged && position == 0)) {
            Some(skip) => time.decode(g, w, &xt, &skip)?,
            // The time branch begins again from the input of the frequency branch's last
            // convolution.
            None => y.clone(),
        };

        x = frequency.upsample(g, w, &y, channels, length)?;
        xt = time.upsample(g, w, &xt, channels_t, length_t)?;
    }

    Ok((x, xt))
}

/// Undoes [`standardise`]: multiplies [B, stems ..., F, T] by the deviation and adds the mean.
fn restore(g: &mut Graph, x: &Value, of: &Standardised) -> Value {
    let x = g.cast_to_f32(x);
    let x = g.mul(&x, &of.deviation);
    g.add(&x, &of.mean)
}

/// Turns the decoder's spectra [B, stems 4, 2048, T] into the stems' waveforms [B, stems, 2,
/// segment].
fn waveform(g: &mut Graph, config: &Config, x: &Value, of: &Standardised) -> Value {
    let (batch, frames, stems) = (x.size(0), x.size(3), config.sources.len());
    let x = restore(g, x, of);
    let x = g.reshape(&x, &[batch * stems * CHANNELS, 2, BINS, frames]);
    let y = dft::istft(g, &x);
    let y = g.slice(&y, 1, MARGIN, MARGIN + config.segment_frames);
    g.reshape(&y, &[batch, stems, CHANNELS, config.segment_frames])
}
