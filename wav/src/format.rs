//! The format of a file's samples.

/// Storage format of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleFormat {
    /// Unsigned integers; 128 is silence.
    U8,
    /// Signed integers, little endian.
    I16,
    /// Signed integers, little endian.
    I24,
    /// Signed integers, little endian.
    I32,
    /// IEEE 754, little endian.
    F32,
    /// IEEE 754, little endian.
    F64,
}

impl SampleFormat {
    /// Returns the number of bytes of a sample.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Returns whether samples are floating point.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }
}

/// Format of a file's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WavFormat {
    /// Number of channels.
    pub channels: u16,
    /// Sample rate in Hz.
    pub rate_hz: u32,
    /// Storage format of a sample.
    pub samples: SampleFormat,
    /// Speakers of the channels, one bit a channel; 0 if the header does not state them.
    pub channel_mask: u32,
}

impl WavFormat {
    /// Float32 stereo, as captures and the stems in the cache are.
    pub fn float_stereo(rate_hz: u32) -> Self {
        Self {
            channels: 2,
            rate_hz,
            samples: SampleFormat::F32,
            channel_mask: 0,
        }
    }

    /// Returns the number of bytes of a frame.
    pub fn frame_bytes(&self) -> u64 {
        u64::from(self.channels) * self.samples.bytes() as u64
    }
}
