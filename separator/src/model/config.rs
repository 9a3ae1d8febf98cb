//! Shape of a model: the arguments of `demucs.htdemucs.HTDemucs` that change what it computes.

use serde_json::{Map, Value as Json};

use super::error::{ModelError, shown};
use crate::Stem;

/// Sample rate of every supported model, in Hz.
pub const MODEL_RATE_HZ: u32 = 44_100;
/// Number of samples in a window of the short-time Fourier transform.
pub(crate) const FFT_SIZE: usize = 4096;
/// Distance between two windows, in samples.
pub(crate) const HOP: usize = FFT_SIZE / 4;
/// Number of audio channels.
pub(crate) const CHANNELS: usize = 2;
/// Kernel size of the convolutions that downsample or upsample the signal.
pub(crate) const KERNEL: usize = 8;
/// Stride of the same convolutions.
pub(crate) const STRIDE: usize = 4;

/// Largest number of tokens that a transformer is given. Its attention holds the square of it.
const MAX_TOKENS: usize = 1 << 16;
/// Largest number of values in the transformer's input, and so in a position table.
const MAX_POSITIONS: usize = 1 << 25;

/// Arguments that shape the model, under demucs' names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) sources: Vec<Stem>,
    pub(crate) channels: usize,
    pub(crate) growth: usize,
    pub(crate) depth: usize,
    pub(crate) context: usize,
    pub(crate) context_enc: usize,
    /// Weight of the frequency embedding; `None` if there is none.
    pub(crate) freq_emb: Option<f32>,
    pub(crate) emb_scale: f32,
    pub(crate) norm_starts: usize,
    pub(crate) norm_groups: usize,
    pub(crate) dconv_encoder: bool,
    pub(crate) dconv_decoder: bool,
    pub(crate) dconv_depth: usize,
    pub(crate) dconv_dilates: bool,
    pub(crate) dconv_comp: f64,
    pub(crate) bottom_channels: Option<usize>,
    pub(crate) transformer: Transformer,
    /// Number of samples in the model's segment.
    pub(crate) segment_frames: usize,
}

/// Arguments whose names start with `t_`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Transformer {
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) hidden_scale: f64,
    pub(crate) norm_in: bool,
    pub(crate) norm_out: bool,
    pub(crate) max_period: f64,
    pub(crate) layer_scale: bool,
    pub(crate) gelu: bool,
    pub(crate) weight_pos_embed: f32,
    pub(crate) cross_first: bool,
}

impl Config {
    /// Determines the shape from the arguments of `HTDemucs.__init__`. The defaults are those of
    /// demucs 4.1.0.
    pub(crate) fn from_arguments(arguments: Map<String, Json>) -> Result<Self, ModelError> {
        let mut arguments = Arguments(arguments);
        let a = &mut arguments;
        refuse_unsupported(a)?;
        let dconv_mode = a.whole("dconv_mode", 1)?;

        let dconv_depth = a.dconv_depth()?;
        let config = Config {
            sources: sources(a.take("sources"))?,
            channels: a.positive("channels", 48)?,
            growth: a.positive("growth", 2)?,
            depth: a.depth()?,
            context: a.whole("context", 1)?,
            context_enc: a.whole("context_enc", 0)?,
            freq_emb: Some(a.factor("freq_emb", 0.2)?).filter(|&weight| weight != 0.0),
            emb_scale: a.factor("emb_scale", 10.0)?,
            norm_starts: a.whole("norm_starts", 4)?,
            norm_groups: a.positive("norm_groups", 4)?,
            dconv_encoder: dconv_mode & 1 != 0,
            dconv_decoder: dconv_mode & 2 != 0,
            dconv_depth: dconv_depth.unsigned_abs() as usize,
            dconv_dilates: dconv_depth > 0,
            dconv_comp: a.number("dconv_comp", 8.0)?,
            bottom_channels: Some(a.whole("bottom_channels", 0)?).filter(|&channels| channels > 0),
            transformer: Transformer {
                layers: a.whole("t_layers", 5)?,
                heads: a.positive("t_heads", 8)?,
                hidden_scale: a.number("t_hidden_scale", 4.0)?,
                norm_in: a.flag("t_norm_in", true)?,
                norm_out: a.flag("t_norm_out", true)?,
                max_period: a.number("t_max_period", 10_000.0)?,
                layer_scale: a.flag("t_layer_scale", true)?,
                gelu: a.flag("t_gelu", true)?,
                weight_pos_embed: a.factor("t_weight_pos_embed", 1.0)?,
                cross_first: a.flag("t_cross_first", false)?,
            },
            segment_frames: segment_frames(a.take("segment"))?,
        };

        arguments.finish()?;
        config.check()
    }

