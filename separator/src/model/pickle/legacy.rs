//! The format of PyTorch before 1.6 (`_legacy_save`): four pickles in a row, a number by which the
//! file is known, the protocol, the machine that wrote it, and what was saved; then a pickle with
//! the names of the storages, and the storages, each after its length.

use std::collections::BTreeMap;

use super::super::error::shown;
use super::error::{Damage, Result, unknown};
use super::machine::{Machine, Pickle};
use super::object::Object;
use super::tensor::{Storage, Storages};

/// First pickle: protocol 2 and the number 0x1950a86a20f9469cfc6c in ten bytes.
const MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// Returns whether `bytes` begin as a file of the older format does.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// File of the older format.
pub(super) struct Legacy<'a> {
    /// Everything after the pickle of what was saved.
    rest: &'a [u8],
    /// Beginnings of the storages in `rest`, after their lengths. Filled when one is first asked
    /// for.
    storages: Option<BTreeMap<&'a str, usize>>,
    /// Bytes of an element of each storage, as the pickle says.
    sizes: BTreeMap<&'a str, usize>,
}

impl<'a> Legacy<'a> {
    /// Reads the pickles up to what was saved, and returns that with the storages.
    pub(super) fn open(bytes: &'a [u8]) -> Result<(Pickle<'a>, Self)> {
        let mut rest = &bytes[MAGIC.len().min(bytes.len())..];

        let protocol = Machine::run(rest)?;
        if !matches!(protocol.objects.get(protocol.root), Object::Int(1001)) {
            return Err(unknown("another version of PyTorch's older format"));
        }
        rest = &rest[protocol.bytes..];

        let machine = Machine::run(rest)?;
        let little = machine.objects.value(machine.root, "little_endian");
        let little = little.map(|little| machine.objects.get(little));
        if matches!(little, Some(Object::Bool(false))) {
            return Err(Damage::BigEndian.into());
        }
        rest = &rest[machine.bytes..];

        let saved = Machine::run(rest)?;
        rest = &rest[saved.bytes..];
        let sizes = saved.objects.storages();
        let sizes = sizes.map(|storage| (storage.key, super::tensor::size(storage.element)));
        let sizes = sizes.collect();
        let storages = None;
        Ok((
            saved,
            Self {
                rest,
                storages,
                sizes,
            },
        ))
    }

    /// Finds where each storage begins.
    fn find(&self) -> Result<BTreeMap<&'a str, usize>> {
        let names = Machine::run(self.rest)?;
        let mut at = names.bytes;
        let mut found = BTreeMap::new();

        for &name in names.objects.elements(names.root, at)? {
            let key = names.objects.text(name, at)?;
            let size = self.sizes.get(key);
            let size = *size.ok_or_else(|| unknown("a storage that no tensor uses"))?;

            found.insert(key, at + 8);
            let bytes = self.elements(at)?.checked_mul(size);
            let next = bytes.and_then(|bytes| (at + 8).checked_add(bytes));
            at = next.ok_or(Damage::Ended { at })?;
        }
        Ok(found)
    }

    /// Reads the number of elements of the storage whose length is at `at`.
    fn elements(&self, at: usize) -> Result<usize> {
        let length = self.rest.get(at..).and_then(<[u8]>::first_chunk);
        let length = u64::from_le_bytes(*length.ok_or(Damage::Ended { at })?);
        usize::try_from(length).map_err(|_| Damage::Ended { at }.into())
    }
}

impl<'a> Storages<'a> for Legacy<'a> {
    fn bytes(&mut self, storage: &Storage<'_>) -> Result<&'a [u8]> {
        if self.storages.is_none() {
            self.storages = Some(self.find()?);
        }

        let start = self.storages.as_ref().and_then(|s| s.get(storage.key));
        let rest = start.and_then(|&start| self.rest.get(start..));
        let bytes = storage.bytes().and_then(|bytes| rest?.get(..bytes));
        let missing = || Damage::Storage {
            key: shown(storage.key),
            found: rest.map_or(0, <[u8]>::len),
            expected: storage.elements as u64,
        };
        Ok(bytes.ok_or_else(missing)?)
    }
}
