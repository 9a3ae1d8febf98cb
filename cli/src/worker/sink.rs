//! The sink that writes stems to the cache.

use anyhow::anyhow;
use sextet_protocol::cache::StemFile;
use sextet_separator::audio::{Audio, WriteOptions};
use sextet_separator::{Outputs, Stem, StemSink};

use crate::cache::{Making, StemCache};
use crate::stems::{Care, StemWriters, as_library, bytes};

/// Writes one float32 WAV for each stem.
pub(super) struct CacheSink<'a> {
    cache: &'a StemCache,
    making: &'a Making<'a>,
    stems: Vec<Stem>,
    writers: StemWriters,
    /// The outputs, once they are known.
    pub(super) outputs: Option<Outputs>,
}

impl<'a> CacheSink<'a> {
    /// Returns a sink for the entry `making` with these stems.
    pub(super) fn new(cache: &'a StemCache, making: &'a Making<'a>, stems: &[Stem]) -> Self {
        let places = stems
            .iter()
            .map(|&stem| making.path(&StemFile::name(stem)))
            .collect();

        // Float32 WAV without tags is the default. The files are not synced to the disk: readers of
        // cached stems compare them with the manifest, so damage by a crash of the machine is
        // noticed and the stems are made again.
        let writers = StemWriters::new(places, WriteOptions::default(), Care::Checked);
        Self {
            cache,
            making,
            stems: stems.to_vec(),
            writers,
            outputs: None,
        }
    }

    /// Completes the files and returns their descriptions for the entry's manifest.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn finish(mut self) -> anyhow::Result<Vec<StemFile>> {
        let written = self.writers.finish()?;
        let files = self.stems.iter().zip(written).map(|(&stem, written)| {
            let sha256 = written
                .sha256
                .ok_or_else(|| anyhow!("a stem was written without its hash"))?;
            Ok(StemFile {
                stem,
                bytes: written.bytes,
                sha256,
            })
        });

        files.collect()
    }
}

impl StemSink for CacheSink<'_> {
    fn start(&mut self, outputs: &Outputs) -> sextet_separator::Result<()> {
        let bytes_a_sample = WriteOptions::default().bits.count() / 8;
        let needed = bytes(outputs, outputs.parts.len(), bytes_a_sample);
        self.outputs = Some(outputs.clone());
        let making = self.making;

        let room = self.cache.make_room(needed, None);
        room.and_then(|()| self.writers.start(outputs, |place| making.create(place)))
            .map_err(as_library)
    }

    fn write(&mut self, part: usize, block: &Audio) -> sextet_separator::Result<()> {
        self.writers.write(part, block.clone()).map_err(as_library)
    }

    fn write_all(&mut self, blocks: Vec<Audio>) -> sextet_separator::Result<()> {
        self.writers.write_all(blocks).map_err(as_library)
    }
}