    /// Returns the number of channels of both branches after `layer` encoder layers, counted from
    /// 1.
    pub(crate) fn channels_after(&self, layer: usize) -> usize {
        self.channels * self.growth.pow(layer as u32 - 1)
    }

    /// Returns the number of frames in the spectrogram of a segment.
    pub(crate) fn spectrogram_frames(&self) -> usize {
        self.segment_frames.div_ceil(HOP)
    }

    /// Returns the number of channels inside a DConv branch of `channels`.
    pub(crate) fn dconv_hidden(&self, channels: usize) -> usize {
        (channels as f64 / self.dconv_comp) as usize
    }

    fn check(self) -> Result<Self, ModelError> {
        let widest = self
            .channels
            .checked_mul(self.growth.saturating_pow(self.depth as u32));
        if widest.is_none_or(|widest| widest > 1 << 16) {
            return refuse(
                "channels",
                self.channels,
                "few enough that no layer has more than 65536",
            );
        }

        let has_dconv = self.dconv_encoder || self.dconv_decoder;
        if has_dconv && (self.dconv_comp < 1.0 || self.dconv_hidden(self.channels) == 0) {
            return refuse(
                "dconv_comp",
                self.dconv_comp,
                "from 1 up to the number of channels",
            );
        }

        if self.context > 8 || self.context_enc > 8 {
            return refuse(
                "context or context_enc",
                self.context.max(self.context_enc),
                "8 at most",
            );
        }

        if self.norm_starts < self.depth && !self.channels.is_multiple_of(self.norm_groups) {
            return refuse("norm_groups", self.norm_groups, "a divisor of channels");
        }

        // The outermost decoder layers give two waveforms, or two complex spectra, for each source.
        if self.norm_starts == 0
            && !(CHANNELS * self.sources.len()).is_multiple_of(self.norm_groups)
        {
            return refuse(
                "norm_groups",
                self.norm_groups,
                "a divisor of twice the number of sources",
            );
        }

        if self.transformer.layers > 0 {
            self.check_transformer()?;
        }

        Ok(self)
    }

    fn check_transformer(&self) -> Result<(), ModelError> {
        let (t, width, tokens) = (
            &self.transformer,
            self.transformer_channels(),
            self.tokens(),
        );

        if !width.is_multiple_of(t.heads) || !width.is_multiple_of(4) {
            return refuse(
                "t_heads",
                t.heads,
                "a divisor of the transformer's channels, themselves a multiple of 4",
            );
        }

        if t.layers > 64 {
            return refuse("t_layers", t.layers, "64 at most");
        }

        if !(0.0..=64.0).contains(&t.hidden_scale) || self.transformer_hidden() == 0 {
            return refuse(
                "t_hidden_scale",
                t.hidden_scale,
                "up to 64, and enough for one channel",
            );
        }

        if !(1.0..=1e12).contains(&t.max_period) {
            return refuse("t_max_period", t.max_period, "from 1 to 1e12");
        }

        // Attention needs memory for the square of the tokens, and the position tables are as large
        // as the values they are added to.
        if tokens > MAX_TOKENS || tokens * width > MAX_POSITIONS {
            let found = format!(
                "{} frames of {tokens} tokens of {width} channels",
                self.segment_frames
            );
            return refuse(
                "segment",
                found,
                "65536 tokens at most and 33554432 numbers in all, such as 60 s of 512 channels",
            );
        }

        Ok(())
    }

    /// Returns the number of tokens that the frequency branch gives the transformer: positions in
    /// time and frequency.
    fn tokens(&self) -> usize {
        let rows =
            (0..self.depth).fold(
                FFT_SIZE / 2,
                |rows, _| if rows > KERNEL { rows / STRIDE } else { 1 },
            );
        rows * self.spectrogram_frames()
    }

