//! Float32 WAV files: random-access reading and sequential writing.
//!
//! The plugin itself knows no other kind of file: captures and the stems in the cache are of this
//! kind. Files beyond 4 GiB are RF64 (EBU Tech 3306).

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

/// `WAVE_FORMAT_IEEE_FLOAT`.
const FLOAT: u16 = 3;
/// `WAVE_FORMAT_EXTENSIBLE`: the true format is in the first two bytes of its sub-format.
const EXTENSIBLE: u16 = 0xfffe;
/// Size of a stereo frame in bytes.
const FRAME_BYTES: u64 = 8;
/// Size of the header that is written, in bytes: RIFF, room for `ds64`, `fmt `, `fact` and the head
/// of `data`.
pub(crate) const HEADER_BYTES: u64 = 12 + 36 + 26 + 12 + 8;

/// A stereo float32 WAV file, open for reading.
#[derive(Debug)]
pub(crate) struct FloatWav {
    file: File,
    rate_hz: u32,
    data_start: u64,
    frames: u64,
    /// Buffer for the bytes of one read, reused.
    bytes: Vec<u8>,
}

/// The reason for which a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WavError {
    /// The system cannot read the file.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
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

impl FloatWav {
    /// Reads the header.
    ///
    /// # Errors
    /// When the file is not stereo float32 WAV, or shorter than it says.
    pub(crate) fn open(mut file: File) -> Result<Self, WavError> {
        let length = file.metadata()?.len();
        let mut riff = [0; 12];
        file.read_exact(&mut riff)
            .map_err(|_| WavError::Kind("it is shorter than a header"))?;

        if !matches!(&riff[..4], b"RIFF" | b"RF64") || &riff[8..] != b"WAVE" {
            return Err(WavError::Kind("it does not begin as one"));
        }

        // Read chunk by chunk up to the samples.
        let (mut rate_hz, mut wide_bytes) = (None, None);
        let mut at = 12;
        loop {
            let mut head = [0; 8];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut head)
                .map_err(|_| WavError::Kind("it has no samples"))?;

            let bytes = u64::from(u32_of(&head[4..]));
            at += 8;

            match &head[..4] {
                b"ds64" => wide_bytes = Some(u64_of(&read::<16>(&mut file)?[8..])),
                b"fmt " => rate_hz = Some(rate_of(&mut file, bytes)?),
                b"data" => {
                    let rate_hz = rate_hz.ok_or(WavError::Kind("it does not say its format"))?;
                    let bytes = wide_bytes
                        .filter(|_| bytes == u64::from(u32::MAX))
                        .unwrap_or(bytes);
                    let (expected, found) =
                        (bytes / FRAME_BYTES, length.saturating_sub(at) / FRAME_BYTES);

                    if found < expected {
                        return Err(WavError::Short { expected, found });
                    }

                    return Ok(Self {
                        file,
                        rate_hz,
                        data_start: at,
                        frames: expected,
                        bytes: Vec::new(),
                    });
                }
                _ => {}
            }

            // Chunks are padded to even lengths.
            at += bytes + bytes % 2;
        }
    }

    pub(crate) fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// Reads interleaved frames from `first` on, until `out` is full.
    ///
    /// # Errors
    /// The system's error; also when the file has become shorter.
    pub(crate) fn read_into(&mut self, first: u64, out: &mut [f32]) -> io::Result<()> {
        self.bytes.resize(4 * out.len(), 0);
        self.file
            .seek(SeekFrom::Start(self.data_start + FRAME_BYTES * first))?;
        self.file.read_exact(&mut self.bytes)?;
        for (sample, bytes) in out.iter_mut().zip(self.bytes.chunks_exact(4)) {
            *sample = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        Ok(())
    }
}

/// Reads a `fmt ` chunk and returns the rate.
fn rate_of(file: &mut File, bytes: u64) -> Result<u32, WavError> {
    if bytes < 16 {
        return Err(WavError::Kind("its format chunk is too short"));
    }

    let format = read::<16>(file)?;
    let mut tag = u16_of(&format);
    if tag == EXTENSIBLE && bytes >= 26 {
        tag = u16_of(&read::<10>(file)?[8..]);
    }

    match (tag, u16_of(&format[2..]), u16_of(&format[14..])) {
        (FLOAT, 2, 32) => Ok(u32_of(&format[4..])),
        (FLOAT, 2, _) => Err(WavError::Kind("its samples do not have 32 bits")),
        (FLOAT, ..) => Err(WavError::Kind("it does not have two channels")),
        _ => Err(WavError::Kind("its samples are not floating point")),
    }
}

fn read<const N: usize>(file: &mut File) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u16_of(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[0], bytes[1]])
}

fn u32_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn u64_of(bytes: &[u8]) -> u64 {
    u64::from(u32_of(bytes)) | u64::from(u32_of(&bytes[4..])) << 32
}

/// A writer of a stereo float32 WAV file, from beginning to end.
pub(crate) struct FloatWavWriter {
    file: BufWriter<File>,
    rate_hz: u32,
    frames: u64,
}

