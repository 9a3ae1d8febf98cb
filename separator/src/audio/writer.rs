//! Audio files, written to whatever the caller has opened for them.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::aiff_writer::{self, AiffWriter};
use super::flac_writer::{self, FlacWriter};
use super::frame_count::FrameCount;
use super::limits::MAX_CHANNELS;
use super::wav_writer::WavWriter;
use super::write_error::WriteError;
use super::write_options::{Bits, FileFormat, WriteOptions, WrittenFile};
use super::{Audio, Layout};

/// Writer of one audio file whose length is known beforehand.
///
/// It writes to `W`, which the caller has opened, which is empty, and which
/// [`AudioWriter::finish`] gives back. Names, and what becomes of a file that is not completed, are
/// the caller's business.
pub struct AudioWriter<W: Write + Seek> {
    count: FrameCount,
    encoder: Encoder<W>,
    out: Output<W>,
}

enum Encoder<W: Write + Seek> {
    Wav(WavWriter<Output<W>>),
    Flac(Box<FlacWriter<Output<W>>>),
    Aiff(AiffWriter<Output<W>>),
}

impl<W: Write + Seek> AudioWriter<W> {
    /// Begins a file in `out`, which will have `total_frames` frames of `layout`.
    ///
    /// # Errors
    /// Returns a [`WriteError`] as the cause: kind [`Options`](crate::ErrorKind::Options) for
    /// floating point in FLAC, otherwise [`Output`](crate::ErrorKind::Output), when `out` cannot be
    /// written to or the format cannot hold the layout.
    pub fn new(
        out: W,
        layout: Layout,
        options: &WriteOptions,
        total_frames: u64,
    ) -> crate::Result<Self> {
        Self::begin(out, layout, options, total_frames, None)
    }

    /// Begins a WAV or AIFF file whose hash is computed while it is written, for a reader that
    /// compares the file with it.
    ///
    /// # Errors
    /// Fails like [`AudioWriter::new`]. A FLAC file has no hash, since it is not written strictly
    /// from its first byte to its last.
    pub fn with_hash(
        out: W,
        layout: Layout,
        options: &WriteOptions,
        total_frames: u64,
    ) -> crate::Result<Self> {
        Self::begin(out, layout, options, total_frames, Some(Sha256::new()))
    }

    fn begin(
        out: W,
        layout: Layout,
        options: &WriteOptions,
        total_frames: u64,
        hash: Option<Sha256>,
    ) -> crate::Result<Self> {
        check(layout, options)?;
        let bytes = aiff_writer::sample_bytes(layout, options.bits, total_frames);
        let max_bytes = aiff_writer::MAX_SAMPLE_BYTES;
        if options.format == FileFormat::Aiff && bytes > max_bytes {
            return Err(WriteError::TooLong { bytes, max_bytes }.into());
        }
        let out = Output::new(out, hash);

        let (bits, tags) = (options.bits, &options.tags);
        let encoder = match options.format {
            FileFormat::Wav => WavWriter::new(out.clone(), layout, bits, tags, total_frames)
                .map(Encoder::Wav)
                .map_err(WriteError::of)?,
            FileFormat::Flac => {
                let flac = FlacWriter::new(out.clone(), layout, bits, tags, total_frames);
                Encoder::Flac(Box::new(flac.map_err(flac_error)?))
            }
            FileFormat::Aiff => AiffWriter::new(out.clone(), layout, bits, tags, total_frames)
                .map(Encoder::Aiff)
                .map_err(WriteError::of)?,
        };

        Ok(Self {
            count: FrameCount::new(layout, total_frames),
            encoder,
            out,
        })
    }

    /// Returns the number of samples so far that were beyond full scale and clipped to it.
    pub fn clipped_samples(&self) -> u64 {
        match &self.encoder {
            Encoder::Wav(wav) => wav.clipped(),
            Encoder::Flac(flac) => flac.clipped(),
            Encoder::Aiff(aiff) => aiff.clipped(),
        }
    }

