//! Float32 stereo files: random-access reading and sequential writing.
//!
//! The plugin knows no other kind of file: captures and the stems in the cache are of this kind.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use crate::write_header::SizeRoom;
use crate::{HeaderError, SampleFormat, WavFormat, WavHeader, bytes_of, bytes_of_mut};

/// Size of a stereo frame in bytes.
const FRAME_BYTES: u64 = 8;
/// Size of the header that is written, in bytes: RIFF, room for `ds64`, `fmt `, `fact` and the head
/// of `data`.
pub const HEADER_BYTES: u64 = 12 + 36 + 26 + 12 + 8;

/// A stereo float32 WAV file, open for reading.
#[derive(Debug)]
pub struct FloatWav<R = File> {
    file: R,
    rate_hz: u32,
    data_start: u64,
    frames: u64,
}

/// The reason for which a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// The system cannot read the file.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// The file's header cannot be used.
    #[error("it is no WAV file of float32 stereo samples: {0}")]
    Header(#[source] HeaderError),
    /// The file is of another kind.
    #[error("it is no WAV file of float32 stereo samples: {0}")]
    Kind(&'static str),
    /// The file was cut off.
    #[error("it holds {found} frames where its header says {expected}")]
    Short {
        /// Number of frames by the header.
        expected: u64,
        /// Number of frames by the file's length.
        found: u64,
    },
}

impl From<HeaderError> for WavError {
    fn from(error: HeaderError) -> Self {
        match error {
            HeaderError::Io(error) => Self::Io(error),
            error => Self::Header(error),
        }
    }
}

impl<R: Read + Seek> FloatWav<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// When the file is not stereo float32 WAV, does not say how long it is, or is shorter than it
    /// says.
    pub fn open(mut file: R) -> Result<Self, WavError> {
        file.rewind()?;
        let WavHeader {
            format,
            data_start,
            data_bytes,
        } = WavHeader::read(&mut file)?;

        if format.samples != SampleFormat::F32 {
            return Err(WavError::Kind(
                "its samples are not floating point of 32 bits",
            ));
        }
        if format.channels != 2 {
            return Err(WavError::Kind("it does not have two channels"));
        }

        let data_bytes = data_bytes.ok_or(WavError::Kind("its header leaves its length open"))?;
        let there = file.seek(SeekFrom::End(0))?.saturating_sub(data_start);
        let (expected, found) = (data_bytes / FRAME_BYTES, there / FRAME_BYTES);
        if found < expected {
            return Err(WavError::Short { expected, found });
        }

        Ok(Self {
            file,
            rate_hz: format.rate_hz,
            data_start,
            frames: expected,
        })
    }

    /// Returns the sample rate in Hz.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Returns the number of frames.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Reads interleaved frames from `first` on, until `out` is full.
    ///
    /// # Errors
    /// The system's error; also when the file has become shorter.
    pub fn read_into(&mut self, first: u64, out: &mut [f32]) -> io::Result<()> {
        let start = self.data_start + FRAME_BYTES * first;
        self.file.seek(SeekFrom::Start(start))?;
        self.file.read_exact(bytes_of_mut(out))
    }
}

/// A writer of a stereo float32 WAV file, from beginning to end.
pub struct FloatWavWriter<W: Write + Seek> {
    out: BufWriter<W>,
    rate_hz: u32,
    frames: u64,
}

impl<W: Write + Seek> FloatWavWriter<W> {
    /// Begins a file in `out`, which is empty.
    ///
    /// # Errors
    /// The system's error.
    pub fn new(out: W, rate_hz: u32) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 16, out);
        write_header(&mut out, rate_hz, 0)?;
        Ok(Self {
            out,
            rate_hz,
            frames: 0,
        })
    }

    /// Adds interleaved frames.
    ///
    /// # Errors
    /// The system's error: mostly that the disk is full.
    pub fn write(&mut self, interleaved: &[f32]) -> io::Result<()> {
        debug_assert!(interleaved.len().is_multiple_of(2));
        self.out.write_all(bytes_of(interleaved))?;
        self.frames += interleaved.len() as u64 / 2;
        Ok(())
    }

    /// Completes the file and returns it.
    ///
    /// # Errors
    /// The system's error.
    pub fn finish(self) -> io::Result<W> {
        let out = self.out.into_inner();
        let mut out = out.map_err(io::IntoInnerError::into_error)?;
        write_header(&mut out, self.rate_hz, self.frames)?;
        Ok(out)
    }
}

/// Writes the header of a stereo float32 WAV file whose frames lie behind [`HEADER_BYTES`] already.
///
/// # Errors
/// The system's error.
pub fn write_header(file: &mut (impl Write + Seek), rate_hz: u32, frames: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header(rate_hz, frames))
}

fn header(rate_hz: u32, frames: u64) -> Vec<u8> {
    let format = WavFormat::float_stereo(rate_hz);
    let (header, _) = format.header_with(frames, &[], SizeRoom::Always);
    debug_assert_eq!(header.len() as u64, HEADER_BYTES);
    header
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn what_is_written_is_read_anywhere() {
        let samples: Vec<f32> = (0..2_000).map(|n| (n as f32).sin()).collect();

        let mut writer = FloatWavWriter::new(Cursor::new(Vec::new()), 48_000).unwrap();
        for run in samples.chunks(74) {
            writer.write(run).unwrap();
        }

        let mut wav = FloatWav::open(writer.finish().unwrap()).unwrap();
        assert_eq!((wav.rate_hz(), wav.frames()), (48_000, 1_000));

        let mut out = [0.0; 20];
        each_case([0, 1, 500, 990], |first| {
            wav.read_into(first as u64, &mut out).unwrap();
            assert_eq!(out, samples[2 * first..][..20]);
        });

        assert!(wav.read_into(991, &mut out).is_err());
    }

    #[test]
    fn what_is_no_float_stereo_is_refused() {
        let good = header(44_100, 5);
        let with = |at: usize, byte: u8| {
            let mut bad = good.clone();
            bad[at] = byte;
            bad
        };

        let format = 12 + 36 + 8;
        let cases = [
            (vec![], "no WAVE file"),
            (b"RIFFxxxxWAVE".to_vec(), "cut off"),
            (with(0, b'X'), "no WAVE file"),
            (with(format, 1), "floating"),
            (with(format, 2), "codec 0x0002"),
            (with(format + 2, 1), "1 samples of 32 bits have 8 bytes"),
            (with(format + 14, 64), "32 bits"),
            (with(format + 14, 20), "20 bits"),
            (header(44_100, 0), "leaves its length open"),
            (header(44_100, 5), "0 frames where its header says 5"),
        ];

        each_case(cases, |(bytes, expected)| {
            let error = FloatWav::open(Cursor::new(bytes)).unwrap_err().to_string();
            assert!(
                error.contains(expected),
                "'{error}' does not say '{expected}'"
            );
        });
    }
}