    /// Returns the number of channels inside the transformer's feed-forward parts.
    pub(crate) fn transformer_hidden(&self) -> usize {
        (self.transformer_channels() as f64 * self.transformer.hidden_scale) as usize
    }

    /// Returns the number of channels of the transformer.
    pub(crate) fn transformer_channels(&self) -> usize {
        self.bottom_channels
            .unwrap_or(self.channels_after(self.depth))
    }
}

fn refuse<T>(
    name: &'static str,
    found: impl ToString,
    expected: &'static str,
) -> Result<T, ModelError> {
    Err(ModelError::ArgumentValue {
        name,
        found: shown(found),
        expected,
    })
}

/// Arguments of which Sextet supports one value: the name, that value, and the feature that another
/// value would need.
const FIXED: &[(&str, &str, &str)] = &[
    ("audio_channels", "2", "other than stereo audio"),
    ("channels_time", "null", "a time branch of its own width"),
    ("nfft", "4096", "another Fourier transform size"),
    ("wiener_iters", "0", "Wiener filtering"),
    ("end_iters", "0", "Wiener filtering"),
    ("wiener_residual", "false", "Wiener filtering"),
    ("cac", "true", "magnitude masks"),
    ("rewrite", "true", "layers without their 1x1 convolution"),
    ("multi_freqs", "null", "split frequency bands"),
    ("kernel_size", "8", "another kernel"),
    ("stride", "4", "another stride"),
    ("t_emb", "\"sin\"", "cape or scaled position embeddings"),
    (
        "t_norm_in_group",
        "false",
        "group norm before the transformer",
    ),
    ("t_group_norm", "false", "group norm inside the transformer"),
    ("t_norm_first", "true", "norms after attention"),
    (
        "t_sin_random_shift",
        "0",
        "random shifts of the position embedding",
    ),
    ("t_sparse_self_attn", "false", "sparse attention"),
    ("t_sparse_cross_attn", "false", "sparse attention"),
    ("t_auto_sparsity", "false", "sparse attention"),
    ("samplerate", "44100", "another sample rate"),
    ("use_train_segment", "true", "segments of any length"),
];

/// Arguments that matter only for training, or whose feature is switched off by one of [`FIXED`].
const WITHOUT_EFFECT: &[&str] = &[
    "time_stride",
    "multi_freqs_depth",
    "emb_smooth",
    "dconv_init",
    "t_dropout",
    "t_max_positions",
    "t_weight_decay",
    "t_lr",
    "t_cape_mean_normalize",
    "t_cape_augment",
    "t_cape_glob_loc_scale",
    "t_mask_type",
    "t_mask_random_seed",
    "t_sparse_attn_window",
    "t_global_window",
    "t_sparsity",
    "rescale",
];

fn refuse_unsupported(arguments: &mut Arguments) -> Result<(), ModelError> {
    for &(name, expected, feature) in FIXED {
        let Some(found) = arguments.take(name) else {
            continue;
        };

        let same = match (&found, serde_json::from_str::<Json>(expected)) {
            // Zero, false, null and an empty list all switch a feature off in Python.
            (found, Ok(Json::Null | Json::Bool(false))) => is_off(found),
            (Json::Number(found), Ok(Json::Number(expected))) => {
                found.as_f64() == expected.as_f64()
            }
            (Json::Number(found), Ok(Json::Bool(true))) => found.as_f64() != Some(0.0),
            (found, expected) => expected.is_ok_and(|expected| *found == expected),
        };

        if !same {
            return Err(ModelError::Unsupported {
                feature,
                name,
                found: shown(found),
                expected,
            });
        }
    }

    WITHOUT_EFFECT
        .iter()
        .for_each(|name| drop(arguments.take(name)));
    Ok(())
}

