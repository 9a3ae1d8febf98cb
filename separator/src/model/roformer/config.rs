//! Shape of a RoFormer and the way in which a song goes through it: the training configuration in
//! YAML that lies beside a published checkpoint.
//!
//! Sources: `get_model_from_config` and `demix_track` of `utils.py`, and the arguments of
//! `BSRoformer` and `MelBandRoformer`, of bs-roformer-infer and melband-roformer-infer 0.1.5.

use serde_json::Value as Json;

use super::bands;
use super::settings::{Settings, sections, value};
use crate::Stem;
use crate::model::config::MODEL_RATE_HZ;
use crate::model::error::{ModelError, shown};

/// Chunk of configurations that do not say one, in frames.
const DEFAULT_CHUNK_FRAMES: usize = 588_800;
/// Longest chunk, in frames: a minute.
const LONGEST_CHUNK_FRAMES: usize = 60 * MODEL_RATE_HZ as usize;
/// Largest number of tokens in a chunk: frames times bands.
const MOST_TOKENS: usize = 1 << 19;

/// How the spectrum is divided, and the few differences that come with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// BS-RoFormer (Lu et al. 2023, arXiv 2309.02612): bands side by side, one norm at the end.
    BandSplit,
    /// Mel-Band RoFormer (Wang et al. 2023, arXiv 2310.01809): bands that overlap, a norm after
    /// every transformer.
    MelBand,
}

/// Configuration of a network.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) kind: Kind,
    /// Stems in canonical order.
    pub(crate) sources: Vec<Stem>,
    /// Number of the mask estimator of each stem.
    pub(crate) estimators: Vec<usize>,
    /// Number of channels of a token.
    pub(crate) dim: usize,
    pub(crate) depth: usize,
    /// Layers of the transformers along time and along the bands, at each depth.
    pub(crate) layers: [usize; 2],
    pub(crate) heads: usize,
    /// Number of channels of a head.
    pub(crate) head: usize,
    /// Number of linear layers of a mask estimator before its last.
    pub(crate) mask_layers: usize,
    /// Number of channels inside a mask estimator.
    pub(crate) mask_hidden: usize,
    /// Frequencies of each band, ascending.
    pub(crate) bands: Vec<Vec<usize>>,
    pub(crate) fft_size: usize,
    pub(crate) window_size: usize,
    pub(crate) hop: usize,
    /// Whether the lowest frequency is silenced.
    pub(crate) zero_dc: bool,
    /// Number of frames of a chunk.
    pub(crate) chunk_frames: usize,
    /// Number of chunks that hear each frame of a song.
    pub(crate) overlaps: usize,
    /// Whether a song is brought to mean 0 and deviation 1 first.
    pub(crate) normalise: bool,
}

impl Config {
    /// Determines the shape from the text of a YAML file.
    pub(crate) fn from_yaml(text: &str) -> Result<Self, ModelError> {
        let mut sections = sections(text)?;
        if !sections.contains_key("model") {
            return Err(ModelError::NotConfig {
                source: "it has no section 'model'".into(),
            });
        }

        let mut model = Settings::take_from(&mut sections, "model")?;
        let mut audio = Settings::take_from(&mut sections, "audio")?;
        let mut training = Settings::take_from(&mut sections, "training")?;
        let mut inference = Settings::take_from(&mut sections, "inference")?;
        refuse_unsupported(&mut model, &mut audio)?;

        let (sources, estimators) = stems(&mut model, &mut training)?;
        let chunk_frames = chunk_frames(&mut audio, &mut inference)?;
        let overlaps = inference.whole("num_overlap", 1..=64, None)?;
        let normalise = inference.flag("normalize", false)?;

        let mut config = shape(&mut model)?;
        config.sources = sources;
        config.estimators = estimators;
        config.chunk_frames = chunk_frames;
        config.overlaps = overlaps;
        config.normalise = normalise;
        model.finish()?;
        config.check()
    }

    /// Returns the number of frames of a chunk's spectrogram.
    pub(crate) fn spectrogram_frames(&self) -> usize {
        self.chunk_frames / self.hop + 1
    }

    /// Returns the number of frequencies of the spectrum.
    pub(crate) fn bins(&self) -> usize {
        self.fft_size / 2 + 1
    }

    /// Returns the number of values that a band has in a frame of the spectrogram: real and
    /// imaginary part of two channels.
    pub(crate) fn band_width(&self, band: usize) -> usize {
        4 * self.bands[band].len()
    }

    fn check(self) -> Result<Self, ModelError> {
        if !self.head.is_multiple_of(2) {
            return Err(value("dim_head", self.head, "an even number"));
        }

        if !self.chunk_frames.is_multiple_of(self.hop) || self.chunk_frames < self.fft_size {
            return Err(value(
                "chunk_size",
                self.chunk_frames,
                "a multiple of stft_hop_length, and as long as stft_n_fft at least",
            ));
        }

        // A quarter of the window at most, or some frames would be heard by one window's end alone.
        if 4 * self.hop > self.fft_size || self.window_size < 2 * self.hop {
            let expected = "up to a quarter of stft_n_fft, and half of stft_win_length";
            return Err(value("stft_hop_length", self.hop, expected));
        }

        let tokens = self.spectrogram_frames() * self.bands.len();
        if tokens > MOST_TOKENS {
            let found = format!(
                "{} frames of {} bands",
                self.spectrogram_frames(),
                self.bands.len()
            );
            return Err(value("chunk_size", found, "524288 tokens at most"));
        }

        Ok(self)
    }
}

