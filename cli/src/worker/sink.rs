//! Stems on their way into the cache.

use sextet_protocol::cache::StemFile;
use sextet_separator::audio::{Audio, WriteOptions};
use sextet_separator::{Outputs, Stem, StemSink};

use crate::cache::{Making, StemCache};
use crate::separate::{StemWriters, as_library, bytes};

/// Writes one float32 WAV a stem.
pub(super) struct CacheSink<'a> {
    cache: &'a StemCache,
    making: &'a Making<'a>,
    writers: StemWriters,
    /// What is being written, once it is known.
    pub(super) outputs: Option<Outputs>,
}

impl<'a> CacheSink<'a> {
    /// For the entry `making` with these stems.
    pub(super) fn new(cache: &'a StemCache, making: &'a Making<'a>, stems: &[Stem]) -> Self {
        let places = stems.iter().map(|&stem| making.path(&StemFile::name(stem))).collect();
        // Float32 WAV, without tags: the default.
        Self { cache, making, writers: StemWriters::new(places, WriteOptions::default()), outputs: None }
    }

    /// Completes the files.
    ///
    /// # Errors
    /// When one cannot be written.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.writers.finish().map(drop)
    }
}

impl StemSink for CacheSink<'_> {
    fn start(&mut self, outputs: &Outputs) -> sextet_separator::Result<()> {
        let bytes_a_sample = WriteOptions::default().bits.count() / 8;
        let needed = bytes(outputs, outputs.parts.len(), bytes_a_sample);
        self.outputs = Some(outputs.clone());
        let making = self.making;
        let room = self.cache.make_room(needed, None);
        room.and_then(|()| self.writers.start(outputs, |place, create| making.create(place, create)))
            .map_err(as_library)
    }

    fn write(&mut self, part: usize, block: &Audio) -> sextet_separator::Result<()> {
        self.writers.write(part, block).map_err(as_library)
    }

    fn write_all(&mut self, blocks: &[Audio]) -> sextet_separator::Result<()> {
        self.writers.write_all(blocks).map_err(as_library)
    }
}
