//! The six stems of a cache entry, open for reading anywhere in them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sextet_protocol::Stem;

use super::CHANNELS;
use crate::wav::{FloatWav, WavError};

/// Six float32 stereo WAV files of one rate and length, held open: they can be played on when the cache is deleted.
pub(crate) struct StemFiles {
    files: Vec<FloatWav>,
    /// Bytes of one read, reused.
    scratch: Vec<f32>,
}

/// Why stems cannot be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StemFilesError {
    /// A file is not there or is not what an entry holds.
    #[error("the stem {} cannot be read", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: WavError,
    },
    /// A file does not fit the others.
    #[error("the stem {} has {found_frames} frames at {found_hz} Hz; expected {frames} at {rate_hz} Hz", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Frames of the others.
        frames: u64,
        /// Rate of the others.
        rate_hz: u32,
        /// Frames it has.
        found_frames: u64,
        /// Rate it has.
        found_hz: u32,
    },
}

impl StemFiles {
    /// Opens `drums.wav` to `piano.wav` in a folder.
    ///
    /// # Errors
    /// When one is missing, is not stereo float32, or differs in rate or length from what is expected.
    pub(crate) fn open(folder: &Path, rate_hz: u32, frames: u64) -> Result<Self, StemFilesError> {
        let mut files = Vec::with_capacity(Stem::ALL.len());
        for stem in Stem::ALL {
            let path = folder.join(stem.name()).with_extension("wav");
            let wav = File::open(&path).map_err(WavError::from).and_then(FloatWav::open);
            let wav = wav.map_err(|source| StemFilesError::Open { path: path.clone(), source })?;
            if (wav.rate_hz(), wav.frames()) != (rate_hz, frames) {
                let (found_hz, found_frames) = (wav.rate_hz(), wav.frames());
                return Err(StemFilesError::Length { path, frames, rate_hz, found_frames, found_hz });
            }
            files.push(wav);
        }
        Ok(Self { files, scratch: Vec::new() })
    }

    /// Frames of each stem.
    pub(crate) fn frames(&self) -> u64 {
        self.files[0].frames()
    }

    /// Reads `frames` frames from `first` on of all stems into planar channels, silence before the beginning and after
    /// the end: channel `c` begins at `c * frames` of `planar`.
    ///
    /// # Errors
    /// What the disk says; `planar` is silent then from where it failed.
    pub(crate) fn read_into(&mut self, first: i64, frames: usize, planar: &mut [f32]) -> io::Result<()> {
        debug_assert_eq!(planar.len(), CHANNELS * frames);
        planar.fill(0.0);
        let end = first.saturating_add(frames as i64).clamp(0, self.frames().cast_signed());
        let start = first.clamp(0, end);
        let (skip, count) = ((start - first) as usize, (end - start) as usize);
        if count == 0 {
            return Ok(());
        }
        self.scratch.resize(2 * count, 0.0);
        for (file, channels) in self.files.iter_mut().zip(planar.chunks_exact_mut(2 * frames)) {
            file.read_into(start.cast_unsigned(), &mut self.scratch)?;
            let (left, right) = channels.split_at_mut(frames);
            let outs = left[skip..].iter_mut().zip(&mut right[skip..]);
            for (frame, (left, right)) in self.scratch.chunks_exact(2).zip(outs) {
                (*left, *right) = (frame[0], frame[1]);
            }
        }
        Ok(())
    }
}
