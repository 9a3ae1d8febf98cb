//! Stems on their way into the cache.

use anyhow::anyhow;
use sextet_protocol::cache::StemFile;
use sextet_separator::audio::{Audio, WriteOptions};
use sextet_separator::{Outputs, Stem, StemSink};

use crate::cache::{Making, StemCache};
use crate::separate::{Care, StemWriters, as_library, bytes};

/// Writes one float32 WAV a stem.
pub(super) struct CacheSink<'a> {
    cache: &'a StemCache,
    making: &'a Making<'a>,
    stems: Vec<Stem>,
    writers: StemWriters,
    /// What is being written, once it is known.
    pub(super) outputs: Option<Outputs>,
}

impl<'a> CacheSink<'a> {
    /// For the entry `making` with these stems.
    pub(super) fn new(cache: &'a StemCache, making: &'a Making<'a>, stems: &[Stem]) -> Self {
        let places = stems
            .iter()
            .map(|&stem| making.path(&StemFile::name(stem)))
            .collect();

        // Float32 WAV, without tags: the default. Whoever opens kept stems compares them with the
        // manifest, so that nobody has to wait for the disk: what a crash of the machine has
        // damaged is noticed and made again.
        let writers = StemWriters::new(places, WriteOptions::default(), Care::Checked);
        Self {
            cache,
            making,
            stems: stems.to_vec(),
            writers,
            outputs: None,
        }
    }

    /// Completes the files, and says what the entry's manifest says of them.
    ///
    /// # Errors
    /// When one cannot be written.
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
        room.and_then(|()| {
            self.writers
                .start(outputs, |place, create| making.create(place, create))
        })
        .map_err(as_library)
    }

    fn write(&mut self, part: usize, block: &Audio) -> sextet_separator::Result<()> {
        self.writers.write(part, block.clone()).map_err(as_library)
    }

    fn write_all(&mut self, blocks: Vec<Audio>) -> sextet_separator::Result<()> {
        self.writers.write_all(blocks).map_err(as_library)
    }
}
