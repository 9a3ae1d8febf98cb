//! The six stems of a cache entry, open for reading anywhere in them.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use sextet_protocol::Stem;
use sextet_protocol::cache::Entry;
use sextet_wav::{FloatWav, WavError};

use super::CHANNELS;

/// Float32 stereo WAV files of one rate and length, held open, so that they can be played on when
/// the cache is deleted. A stem that the model does not give is silent.
pub(crate) struct StemFiles {
    entry: Entry,
    files: Vec<Option<FloatWav>>,
    /// Buffer for the samples of one read, reused.
    scratch: Vec<f32>,
}

/// The reason for which stems cannot be played.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StemFilesError {
    /// A file is missing or is not of the kind that an entry holds.
    #[error("the stem '{}' cannot be read: {source}", path.display())]
    Open {
        /// Path of the file.
        path: PathBuf,
        /// The reason.
        source: WavError,
    },
    /// A file does not fit its manifest.
    #[error(
        "the stem '{}' has {found_frames} frames at {found_hz} Hz; expected {frames} at {rate_hz} Hz", path.display()
    )]
    Length {
        /// Path of the file.
        path: PathBuf,
        /// Number of frames by the manifest.
        frames: u64,
        /// Sample rate in Hz by the manifest.
        rate_hz: u32,
        /// Number of frames in the file.
        found_frames: u64,
        /// Sample rate in Hz of the file.
        found_hz: u32,
    },
}

impl StemFiles {
    /// Opens the files of an entry, which is held from then on.
    ///
    /// # Errors
    /// When one cannot be read, is not stereo float32, or differs in rate or length from the
    /// manifest.
    pub(crate) fn open(entry: Entry) -> Result<Self, StemFilesError> {
        let (rate_hz, frames) = (entry.manifest().rate_hz, entry.manifest().frames);
        let mut files = Vec::with_capacity(Stem::ALL.len());
        for stem in Stem::ALL {
            let Some(path) = entry.stem_path(stem) else {
                files.push(None);
                continue;
            };

            let wav = File::open(&path)
                .map_err(WavError::from)
                .and_then(FloatWav::open);
            let wav = wav.map_err(|source| StemFilesError::Open {
                path: path.clone(),
                source,
            })?;

            if (wav.rate_hz(), wav.frames()) != (rate_hz, frames) {
                let (found_hz, found_frames) = (wav.rate_hz(), wav.frames());
                return Err(StemFilesError::Length {
                    path,
                    frames,
                    rate_hz,
                    found_frames,
                    found_hz,
                });
            }

            files.push(Some(wav));
        }

        Ok(Self {
            entry,
            files,
            scratch: Vec::new(),
        })
    }

    /// Returns the entry.
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Returns the number of frames of each stem.
    pub(crate) fn frames(&self) -> u64 {
        self.entry.manifest().frames
    }

    /// Reads `frames` frames from `first` on of all stems into planar channels, with silence before
    /// the beginning and after the end. Channel `c` begins at `c * frames` of `planar`.
    ///
    /// # Errors
    /// The system's error. From the failure on, `planar` is silent then.
    pub(crate) fn read_into(
        &mut self,
        first: i64,
        frames: usize,
        planar: &mut [f32],
    ) -> io::Result<()> {
        debug_assert_eq!(planar.len(), CHANNELS * frames);
        planar.fill(0.0);
        let end = first
            .saturating_add(frames as i64)
            .clamp(0, self.frames().cast_signed());

        let start = first.clamp(0, end);
        let (skip, count) = ((start - first) as usize, (end - start) as usize);

        if count == 0 {
            return Ok(());
        }

        self.scratch.resize(2 * count, 0.0);
        for (file, channels) in self
            .files
            .iter_mut()
            .zip(planar.chunks_exact_mut(2 * frames))
        {
            let Some(file) = file else { continue };
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
