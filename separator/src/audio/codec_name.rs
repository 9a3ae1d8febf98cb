//! Names of codecs, for messages.

/// Name of a codec that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecName {
    /// Codec that is known by name.
    Named(&'static str),
    /// Tag of a WAVE format.
    WaveTag(u16),
    /// Identifier that the container gives.
    Id(u32),
    /// Codec that the container does not name.
    Unknown,
}

impl std::fmt::Display for CodecName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::WaveTag(tag) => write!(f, "WAVE format {tag:#06x}"),
            Self::Id(id) => write!(f, "codec {id:#x}"),
            Self::Unknown => f.write_str("a codec that is not known"),
        }
    }
}
