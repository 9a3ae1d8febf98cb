//! Audio files that appear under their final name only when they are complete.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::flac_writer::{self, FlacWriter};
use super::limits::MAX_CHANNELS;
use super::wav_writer::WavWriter;
use super::write_error::WriteError;
use super::{Audio, Layout, Tags};

/// Format of an output file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FileFormat {
    /// RIFF WAVE; RF64 above 4 GiB.
    #[default]
    Wav,
    /// FLAC.
    Flac,
}

impl FileFormat {
    /// Returns the usual file extension: `wav` or `flac`.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Flac => "flac",
        }
    }
}

/// Storage format of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Bits {
    /// 16-bit integers.
    B16,
    /// 24-bit integers.
    B24,
    /// 32-bit floating point, unchanged.
    #[default]
    Float32,
}

impl Bits {
    /// Returns the number of bits of a sample.
    pub fn count(self) -> u32 {
        match self {
            Self::B16 => 16,
            Self::B24 => 24,
            Self::Float32 => 32,
        }
    }
}

/// Options for writing a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Format of the file.
    pub format: FileFormat,
    /// Storage format of samples. FLAC holds integers only.
    pub bits: Bits,
    /// Tags of the song. They are written before the samples, so they must be known at the start.
    pub tags: Tags,
}

/// Summary of a file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Number of frames.
    pub frames: u64,
    /// Number of samples, over all channels, that were beyond full scale and clipped to it. Always
    /// 0 for floating point.
    pub clipped_samples: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file in hexadecimal, for a file that was begun by
    /// [`AudioWriter::create_checked`].
    pub sha256: Option<String>,
}

/// Writer of one audio file whose length is known beforehand.
///
/// The writer writes to a temporary file in the same folder. [`AudioWriter::finish`] gives it its
/// final name once it is complete and, unless it is a checked file, flushed to disk. Only then an
/// older file of that name is replaced. Dropping the writer before that removes the temporary file.
pub struct AudioWriter {
    path: PathBuf,
    layout: Layout,
    expected_frames: u64,
    frames: u64,
    // Must precede the file that it writes to: dropping the FLAC encoder writes to the file once
    // more.
    encoder: Encoder,
    file: NamedTempFile,
    out: Output,
}

enum Encoder {
    Wav(WavWriter<Output>),
    Flac(Box<FlacWriter<Output>>),
}

impl AudioWriter {
    /// Begins the file `path`, which will have `total_frames` frames of `layout`. Its folder must
    /// exist.
    ///
    /// # Errors
    /// Returns a [`WriteError`] as the cause: kind [`Options`](crate::ErrorKind::Options) for
    /// floating point in FLAC, otherwise [`Output`](crate::ErrorKind::Output), when the file cannot
    /// be created or the format cannot hold the layout.
    pub fn create(
        path: impl AsRef<Path>,
        layout: Layout,
        options: &WriteOptions,
        total_frames: u64,
    ) -> crate::Result<Self> {
        Self::begin(path.as_ref(), layout, options, total_frames, None)
    }

    /// Begins a WAV file that is compared with its hash whenever it is used. The hash is computed
    /// while the file is written, and [`AudioWriter::finish`] does not wait for the disk: damage by
    /// a crash of the machine is found by the hash.
    ///
    /// # Errors
    /// Fails like [`AudioWriter::create`]. A FLAC file has no hash, since it is not written
    /// strictly from its first byte to its last.
    pub fn create_checked(
        path: impl AsRef<Path>,
        layout: Layout,
        options: &WriteOptions,
        total_frames: u64,
    ) -> crate::Result<Self> {
        Self::begin(
            path.as_ref(),
            layout,
            options,
            total_frames,
            Some(Sha256::new()),
        )
    }

    fn begin(
        path: &Path,
        layout: Layout,
        options: &WriteOptions,
        total_frames: u64,
        hash: Option<Sha256>,
    ) -> crate::Result<Self> {
        let path = path.to_owned();
        check(&path, layout, options)?;
        let file = temporary_file(&path).map_err(|source| WriteError::Create {
            path: path.clone(),
            source,
        })?;

        let clone = file.as_file().try_clone();
        let out = Output::new(
            clone.map_err(|source| WriteError::Create {
                path: path.clone(),
                source,
            })?,
            hash,
        );

        let (bits, tags) = (options.bits, &options.tags);
        let encoder = match options.format {
            FileFormat::Wav => WavWriter::new(out.clone(), layout, bits, tags, total_frames)
                .map(Encoder::Wav)
                .map_err(|source| write_error(&path, source))?,
            FileFormat::Flac => {
                let flac = FlacWriter::new(out.clone(), layout, bits, tags, total_frames);
                Encoder::Flac(Box::new(flac.map_err(|source| flac_error(&path, source))?))
            }
        };

        Ok(Self {
            path,
            layout,
            expected_frames: total_frames,
            frames: 0,
            encoder,
            file,
            out,
        })
    }

    /// Returns the path of the temporary file, for a caller that must remove it when the program is
    /// interrupted.
    pub fn temporary_path(&self) -> &Path {
        self.file.path()
    }

    /// Returns the final path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of samples so far that were beyond full scale and clipped to it.
    pub fn clipped_samples(&self) -> u64 {
        match &self.encoder {
            Encoder::Wav(wav) => wav.clipped(),
            Encoder::Flac(flac) => flac.clipped(),
        }
    }