fn is_off(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn sources(value: Option<Json>) -> Result<Vec<Stem>, ModelError> {
    let found = shown(value.clone().unwrap_or_default());
    let names: Option<Vec<String>> = value.and_then(|value| serde_json::from_value(value).ok());
    let stems = names.and_then(|names| {
        names
            .iter()
            .map(|name| name.parse().ok())
            .collect::<Option<Vec<Stem>>>()
    });

    match stems {
        Some(stems) if stems == Stem::ALL || stems == Stem::ALL[..4] => Ok(stems),
        _ => Err(ModelError::Sources { found }),
    }
}

/// Computes `int(segment * samplerate)`. The segment is given in seconds, as a number or an exact
/// fraction.
fn segment_frames(value: Option<Json>) -> Result<usize, ModelError> {
    let value = value.unwrap_or(Json::from(10));
    let part = |name| value.get(name).and_then(Json::as_u64);

    let rate = u64::from(MODEL_RATE_HZ);
    let frames = match (value.as_f64(), part("numerator"), part("denominator")) {
        (Some(seconds), _, _) if seconds > 0.0 && seconds <= 60.0 => (seconds * rate as f64) as u64,
        (_, Some(numerator), Some(denominator)) if denominator > 0 && numerator <= 1 << 40 => {
            numerator * rate / denominator
        }
        _ => 0,
    };

    // The reference pads a segment shorter than twice the reflected margin in another way. A longer
    // segment than the limit exhausts the memory.
    if !(FFT_SIZE as u64..=60 * rate).contains(&frames) {
        let expected = "a number of seconds or a fraction, from 0.1 s to 60 s";
        return Err(ModelError::ArgumentValue {
            name: "segment",
            found: shown(value),
            expected,
        });
    }

    Ok(frames as usize)
}

/// Arguments that have not been read yet.
struct Arguments(Map<String, Json>);

impl Arguments {
    fn take(&mut self, name: &str) -> Option<Json> {
        self.0.remove(name)
    }

    fn finish(self) -> Result<(), ModelError> {
        match self.0.into_iter().next() {
            Some((name, _)) => Err(ModelError::UnknownArgument { name: shown(name) }),
            None => Ok(()),
        }
    }

    fn number(&mut self, name: &'static str, default: f64) -> Result<f64, ModelError> {
        match self.take(name) {
            None => Ok(default),
            Some(Json::Bool(flag)) => Ok(f64::from(u8::from(flag))),
            Some(Json::Null) => Ok(0.0),
            Some(value) => value.as_f64().ok_or_else(|| ModelError::ArgumentValue {
                name,
                found: shown(value),
                expected: "a number",
            }),
        }
    }

    fn whole(&mut self, name: &'static str, default: u32) -> Result<usize, ModelError> {
        let number = self.number(name, f64::from(default))?;
        if number.fract() == 0.0 && (0.0..65_536.0).contains(&number) {
            return Ok(number as usize);
        }
        Err(ModelError::ArgumentValue {
            name,
            found: number.to_string(),
            expected: "a whole number from 0 to 65535",
        })
    }

    fn positive(&mut self, name: &'static str, default: u32) -> Result<usize, ModelError> {
        match self.whole(name, default)? {
            0 => Err(ModelError::ArgumentValue {
                name,
                found: "0".to_owned(),
                expected: "1 or more",
            }),
            number => Ok(number),
        }
    }

    /// Reads the number of layers, at most five. With more, the reference leaves frequencies for a
    /// second stage that its transformer cannot take.
    fn depth(&mut self) -> Result<usize, ModelError> {
        match self.whole("depth", 4)? {
            depth @ 1..=5 => Ok(depth),
            depth => Err(ModelError::ArgumentValue {
                name: "depth",
                found: depth.to_string(),
                expected: "1 to 5",
            }),
        }
    }

    /// Reads the number of layers in a DConv branch. A negative number means as many layers without
    /// dilation.
    fn dconv_depth(&mut self) -> Result<i32, ModelError> {
        let depth = self.number("dconv_depth", 2.0)?;
        if depth.fract() == 0.0 && (-8.0..=8.0).contains(&depth) {
            return Ok(depth as i32);
        }
        refuse("dconv_depth", depth, "a whole number from -8 to 8")
    }

    /// Reads a number that tables are multiplied by.
    fn factor(&mut self, name: &'static str, default: f64) -> Result<f32, ModelError> {
        let number = self.number(name, default)?;
        if (-1e6..=1e6).contains(&number) {
            return Ok(number as f32);
        }
        refuse(name, number, "from -1e6 to 1e6")
    }

    fn flag(&mut self, name: &'static str, default: bool) -> Result<bool, ModelError> {
        Ok(self.number(name, f64::from(u8::from(default)))? != 0.0)
    }
}