    /// Appends `block`.
    ///
    /// # Errors
    /// Returns a [`WriteError`] as the cause: the disk is full or fails, or the block has another
    /// layout or exceeds the announced length.
    pub fn write(&mut self, block: &Audio) -> crate::Result<()> {
        self.count.add(block)?;
        match &mut self.encoder {
            Encoder::Wav(wav) => wav.write(block).map_err(WriteError::of)?,
            Encoder::Flac(flac) => flac.write(block).map_err(flac_error)?,
            Encoder::Aiff(aiff) => aiff.write(block).map_err(WriteError::of)?,
        }

        Ok(())
    }

    /// Completes the file. Returns its summary, and what it was written to.
    ///
    /// # Errors
    /// Returns a [`WriteError`] as the cause: the disk is full or fails, or fewer frames were
    /// written than announced.
    pub fn finish(self) -> crate::Result<(WrittenFile, W)> {
        let frames = self.count.finish()?;
        let clipped_samples = self.clipped_samples();
        match self.encoder {
            Encoder::Wav(wav) => drop(wav.finish().map_err(WriteError::of)?),
            Encoder::Flac(flac) => flac.finish().map_err(flac_error)?,
            Encoder::Aiff(aiff) => drop(aiff.finish().map_err(WriteError::of)?),
        }

        let (mut out, sha256) = self.out.into_inner().map_err(WriteError::of)?;
        let bytes = out.seek(SeekFrom::End(0)).map_err(WriteError::of)?;
        let written = WrittenFile {
            frames,
            clipped_samples,
            bytes,
            sha256,
        };
        Ok((written, out))
    }
}

/// Buffered output that an encoder owns a clone of, since encoders do not give it back.
struct Output<W: Write>(Arc<Mutex<Buffered<W>>>);

/// Buffered output, with the hash of the bytes written so far if one is wanted.
struct Buffered<W: Write> {
    out: BufWriter<W>,
    hash: Option<Sha256>,
}

impl<W: Write> Clone for Output<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Write> Output<W> {
    fn new(out: W, hash: Option<Sha256>) -> Self {
        let out = BufWriter::with_capacity(1 << 16, out);
        Self(Arc::new(Mutex::new(Buffered { out, hash })))
    }

    /// Flushes the buffer. Returns the output and the hash of all bytes written, in hexadecimal.
    /// The encoder must be gone.
    fn into_inner(self) -> io::Result<(W, Option<String>)> {
        let only = Arc::into_inner(self.0).ok_or_else(|| io::Error::other("it is in use"))?;
        let Buffered { out, hash } = only.into_inner().unwrap_or_else(PoisonError::into_inner);

        let out = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((out, hash.map(|hash| hex::encode(hash.finalize()))))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Buffered<W>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|buffered| {
            let written = buffered.out.write(bytes)?;
            if let Some(hash) = &mut buffered.hash {
                hash.update(&bytes[..written]);
            }
            Ok(written)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.with(|buffered| buffered.out.flush())
    }
}

impl<W: Write + Seek> Seek for Output<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.with(|buffered| {
            // A seek ends the hash: the bytes are no longer written in the order of the file.
            buffered.hash = None;
            buffered.out.seek(to)
        })
    }
}

fn check(layout: Layout, options: &WriteOptions) -> Result<(), WriteError> {
    let flac = options.format == FileFormat::Flac;
    if flac && options.bits == Bits::Float32 {
        return Err(WriteError::FloatFlac);
    }

    let max_rate_hz = if flac {
        flac_writer::MAX_RATE_HZ
    } else {
        u32::MAX
    };

    let Layout { channels, rate_hz } = layout;
    if !(1..=MAX_CHANNELS).contains(&channels) || !(1..=max_rate_hz).contains(&rate_hz) {
        return Err(WriteError::Layout {
            channels,
            rate_hz,
            max_rate_hz,
        });
    }

    Ok(())
}

fn flac_error(source: flac_codec::Error) -> WriteError {
    match source {
        flac_codec::Error::Io(source) => WriteError::of(source),
        source => WriteError::Flac {
            source: source.into(),
        },
    }
}
