//! Files of PyTorch's as bytes: pickles that tests put together instruction by instruction, and the
//! archive around them.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Pickle that is being written.
#[derive(Clone, Default)]
pub struct Pickle(Vec<u8>);

impl Pickle {
    pub fn new() -> Self {
        Self(b"\x80\x02".to_vec())
    }

    /// Adds an instruction with what it carries.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn text(self, text: &str) -> Self {
        let length = (text.len() as u32).to_le_bytes();
        self.raw(b"X").raw(&length).raw(text.as_bytes())
    }

    pub fn int(self, int: i32) -> Self {
        self.raw(b"J").raw(&int.to_le_bytes())
    }

    pub fn global(self, module: &str, name: &str) -> Self {
        self.raw(format!("c{module}\n{name}\n").as_bytes())
    }

    /// Adds a storage of `elements` float32 numbers.
    pub fn storage(self, key: &str, elements: i32) -> Self {
        let named = self
            .raw(b"(")
            .text("storage")
            .global("torch", "FloatStorage");
        named.text(key).text("cpu").int(elements).raw(b"tQ")
    }

    /// Adds a tuple of numbers.
    pub fn ints(self, ints: &[i32]) -> Self {
        let begun = self.raw(b"(");
        ints.iter().fold(begun, |all, &int| all.int(int)).raw(b"t")
    }

    /// Adds a tensor of float32 numbers.
    pub fn tensor(
        self,
        key: &str,
        elements: i32,
        offset: i32,
        shape: &[i32],
        strides: &[i32],
    ) -> Self {
        let begun = self.global("torch._utils", "_rebuild_tensor_v2").raw(b"(");
        let placed = begun.storage(key, elements).int(offset);
        let shaped = placed.ints(shape).ints(strides).raw(b"\x89");
        shaped.global("collections", "OrderedDict").raw(b")RtR")
    }

    /// Ends the pickle.
    pub fn end(self) -> Vec<u8> {
        self.raw(b".").0
    }
}

/// Returns an archive of `pickle` and of storages by their names, as `torch.save` writes it.
pub fn archive(pickle: &[u8], storages: &[(&str, &[u8])]) -> Vec<u8> {
    let storages = storages.iter();
    let storages = storages.map(|(key, bytes)| (format!("archive/data/{key}"), *bytes));
    let entries = [
        ("archive/data.pkl".to_owned(), pickle),
        ("archive/byteorder".to_owned(), b"little"),
    ];
    zipped(entries.into_iter().chain(storages))
}

/// Returns an archive of `entries` as they are.
pub fn zipped<'a>(entries: impl IntoIterator<Item = (String, &'a [u8])>) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries {
        archive.start_file(name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