    /// Appends `block`.
    ///
    /// # Errors
    /// Returns a [`WriteError`] as the cause: the disk is full or fails, or the block has another
    /// layout or exceeds the announced length.
    pub fn write(&mut self, block: &Audio) -> crate::Result<()> {
        if block.layout() != self.layout {
            let (expected, found) = (self.layout, block.layout());
            return Err(WriteError::Block {
                path: self.path.clone(),
                expected,
                found,
            }
            .into());
        }

        self.frames += block.frames() as u64;
        if self.frames > self.expected_frames {
            return Err(self.wrong_length().into());
        }

        match &mut self.encoder {
            Encoder::Wav(wav) => wav
                .write(block)
                .map_err(|source| write_error(&self.path, source))?,
            Encoder::Flac(flac) => flac
                .write(block)
                .map_err(|source| flac_error(&self.path, source))?,
        }

        Ok(())
    }

    /// Completes the file and gives it its final name.
    ///
    /// # Errors
    /// Returns a [`WriteError`] as the cause: the disk is full or fails, or fewer frames were
    /// written than announced. No file is left behind in that case.
    pub fn finish(self) -> crate::Result<Written> {
        if self.frames != self.expected_frames {
            return Err(self.wrong_length().into());
        }

        let clipped_samples = self.clipped_samples();
        let Self {
            path,
            frames,
            encoder,
            file,
            out,
            ..
        } = self;

        let failed = |source| write_error(&path, source);

        // Complete the contents.
        match encoder {
            Encoder::Wav(wav) => drop(wav.finish().map_err(failed)?),
            Encoder::Flac(flac) => flac.finish().map_err(|source| flac_error(&path, source))?,
        }

        out.flush_all().map_err(failed)?;
        let sha256 = out.hash();

        // Flush the file to disk, unless it is a checked one, and rename it.
        if sha256.is_none() {
            file.as_file().sync_all().map_err(failed)?;
        }

        let bytes = file.as_file().metadata().map_err(failed)?.len();
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(Written {
            frames,
            clipped_samples,
            bytes,
            sha256,
        })
    }

    fn wrong_length(&self) -> WriteError {
        WriteError::Frames {
            path: self.path.clone(),
            expected: self.expected_frames,
            found: self.frames,
        }
    }
}

/// Buffered file that an encoder owns. Another clone can flush it and report errors after the
/// encoder is dropped.
#[derive(Clone)]
struct Output(Arc<Mutex<Buffered>>);

/// Buffered file, with the hash of the bytes written so far if one is wanted.
struct Buffered {
    file: BufWriter<File>,
    hash: Option<Sha256>,
}

impl Output {
    fn new(file: File, hash: Option<Sha256>) -> Self {
        Self(Arc::new(Mutex::new(Buffered {
            file: BufWriter::with_capacity(1 << 16, file),
            hash,
        })))
    }

    fn flush_all(&self) -> std::io::Result<()> {
        self.with(|out| out.file.flush())
    }

    /// Returns the hash of all bytes written, in hexadecimal.
    fn hash(&self) -> Option<String> {
        let hash = self.with(|out| out.hash.take())?;
        Some(
            hash.finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }

    fn with<T>(&self, act: impl FnOnce(&mut Buffered) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.with(|out| {
            let written = out.file.write(bytes)?;
            if let Some(hash) = &mut out.hash {
                hash.update(&bytes[..written]);
            }
            Ok(written)
        })
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.flush_all()
    }
}

impl Seek for Output {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.with(|out| {
            // A seek ends the hash: the bytes are no longer written in the order of the file.
            out.hash = None;
            out.file.seek(to)
        })
    }
}

fn check(path: &Path, layout: Layout, options: &WriteOptions) -> Result<(), WriteError> {
    let flac = options.format == FileFormat::Flac;
    if flac && options.bits == Bits::Float32 {
        return Err(WriteError::FloatFlac {
            path: path.to_owned(),
        });
    }

    let max_rate_hz = if flac {
        flac_writer::MAX_RATE_HZ
    } else {
        u32::MAX
    };

    let Layout { channels, rate_hz } = layout;
    if !(1..=MAX_CHANNELS).contains(&channels) || !(1..=max_rate_hz).contains(&rate_hz) {
        return Err(WriteError::Layout {
            path: path.to_owned(),
            channels,
            rate_hz,
            max_rate_hz,
        });
    }

    Ok(())
}

/// Creates an empty file beside `path`. It has a short name of its own, since the name of `path`
/// may already have the maximum length.
fn temporary_file(path: &Path) -> std::io::Result<NamedTempFile> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sextet-").suffix(".part");

    #[cfg(unix)]
    {
        // The user's umask applies, as for any other new file.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }

    builder.tempfile_in(folder)
}

fn write_error(path: &Path, source: std::io::Error) -> WriteError {
    let path = path.to_owned();
    match source.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            WriteError::Full { path, source }
        }
        _ => WriteError::Write { path, source },
    }
}

fn flac_error(path: &Path, source: flac_codec::Error) -> WriteError {
    match source {
        flac_codec::Error::Io(source) => write_error(path, source),
        source => WriteError::Flac {
            path: path.to_owned(),
            source: source.into(),
        },
    }
}
