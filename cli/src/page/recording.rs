//! Stems on their way into a page: encoded into a temporary folder while they are separated.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use sextet_fs::AtomicDir;
use sextet_separator::audio::{Audio, Ffmpeg};
use sextet_separator::timings::timed;
use sextet_separator::{Error, ErrorKind, Outputs, StemSink};

use super::assemble::assemble;
use super::encode::Encoding;
use super::facts::{About, Codec, PageFacts, WrittenPage};
use super::{budget, mark};
use crate::fault::Fault;
use crate::stems::{Care, Created, StemWriters, as_library, cannot_write};
use crate::unfinished::{Scratch, Unfinished};

/// Factor of the samples that are encoded. Stems may be louder than full scale; the page undoes it.
const HEADROOM: f32 = 0.5;

/// The stems of a page. Its temporary folder goes with it.
pub(crate) struct Recording<'a> {
    place: &'a Path,
    about: About,
    ffmpeg: Option<&'a Ffmpeg>,
    unfinished: &'a Unfinished,
    begun: Option<Begun<'a>>,
    /// Reason why there can be no page of the song.
    refusal: Option<Fault>,
}

/// Files and facts of a separation that has begun.
struct Begun<'a> {
    // Before the folder: files are closed before they are deleted.
    writers: StemWriters,
    encoding: Encoding<'a>,
    facts: PageFacts,
    folder: Folder,
}

/// A temporary folder, deleted when dropped.
struct Folder(Scratch);

impl Folder {
    /// Creates a file in it.
    fn create(&self, place: &Path) -> io::Result<File> {
        let file = self.0.create(|| File::create_new(place));
        // The folder is gone only when the process is about to end.
        file.ok_or_else(|| io::Error::from(io::ErrorKind::Interrupted))?
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.0.discard();
    }
}

impl<'a> Recording<'a> {
    /// Prepares the page at `place`, of the song that `about` describes. Creates nothing yet.
    pub(crate) fn new(
        place: &'a Path,
        about: About,
        ffmpeg: Option<&'a Ffmpeg>,
        unfinished: &'a Unfinished,
    ) -> Self {
        Self {
            place,
            about,
            ffmpeg,
            unfinished,
            begun: None,
            refusal: None,
        }
    }

    /// Returns the place of the page.
    pub(crate) fn place(&self) -> &Path {
        self.place
    }

    /// Returns why the separation was ended, if it was for the page.
    pub(crate) fn take_refusal(&mut self) -> Option<Fault> {
        self.refusal.take()
    }

    /// Refuses a song that is too much for a page, before anything is written.
    fn check(&mut self, outputs: &Outputs) -> sextet_separator::Result<()> {
        budget::check(outputs).map_err(|fault| {
            let error = Error::new(ErrorKind::Output, fault.to_string());
            self.refusal = Some(fault);
            error
        })
    }

    /// Begins the files beside the page's place, whose folder must exist.
    fn start(&mut self, outputs: &Outputs) -> Result<()> {
        let folder = self
            .unfinished
            .scratch(|| AtomicDir::beside(self.place))
            .map_err(|error| cannot_write(self.place, &error.into()))?;
        let folder = Folder(folder);

        let layout = outputs.layout;
        let divisor = budget::rate_divisor(layout.rate_hz);
        let rate_hz = layout.rate_hz / divisor;
        let encoding = Encoding::choose(self.ffmpeg, layout.channels, rate_hz);
        let names: Vec<String> = outputs.parts.iter().map(|part| part.name.clone()).collect();

        // Begin the files, each with the mark.
        let place = |number| format!("{number}.{}", Codec::Flac.extension());
        let places: Vec<PathBuf> = (0..names.len())
            .map(|number| folder.0.path().join(place(number)))
            .collect();
        let lead = mark::lead(layout.channels, layout.rate_hz, divisor);
        let mut with_lead = outputs.clone();
        with_lead.frames += lead.frames() as u64;

        let mut writers = StemWriters::new(places, encoding.write_options(), Care::Passing);
        writers.start(&with_lead, |place| {
            let file = folder.create(place)?;
            let path = place.to_owned();
            Ok(Created { file, path })
        })?;
        writers.write_all(vec![lead; names.len()])?;

        self.begun = Some(Begun {
            writers,
            encoding,
            facts: PageFacts {
                frames: outputs.frames.div_ceil(u64::from(divisor)),
                rate_hz,
                lead_frames: mark::LEAD_FRAMES,
                mark_frame: mark::MARK_FRAME,
                gain: 1.0 / HEADROOM,
                stems: names,
            },
            folder,
        });
        Ok(())
    }

    fn write(&mut self, part: usize, block: &Audio) -> Result<()> {
        let Some(begun) = &mut self.begun else {
            return Ok(());
        };
        let mut block = block.clone();
        for channel in block.channels_mut() {
            channel.iter_mut().for_each(|sample| *sample *= HEADROOM);
        }
        begun.writers.write(part, block)
    }

    /// Completes the stems and writes the page to `out`.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub(crate) fn finish(self, out: File) -> Result<WrittenPage> {
        let fault = |error: anyhow::Error| cannot_write(self.place, &error);
        let begun = self.begun.ok_or_else(|| {
            // A separation that has succeeded has begun.
            fault(io::Error::from(io::ErrorKind::NotFound).into())
        })?;
        let Begun {
            mut writers,
            encoding,
            facts,
            folder,
        } = begun;

        writers.finish()?;
        let (codec, files, warning) = timed("encode the page", || {
            encoding.encode(writers.places(), |place| folder.create(place))
        });
        let bytes = timed("write the page", || {
            assemble(out, &self.about, codec, &facts, &files)
        });

        Ok(WrittenPage {
            path: self.place.to_owned(),
            bytes: bytes.map_err(|error| fault(error.into()))?,
            codec,
            warning,
        })
    }
}

/// Sink that hands stems to their files and, where there is one, to a page.
pub(crate) struct WithPage<'a, 'b, S> {
    pub(crate) stems: &'a mut S,
    pub(crate) page: Option<&'a mut Recording<'b>>,
}

impl<S: StemSink> StemSink for WithPage<'_, '_, S> {
    fn start(&mut self, outputs: &Outputs) -> sextet_separator::Result<()> {
        if let Some(page) = &mut self.page {
            page.check(outputs)?;
        }
        self.stems.start(outputs)?;
        match &mut self.page {
            Some(page) => page.start(outputs).map_err(as_library),
            None => Ok(()),
        }
    }

    fn write(&mut self, part: usize, block: &Audio) -> sextet_separator::Result<()> {
        if let Some(page) = &mut self.page {
            page.write(part, block).map_err(as_library)?;
        }
        self.stems.write(part, block)
    }

    fn write_all(&mut self, blocks: Vec<Audio>) -> sextet_separator::Result<()> {
        if let Some(page) = &mut self.page {
            for (part, block) in blocks.iter().enumerate() {
                page.write(part, block).map_err(as_library)?;
            }
        }
        self.stems.write_all(blocks)
    }
}