/// Settings of which Sextet supports one value: the name, that value, and what another would need.
const FIXED: &[(&str, &str, &str)] = &[
    ("stereo", "true", "mono audio"),
    ("stft_normalized", "false", "a normalised Fourier transform"),
    ("sample_rate", "44100", "another sample rate"),
    ("skip_connection", "false", "skip connections"),
    ("linear_transformer_depth", "0", "linear attention"),
    ("add_value_residual", "false", "residuals of the values"),
    (
        "learned_value_residual_mix",
        "false",
        "residuals of the values",
    ),
    ("use_pope", "false", "polar position embeddings"),
    (
        "use_value_residual_learning",
        "false",
        "residuals of the values",
    ),
    (
        "use_shared_bias",
        "false",
        "biases that several layers share",
    ),
];

/// Settings that matter only for training, or for how the reference computes.
const WITHOUT_EFFECT: &[&str] = &[
    "attn_dropout",
    "ff_dropout",
    "flash_attn",
    "sage_attention",
    "use_torch_checkpoint",
    "num_residual_streams",
    "num_residual_fracs",
    "dim_freqs_in",
    "match_input_audio_length",
    "multi_stft_resolution_loss_weight",
    "multi_stft_resolutions_window_sizes",
    "multi_stft_hop_size",
    "multi_stft_normalized",
];

fn refuse_unsupported(model: &mut Settings, audio: &mut Settings) -> Result<(), ModelError> {
    // The reference hears one channel unless the configuration says otherwise.
    let stereo = model.flag("stereo", false)?;
    if !stereo {
        return Err(ModelError::Unsupported {
            feature: "mono audio",
            name: "stereo",
            found: "false".to_owned(),
            expected: "true",
        });
    }

    for &(name, expected, feature) in FIXED {
        model.fixed(name, expected, feature)?;
    }

    if let Some(range) = model.take("freq_range") {
        return Err(ModelError::Unsupported {
            feature: "a part of the spectrum",
            name: "freq_range",
            found: shown(range),
            expected: "null",
        });
    }

    WITHOUT_EFFECT
        .iter()
        .for_each(|name| drop(model.take(name)));
    audio.fixed("sample_rate", "44100", "another sample rate")?;
    audio.fixed("num_channels", "2", "other than stereo audio")
}

/// Returns the stems in canonical order with the numbers of their mask estimators.
fn stems(
    model: &mut Settings,
    training: &mut Settings,
) -> Result<(Vec<Stem>, Vec<usize>), ModelError> {
    let mut names = training.texts("instruments")?;
    if let Some(target) = training.take("target_instrument") {
        let Json::String(target) = target else {
            return Err(value("target_instrument", target, "a text"));
        };
        names = vec![target];
    }

    let count = model.whole("num_stems", 1..=64, Some(1))?;
    if names.len() != count {
        let expected = "as many as the instruments, or 1 for a target instrument";
        return Err(value("num_stems", count, expected));
    }

    let stem = |(index, name): (usize, &String)| Some((name.to_lowercase().parse().ok()?, index));
    let stems: Option<Vec<(Stem, usize)>> = names.iter().enumerate().map(stem).collect();
    let mut stems = stems.unwrap_or_default();
    stems.sort();
    let twice = stems.windows(2).any(|pair| pair[0].0 == pair[1].0);
    if stems.is_empty() || twice {
        let found = shown(names.join(", "));
        return Err(ModelError::Instruments { found });
    }
    Ok(stems.into_iter().unzip())
}

/// Returns the length of a chunk, which older configurations have among what is said of the audio.
fn chunk_frames(audio: &mut Settings, inference: &mut Settings) -> Result<usize, ModelError> {
    let range = 1..=LONGEST_CHUNK_FRAMES;
    let of_audio = audio.whole("chunk_size", range.clone(), Some(DEFAULT_CHUNK_FRAMES))?;
    inference.whole("chunk_size", range, Some(of_audio))
}

/// Reads what the network is made of. Stems, chunks and norms of the song are left open.
fn shape(model: &mut Settings) -> Result<Config, ModelError> {
    let fft_size = model.whole("stft_n_fft", 64..=16_384, Some(2048))?;
    if !fft_size.is_power_of_two() {
        return Err(value("stft_n_fft", fft_size, "a power of two"));
    }

    let kind = match model.take("num_bands") {
        None => (Kind::BandSplit, bands::split(model, fft_size)?),
        Some(bands) => (Kind::MelBand, bands::mel(&bands, fft_size)?),
    };
    let (kind, bands) = kind;

    let dim = model.whole("dim", 1..=8192, None)?;
    let default_depth = usize::from(kind == Kind::BandSplit) + 1;
    let mask_depth = model.whole("mask_estimator_depth", 1..=16, Some(default_depth))?;
    let expansion = model.whole("mlp_expansion_factor", 1..=64, Some(4))?;

    Ok(Config {
        kind,
        sources: Vec::new(),
        estimators: Vec::new(),
        dim,
        depth: model.whole("depth", 1..=64, None)?,
        layers: [
            model.whole("time_transformer_depth", 1..=16, Some(2))?,
            model.whole("freq_transformer_depth", 1..=16, Some(2))?,
        ],
        heads: model.whole("heads", 1..=256, Some(8))?,
        head: model.whole("dim_head", 2..=1024, Some(64))?,
        // The two references count differently.
        mask_layers: mask_depth - usize::from(kind == Kind::BandSplit),
        mask_hidden: dim * expansion,
        bands,
        fft_size,
        window_size: model.whole("stft_win_length", 2..=fft_size, Some(2048.min(fft_size)))?,
        hop: model.whole("stft_hop_length", 1..=8192, Some(512))?,
        zero_dc: kind == Kind::BandSplit && model.flag("zero_dc", false)?,
        chunk_frames: 0,
        overlaps: 0,
        normalise: false,
    })
}
