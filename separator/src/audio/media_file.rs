//! Bytes of a file, as they are presented to symphonia.

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::io::MediaSource;

use super::mp4;

/// Part of the bytes that are presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes of the file.
    File(Range<u64>),
    /// Other bytes in place of the file's.
    Bytes(Vec<u8>),
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::File(range) => range.end.saturating_sub(range.start),
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

/// File that may have been cut off or mended. symphonia would reject an MP4 or AIFF with missing
/// samples before decoding those that are there.
pub(super) struct MediaFile {
    file: File,
    /// The pieces with the position at which each begins. Without any, the file is presented as it
    /// is.
    pieces: Vec<(u64, Piece)>,
    position: u64,
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

impl MediaFile {
    /// Presents `file` as it is.
    pub(super) fn new(mut file: File) -> Result<Self> {
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
        Ok(Self {
            file,
            pieces: Vec::new(),
            position: 0,
            length,
        })
    }

    /// Presents `pieces` of `file`, one after the other.
    pub(super) fn mended(file: File, pieces: Vec<Piece>) -> Self {
        let mut at = 0;
        let mut begin = |piece: Piece| {
            let start = at;
            at += piece.len();
            (start, piece)
        };
        // Without any piece, all of the file would be presented.
        let nothing = Piece::Bytes(Vec::new());
        let pieces = pieces.into_iter().filter(|piece| piece.len() > 0);
        let pieces = [nothing].into_iter().chain(pieces).map(&mut begin);
        let pieces = pieces.collect();
        Self {
            file,
            pieces,
            position: 0,
            length: Length::Whole(at),
        }
    }

    /// Reads from the piece at the position.
    fn read_piece(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let next = self
            .pieces
            .partition_point(|(start, _)| *start <= self.position);
        let Some((start, piece)) = next.checked_sub(1).and_then(|at| self.pieces.get(at)) else {
            return Ok(0);
        };

        let inside = self.position - start;
        let left = piece.len().saturating_sub(inside);
        let wanted = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        match piece {
            Piece::File(range) => {
                self.file.seek(SeekFrom::Start(range.start + inside))?;
                self.file.read(&mut buffer[..wanted])
            }
            Piece::Bytes(bytes) => {
                let inside = (inside as usize).min(bytes.len());
                buffer[..wanted].copy_from_slice(&bytes[inside..inside + wanted]);
                Ok(wanted)
            }
        }
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

impl Read for MediaFile {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.pieces.is_empty() {
            return self.file.read(buffer);
        }

        let read = self.read_piece(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for MediaFile {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        match (to, &self.length) {
            (to, Length::Whole(bytes)) if !self.pieces.is_empty() => {
                let at = match to {
                    SeekFrom::Start(at) => Some(at),
                    SeekFrom::End(offset) => bytes.checked_add_signed(offset),
                    SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
                };
                self.position = at.ok_or(std::io::ErrorKind::InvalidInput)?;
                Ok(self.position)
            }
            (SeekFrom::End(offset), Length::Claimed(bytes)) => self
                .file
                .seek(SeekFrom::Start(bytes.saturating_add_signed(offset))),
            (to, _) => self.file.seek(to),
        }
    }
}

impl MediaSource for MediaFile {
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Checks every position of a mended file against its bytes in memory.
    #[test]
    fn pieces_are_read_and_sought_like_one_file() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789abcdef").unwrap();
        let pieces = [
            Piece::File(2..5),
            Piece::Bytes(Vec::new()),
            Piece::Bytes(b"XY".to_vec()),
            Piece::File(5..5),
            Piece::File(12..16),
        ];
        let expected = b"234XYcdef";

        let mut source = MediaFile::mended(file, pieces.to_vec());
        assert_eq!(source.byte_len(), Some(expected.len() as u64));
        for start in 0..=expected.len() + 2 {
            source.seek(SeekFrom::Start(start as u64)).unwrap();
            let mut rest = Vec::new();
            source.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, expected.get(start..).unwrap_or_default(), "{start}");
        }

        assert_eq!(source.seek(SeekFrom::End(-4)).unwrap(), 5);
        assert_eq!(source.seek(SeekFrom::Current(-2)).unwrap(), 3);
        assert!(source.seek(SeekFrom::Current(-4)).is_err());
    }
}
