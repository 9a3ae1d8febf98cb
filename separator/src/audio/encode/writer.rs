//! Writer of one file that ffmpeg encodes.

use std::path::{Path, PathBuf};

use super::command::command;
use super::feed::Feed;
use super::options::EncodeOptions;
use super::tag;
use crate::audio::frame_count::FrameCount;
use crate::audio::pcm_encoder::{Order, PcmEncoder};
use crate::audio::write_error::WriteError;
use crate::audio::write_options::WrittenFile;
use crate::audio::{Audio, Ffmpeg, FfmpegFault, Layout};

/// Writer of one file that ffmpeg encodes.
///
/// The caller decides what becomes of a file that is not completed.
pub struct EncodedWriter {
    path: PathBuf,
    options: EncodeOptions,
    count: FrameCount,
    samples: PcmEncoder,
    feed: Feed,
}

impl EncodedWriter {
    /// Begins the file under `path`, which exists and is empty, with `total_frames` frames of
    /// `layout`.
    ///
    /// # Errors
    /// Returns a [`WriteError`] as the cause: ffmpeg cannot be started.
    pub fn new(
        ffmpeg: &Ffmpeg,
        path: &Path,
        layout: Layout,
        options: &EncodeOptions,
        total_frames: u64,
    ) -> crate::Result<Self> {
        let command = command(ffmpeg, path, layout, options);
        let feed = Feed::start(command, ffmpeg.patience()).map_err(WriteError::Ffmpeg)?;
        Ok(Self {
            path: path.to_owned(),
            options: options.clone(),
            count: FrameCount::new(layout, total_frames),
            samples: PcmEncoder::new(options.sample_bits(), Order::Little),
            feed,
        })
    }

    /// Appends `block`.
    ///
    /// # Errors
    /// Returns a [`WriteError`] as the cause: ffmpeg fails, or the block has another layout or
    /// exceeds the announced length.
    pub fn write(&mut self, block: &Audio) -> crate::Result<()> {
        self.count.add(block)?;
        let mut bytes = Vec::new();
        self.samples
            .write(block, &mut bytes)
            .map_err(WriteError::of)?;
        self.feed.send(bytes).map_err(write_fault)?;
        Ok(())
    }

    /// Completes the file and returns its summary.
    ///
    /// # Errors
    /// Returns a [`WriteError`] as the cause: ffmpeg fails, the disk is full or fails, or fewer
    /// frames were written than announced.
    pub fn finish(self) -> crate::Result<WrittenFile> {
        let (frames, clipped_samples) = (self.count.finish()?, self.samples.clipped());
        self.feed.finish().map_err(write_fault)?;
        let bytes = tag::complete(&self.path, &self.options)?;
        Ok(WrittenFile {
            frames,
            clipped_samples,
            bytes,
            sha256: None,
        })
    }
}

fn write_fault(fault: FfmpegFault) -> WriteError {
    match fault {
        FfmpegFault::Ended { said, .. } if said.contains("No space left on device") => {
            WriteError::Full {
                source: std::io::Error::new(std::io::ErrorKind::StorageFull, said),
            }
        }
        fault => WriteError::Ffmpeg(fault),
    }
}
