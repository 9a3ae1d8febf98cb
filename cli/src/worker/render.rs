//! Rendering: writes stems of the cache to files.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sextet_protocol::Stem;
use sextet_protocol::cache::Entry;
use sextet_protocol::worker::{Render, RenderBits, RenderFormat, Reply, Stage};
use sextet_separator::audio::{
    AudioFile, AudioStream, Bits, FileFormat, RATES_HZ, Resampled, Resampler, Tags, WriteOptions,
};
use sextet_separator::{Outputs, Part, StemSink as _};

use super::clip::Throttled;
use super::context::JobContext;
use super::job::Job;
use crate::fault::{Fault, Kind};
use crate::stems::{Care, DEFAULT_TEMPLATE, Naming, StemFiles, Template, Values, clipped};

/// Writes the stems that `render` asks for.
///
/// # Errors
/// When the entry does not exist, or the files cannot be written; all of them are deleted then.
pub(super) fn run(context: &JobContext, job: &Job, render: &Render) -> Result<()> {
    let options = write_options(render)?;
    let entry = Entry::open(&context.folders, &render.key);
    let entry = entry.context(Fault::new(Kind::Input, "the stems are not in the cache"))?;
    let stems = stems(render, &entry)?;
    let places = places(render, &stems, options.format)?;

    // Open the stems at the rate that is asked for.
    let mut streams = stems
        .iter()
        .map(|&stem| open(&entry, stem, render.rate_hz))
        .collect::<Result<Vec<_>>>()?;
    let outputs = outputs(render, &entry, &stems, &streams);
    let seconds = Cell::new(None);

    let mut files = StemFiles::new(
        &places,
        options,
        Care::OnDisk,
        false,
        &seconds,
        &context.unfinished,
    );
    files.start(&outputs)?;
    copy(&mut streams, &mut files, job, outputs.frames)?;

    // Complete the files, and warn of clipped samples.
    let clipped = clipped(&files.complete()?);
    if clipped > 0 {
        let message = format!(
            "{clipped} samples were too loud for integers and were clipped; 32-bit float keeps them"
        );
        job.tell(&Reply::Warning {
            job: job.id(),
            message,
        });
    }

    job.end(|| {
        files.commit()?;
        Ok(Reply::Rendered {
            job: job.id(),
            paths: places.clone(),
        })
    })
}

fn write_options(render: &Render) -> Result<WriteOptions> {
    let (format, bits) = match (render.format, render.bits) {
        (RenderFormat::Wav, None | Some(RenderBits::Float32)) => (FileFormat::Wav, Bits::Float32),
        (RenderFormat::Wav, Some(RenderBits::Int24)) => (FileFormat::Wav, Bits::B24),
        (RenderFormat::Wav, Some(RenderBits::Int16)) => (FileFormat::Wav, Bits::B16),
        (RenderFormat::Flac, None | Some(RenderBits::Int24)) => (FileFormat::Flac, Bits::B24),
        (RenderFormat::Flac, Some(RenderBits::Int16)) => (FileFormat::Flac, Bits::B16),
        (RenderFormat::Flac, Some(RenderBits::Float32)) => {
            let fault = Fault::new(Kind::Usage, "FLAC has no floating point");
            return Err(fault.remedy("choose 24 or 16 bits, or WAV").into());
        }
    };

    if let Some(found) = render.rate_hz.filter(|rate_hz| !RATES_HZ.contains(rate_hz)) {
        let message = format!("files at {found} Hz cannot be made");
        let remedy = format!(
            "choose a rate from {} to {} Hz",
            RATES_HZ.start(),
            RATES_HZ.end()
        );
        return Err(Fault::new(Kind::Usage, message).remedy(remedy).into());
    }

    Ok(WriteOptions::new()
        .format(format)
        .bits(bits)
        .tags(Tags::default()))
}

fn stems(render: &Render, entry: &Entry) -> Result<Vec<Stem>> {
    let mut there: Vec<Stem> = entry
        .manifest()
        .stems
        .iter()
        .map(|file| file.stem)
        .collect();

    if let Some(missing) = render.stems.iter().find(|stem| !there.contains(stem)) {
        let message = format!(
            "the model {} does not give the stem '{missing}'",
            entry.manifest().model
        );
        return Err(Fault::new(Kind::Usage, message)
            .remedy("leave it out, or use a model with six stems")
            .into());
    }

    there.retain(|stem| render.stems.is_empty() || render.stems.contains(stem));
    Ok(there)
}

fn places(render: &Render, stems: &[Stem], format: FileFormat) -> Result<Vec<PathBuf>> {
    let unusable = |what: String, remedy: &str| Fault::new(Kind::Usage, what).remedy(remedy);
    if !render.folder.is_absolute() {
        let message = format!("'{}' is no absolute path", render.folder.display());
        return Err(unusable(message, "name a folder from the root on").into());
    }

    let template: Template = DEFAULT_TEMPLATE
        .parse()
        .map_err(|reason: String| Fault::new(Kind::Internal, reason))?;
    let naming = if Naming::matter_for(render.name.as_ref()) {
        Naming::of(&render.folder)
    } else {
        Naming::Free
    };
    let place = |stem: &Stem| {
        let values = Values {
            track: render.name.as_ref(),
            stem: stem.name(),
            ext: format.extension(),
            folder: Path::new(""),
            source_ext: "".as_ref(),
            model: "",
            naming,
        };

        let below = template
            .expand(&values)
            .filter(|below| below.components().count() == 2);
        let message = format!("'{}' is no name for a folder", render.name.escape_debug());

        let path = below.ok_or_else(|| unusable(message, "leave out slashes and the like"))?;
        Ok(render.folder.join(path))
    };

    stems.iter().map(place).collect()
}

/// Opens a stem, resampled to the rate that is asked for.
fn open(entry: &Entry, stem: Stem, rate_hz: Option<u32>) -> Result<Box<dyn AudioStream>> {
    let path = entry
        .stem_path(stem)
        .context("the stem was there a moment ago")?;
    let stream = AudioFile::open(path)?.stream()?;
    Ok(match rate_hz {
        None => stream,
        Some(rate_hz) => Box::new(Resampled::new(stream, rate_hz)?),
    })
}

fn outputs(
    render: &Render,
    entry: &Entry,
    stems: &[Stem],
    streams: &[Box<dyn AudioStream>],
) -> Outputs {
    let manifest = entry.manifest();
    let frames = match render.rate_hz {
        None => manifest.frames,
        Some(rate_hz) => Resampler::output_frames(manifest.frames, manifest.rate_hz, rate_hz),
    };
    Outputs::new(
        stems.iter().copied().map(Part::stem).collect(),
        streams[0].layout(),
        frames,
    )
}

/// Copies block by block, each stem in turn.
fn copy(
    streams: &mut [Box<dyn AudioStream>],
    files: &mut StemFiles,
    job: &Job,
    total: u64,
) -> Result<()> {
    let mut progress = Throttled::new(job);
    let mut done = vec![0; streams.len()];
    loop {
        let mut more = false;
        for (part, stream) in streams.iter_mut().enumerate() {
            job.check()?;
            if let Some(block) = stream.next_block()? {
                files.write(part, &block)?;
                done[part] += block.frames() as u64;
                more = true;
            }
        }

        if !more {
            return Ok(());
        }

        progress.tell(
            Stage::Writing,
            done.iter().copied().min().unwrap_or(total),
            total,
            None,
            None,
        );
    }
}