impl FloatWavWriter {
    /// Begins a file.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn new(file: File, rate_hz: u32) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 16, file);
        file.write_all(&header(rate_hz, 0))?;
        Ok(Self {
            file,
            rate_hz,
            frames: 0,
        })
    }

    /// Adds interleaved frames.
    ///
    /// # Errors
    /// The system's error: mostly that the disk is full.
    pub(crate) fn write(&mut self, interleaved: &[f32]) -> io::Result<()> {
        debug_assert!(interleaved.len().is_multiple_of(2));
        for sample in interleaved {
            self.file.write_all(&sample.to_le_bytes())?;
        }
        self.frames += interleaved.len() as u64 / 2;
        Ok(())
    }

    /// Completes the file.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn finish(self) -> io::Result<()> {
        let mut file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        write_header(&mut file, self.rate_hz, self.frames)
    }
}

/// Writes the header of a stereo float32 WAV file whose frames lie behind [`HEADER_BYTES`] already.
///
/// # Errors
/// The system's error.
pub(crate) fn write_header(
    file: &mut (impl Write + Seek),
    rate_hz: u32,
    frames: u64,
) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&header(rate_hz, frames))
}

fn header(rate_hz: u32, frames: u64) -> Vec<u8> {
    let data_bytes = frames * FRAME_BYTES;
    let riff_bytes = HEADER_BYTES - 8 + data_bytes;
    let wide = u32::try_from(riff_bytes).is_err();
    let narrow = |bytes: u64| if wide { u32::MAX } else { bytes as u32 }.to_le_bytes();

    let mut header = Vec::with_capacity(HEADER_BYTES as usize);
    header.extend_from_slice(if wide { b"RF64" } else { b"RIFF" });
    header.extend_from_slice(&narrow(riff_bytes));
    header.extend_from_slice(b"WAVE");

    // Room for a chunk that becomes `ds64` in a file that is too long for RIFF.
    header.extend_from_slice(if wide { b"ds64" } else { b"JUNK" });
    header.extend_from_slice(&28_u32.to_le_bytes());

    for value in [riff_bytes, data_bytes, frames] {
        header.extend_from_slice(&if wide { value } else { 0 }.to_le_bytes());
    }

    header.extend_from_slice(&0_u32.to_le_bytes());
    header.extend_from_slice(b"fmt ");
    header.extend_from_slice(&18_u32.to_le_bytes());
    header.extend_from_slice(&FLOAT.to_le_bytes());
    header.extend_from_slice(&2_u16.to_le_bytes());

    header.extend_from_slice(&rate_hz.to_le_bytes());
    header.extend_from_slice(&(rate_hz.saturating_mul(FRAME_BYTES as u32)).to_le_bytes());
    header.extend_from_slice(&(FRAME_BYTES as u16).to_le_bytes());
    header.extend_from_slice(&32_u16.to_le_bytes());
    header.extend_from_slice(&0_u16.to_le_bytes());

    header.extend_from_slice(b"fact");
    header.extend_from_slice(&4_u32.to_le_bytes());
    header.extend_from_slice(&narrow(frames));
    header.extend_from_slice(b"data");
    header.extend_from_slice(&narrow(data_bytes));

    debug_assert_eq!(header.len() as u64, HEADER_BYTES);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_anywhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.wav");
        let samples: Vec<f32> = (0..2_000).map(|n| (n as f32).sin()).collect();

        let mut writer = FloatWavWriter::new(File::create(&path).unwrap(), 48_000).unwrap();
        for run in samples.chunks(74) {
            writer.write(run).unwrap();
        }

        writer.finish().unwrap();
        let mut wav = FloatWav::open(File::open(&path).unwrap()).unwrap();
        assert_eq!((wav.rate_hz(), wav.frames()), (48_000, 1_000));

        let mut out = [0.0; 20];
        for first in [0, 1, 500, 990] {
            wav.read_into(first as u64, &mut out).unwrap();
            assert_eq!(out, samples[2 * first..][..20]);
        }

        assert!(wav.read_into(991, &mut out).is_err());
    }

    #[test]
    fn a_header_beyond_four_gibibytes_says_its_length() {
        let frames = 800_000_000;
        let header = header(192_000, frames);
        assert_eq!(
            (&header[..4], &header[12..16]),
            (b"RF64".as_slice(), b"ds64".as_slice())
        );

        assert_eq!(
            (u64_of(&header[28..]), u64_of(&header[36..])),
            (frames * 8, frames)
        );
        assert_eq!(u32_of(&header[header.len() - 4..]), u32::MAX);
    }

    #[test]
    fn what_is_no_float_stereo_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wav");

        let good = header(44_100, 0);
        let with = |at: usize, byte: u8| {
            let mut bad = good.clone();
            bad[at] = byte;
            bad
        };

        let format = 12 + 36 + 8;
        let cases = [
            (vec![], "shorter"),
            (b"RIFFxxxxWAVE".to_vec(), "no samples"),
            (with(0, b'X'), "begin"),
            (with(format, 1), "floating"),
            (with(format + 2, 1), "two channels"),
            (with(format + 14, 64), "32 bits"),
            (header(44_100, 5), "0 frames where its header says 5"),
        ];

        for (bytes, expected) in cases {
            std::fs::write(&path, &bytes).unwrap();
            let error = FloatWav::open(File::open(&path).unwrap())
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(expected),
                "'{error}' does not say '{expected}'"
            );
        }
    }
}
