//! Weights of `sextet-mini`, a small model of Sextet's own that separates a song into drums, bass,
//! other, vocals, guitar and piano.
//!
//! `sextet-separator` reads them where its feature `bundled-model` is on, as it is by default. The
//! crate's README is the model card: data, training, quality and limits.

/// Checkpoint as the bytes of a `.safetensors` file in demucs' layout.
pub const CHECKPOINT: &[u8] = include_bytes!("../sextet-mini.safetensors");
