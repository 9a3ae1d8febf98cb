//! The format of PyTorch 1.6 and later: a ZIP archive, not compressed, with the pickle in
//! `<any name>/data.pkl` and each storage in `<the same name>/data/<key>`.

use std::io::{self, Cursor};

use zip::{CompressionMethod, ZipArchive};

use super::super::error::shown;
use super::error::{Damage, Result};
use super::tensor::{Storage, Storages};

/// Archive whose entries are slices of its bytes.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    entries: ZipArchive<Cursor<&'a [u8]>>,
    /// Folder in which all entries are, with the slash at its end.
    folder: String,
}

/// Returns whether `bytes` begin as an archive does.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

impl<'a> Archive<'a> {
    /// Reads the archive's directory.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self> {
        const PICKLE: &str = "data.pkl";
        let entries = ZipArchive::new(Cursor::new(bytes)).map_err(Damage::Archive)?;
        let folder = entries
            .file_names()
            .filter_map(|name| Some(name.ok()?.strip_suffix(PICKLE)?.to_owned()))
            .find(|folder| folder.is_empty() || folder.ends_with('/'));

        let name = PICKLE.to_owned();
        let mut archive = Self {
            bytes,
            entries,
            folder: folder.ok_or(Damage::NoEntry { name })?,
        };

        // Archives from before 2.1 do not say their order.
        match archive.entry("byteorder") {
            Ok(order) if order != b"little" => Err(Damage::BigEndian.into()),
            _ => Ok(archive),
        }
    }

    /// Returns the bytes of the pickle.
    pub(super) fn pickle(&mut self) -> Result<&'a [u8]> {
        self.entry("data.pkl")
    }

    /// Returns the bytes of the entry `name`, whose checksum is right.
    fn entry(&mut self, name: &str) -> Result<&'a [u8]> {
        let path = format!("{}{name}", self.folder);
        let name = || shown(&path);
        let Some(index) = self.entries.index_for_name(&path) else {
            return Err(Damage::NoEntry { name: name() }.into());
        };

        let mut entry = self.entries.by_index(index).map_err(Damage::Archive)?;
        let size = entry.size();
        if entry.compression() != CompressionMethod::Stored || entry.compressed_size() != size {
            return Err(Damage::Compressed { name: name() }.into());
        }

        // Reading to the end compares the checksum.
        let read = io::copy(&mut entry, &mut io::sink());
        read.map_err(|source| Damage::Entry {
            name: name(),
            source,
        })?;

        let start = entry.data_start().and_then(|start| start.try_into().ok());
        let found = start
            .zip(usize::try_from(size).ok())
            .and_then(|(start, size)| self.bytes.get(start..)?.get(..size));
        Ok(found.ok_or_else(|| Damage::NoEntry { name: name() })?)
    }
}

impl<'a> Storages<'a> for Archive<'a> {
    fn bytes(&mut self, storage: &Storage<'_>) -> Result<&'a [u8]> {
        self.entry(&format!("data/{}", storage.key))
    }
}
