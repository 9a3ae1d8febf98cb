//! Bytes of a file, as they are presented to symphonia.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

use super::mp4;

/// File that may have been cut off. symphonia would reject an MP4 or AIFF with missing samples
/// before decoding those that are there.
pub(super) struct Source {
    file: File,
    length: Length,
}

enum Length {
    /// Length in bytes of a complete file.
    Whole(u64),
    /// Length in bytes that an incomplete MP4 claims. The file is presented with that length, but
    /// the missing bytes cannot be read.
    Claimed(u64),
    /// Marks an AIFF that was cut off. It is presented as a stream that can only be read forwards.
    Open,
}

impl Source {
    pub(super) fn new(mut file: File) -> std::io::Result<Self> {
        let bytes = file.metadata()?.len();
        let length = if let Some(claimed) =
            mp4::claimed_bytes(&mut file, bytes).filter(|&claimed| claimed > bytes)
        {
            Length::Claimed(claimed)
        } else if form_bytes(&mut file).is_some_and(|claimed| claimed > bytes) {
            Length::Open
        } else {
            Length::Whole(bytes)
        };

        file.rewind()?;
        Ok(Self { file, length })
    }
}

/// Returns the length of an AIFF file by its own account ("Audio Interchange File Format", Apple,
/// 1989: a `FORM` chunk).
fn form_bytes(file: &mut File) -> Option<u64> {
    let mut head = [0; 8];
    file.rewind()
        .and_then(|()| file.read_exact(&mut head))
        .ok()?;
    let [name @ .., a, b, c, d] = head;
    (&name == b"FORM").then(|| 8 + u64::from(u32::from_be_bytes([a, b, c, d])))
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match (to, &self.length) {
            (SeekFrom::End(offset), Length::Claimed(bytes)) => self
                .file
                .seek(SeekFrom::Start(bytes.saturating_add_signed(offset))),
            (to, _) => self.file.seek(to),
        }
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        !matches!(self.length, Length::Open)
    }

    fn byte_len(&self) -> Option<u64> {
        match self.length {
            Length::Whole(bytes) => Some(bytes),
            // symphonia looks for tags at the end of a stream whose length it knows. The end of
            // this file cannot be read.
            Length::Claimed(_) | Length::Open => None,
        }
    }
}
