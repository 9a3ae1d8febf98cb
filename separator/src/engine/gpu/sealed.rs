//! Files that are either whole or absent: a header that states their contents, and a hash over
//! everything.
//!
//! Layout: `SEXTET1\n`, length of the header in bytes (u32, little endian), the header (UTF-8), the
//! contents, SHA-256 of all bytes before it.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use sextet_fs::AtomicFile;
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"SEXTET1\n";
const DIGEST_BYTES: usize = 32;

/// Returns a short name of `contents`, such as the header of a file: 16 digits of their SHA-256.
pub(in crate::engine) fn name_of(contents: impl AsRef<[u8]>) -> String {
    hex::encode(&Sha256::digest(contents.as_ref())[..8])
}

/// Writes `contents` under `header` to `path`.
///
/// # Errors
/// Returns the system's error. `path` is then unchanged.
pub(in crate::engine) fn write(path: &Path, header: &str, contents: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = AtomicFile::beside(path)?;

    let mut digest = Sha256::new();
    let length = u32::try_from(header.len())
        .map_err(io::Error::other)?
        .to_le_bytes();

    for part in [MAGIC.as_slice(), &length, header.as_bytes(), contents] {
        digest.update(part);
        file.write_all(part)?;
    }

    file.write_all(&digest.finalize())?;
    file.commit(path)
}

/// File that was read and is whole.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::engine) struct Sealed {
    header: String,
    /// Bytes of the whole file. A plan is too large to be moved only to cut off its header.
    bytes: Vec<u8>,
    contents: Range<usize>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.header, self.contents.len())
    }
}

impl Sealed {
    /// Creates contents that were not read from a file.
    #[cfg_attr(
        not(feature = "tensorrt"),
        allow(dead_code, reason = "only TensorRT uses what it could not keep")
    )]
    pub(in crate::engine) fn new(header: String, contents: Vec<u8>) -> Self {
        Self {
            header,
            contents: 0..contents.len(),
            bytes: contents,
        }
    }

    /// Returns the header, which describes the contents.
    pub(in crate::engine) fn header(&self) -> &str {
        &self.header
    }

    /// Returns the contents.
    pub(in crate::engine) fn contents(&self) -> &[u8] {
        &self.bytes[self.contents.clone()]
    }
}

/// Reads the file `path`. Returns `None` when it does not exist or is not whole.
pub(in crate::engine) fn read(path: &Path) -> Option<Sealed> {
    let bytes = fs::read(path).ok()?;
    let end = bytes.len().checked_sub(DIGEST_BYTES)?;
    if Sha256::digest(&bytes[..end]).as_slice() != &bytes[end..] {
        return None;
    }

    let (header, start) = header_of(&bytes[..end])?;
    Some(Sealed {
        header,
        bytes,
        contents: start..end,
    })
}

/// Reads the header of `path` without checking the rest.
#[cfg_attr(
    not(feature = "tensorrt"),
    allow(dead_code, reason = "only TensorRT lists its files")
)]
pub(in crate::engine) fn read_header(path: &Path) -> Option<String> {
    use std::io::Read;
    let mut start = Vec::new();
    fs::File::open(path)
        .ok()?
        .take(4096)
        .read_to_end(&mut start)
        .ok()?;
    Some(header_of(&start)?.0)
}

/// Returns the header and the offset of the contents.
fn header_of(bytes: &[u8]) -> Option<(String, usize)> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let header = String::from_utf8(rest.get(..length)?.to_vec()).ok()?;
    Some((header, MAGIC.len() + 4 + length))
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/folder/file");
        each_case([&b""[..], b"plan", &[7; 100_000]], |contents| {
            write(&path, "header", contents).unwrap();
            let found = read(&path).unwrap();
            assert_eq!((found.header(), found.contents()), ("header", contents));
            assert_eq!(read_header(&path).as_deref(), Some("header"));
        });
        assert!(read(&folder.path().join("none")).is_none());
    }

    #[test]
    fn a_file_that_was_cut_or_changed_anywhere_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, "what it is", b"what it holds").unwrap();

        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(read(&path).is_none(), "{length} bytes");
        }

        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 0x10;
            fs::write(&path, &changed).unwrap();
            assert!(read(&path).is_none(), "byte {place}");
        }
    }
}
