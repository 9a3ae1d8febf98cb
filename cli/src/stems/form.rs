//! The form of a song's files: written by Sextet itself, or encoded by ffmpeg.

use std::fs::File;
use std::path::PathBuf;

use anyhow::Result;
use sextet_protocol::cache::sha256_of_file;
use sextet_separator::audio::{
    Audio, AudioWriter, EncodeOptions, EncodedWriter, Ffmpeg, FileFormat, Layout, Tags,
    WriteOptions, WrittenFile,
};

use super::care::Care;

/// A file that was created and is empty, under the name that it has until it is complete.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
}

/// The form of the files.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// Written by Sextet itself.
    Own(WriteOptions),
    /// Encoded by ffmpeg.
    Encoded(EncodeOptions, &'static Ffmpeg),
}

impl From<WriteOptions> for Form {
    fn from(options: WriteOptions) -> Self {
        Self::Own(options)
    }
}

impl Form {
    /// Whether all parts go into one file, whose first part is the mix.
    pub(super) fn is_joined(&self) -> bool {
        matches!(self, Self::Encoded(options, _) if !options.stems.is_empty())
    }

    /// Returns the bytes of a sample, if the size of a file is known in advance.
    pub(super) fn bytes_a_sample(&self) -> Option<u32> {
        match self {
            Self::Own(options) if options.format != FileFormat::Flac => {
                Some(options.bits.count() / 8)
            }
            _ => None,
        }
    }

    /// Changes the tags of a file.
    pub(super) fn map_tags(self, change: impl FnOnce(&Tags) -> Tags) -> Self {
        match self {
            Self::Own(options) => {
                let tags = change(&options.tags);
                Self::Own(options.tags(tags))
            }
            Self::Encoded(options, ffmpeg) => {
                let tags = change(&options.tags);
                Self::Encoded(options.tags(tags), ffmpeg)
            }
        }
    }

    /// Begins a file of `frames` frames.
    ///
    /// # Errors
    /// When it cannot be written to, or ffmpeg cannot be started.
    pub(super) fn begin(
        &self,
        created: Created,
        layout: Layout,
        frames: u64,
        care: Care,
    ) -> Result<FormWriter> {
        let Created { file, path } = created;
        let writer = match self {
            Self::Own(options) if care.is_hashed() => {
                Writer::Own(AudioWriter::with_hash(file, layout, options, frames)?)
            }
            Self::Own(options) => Writer::Own(AudioWriter::new(file, layout, options, frames)?),
            Self::Encoded(options, ffmpeg) => {
                let writer = EncodedWriter::new(ffmpeg, &path, layout, options, frames)?;
                Writer::Encoded(Box::new(writer), file)
            }
        };
        Ok(FormWriter { writer, care, path })
    }
}

/// Writer of one file in any form.
pub(super) struct FormWriter {
    writer: Writer,
    care: Care,
    /// Name until the file is complete.
    path: PathBuf,
}

enum Writer {
    Own(AudioWriter<File>),
    /// With the file, which is empty to us until the end.
    Encoded(Box<EncodedWriter>, File),
}

impl FormWriter {
    /// Appends `block`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&mut self, block: &Audio) -> Result<()> {
        match &mut self.writer {
            Writer::Own(writer) => writer.write(block)?,
            Writer::Encoded(writer, _) => writer.write(block)?,
        }
        Ok(())
    }

    /// Completes the file.
    ///
    /// # Errors
    /// When it cannot be completed.
    pub(super) fn finish(self) -> Result<WrittenFile> {
        let (mut written, file) = match self.writer {
            Writer::Own(writer) => writer.finish()?,
            Writer::Encoded(writer, file) => (writer.finish()?, file),
        };
        if self.care.is_hashed() && written.sha256.is_none() {
            // The file was not written from its first byte to its last.
            written.sha256 = Some(sha256_of_file(&self.path, &|| false)?);
        }
        if self.care.is_synced() {
            file.sync_all()?;
        }
        Ok(written)
    }
}
