//! Rendering: writes stems of the cache, and mixes of them, to files.

mod form;
mod tracks;

use std::cell::Cell;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sextet_protocol::cache::Entry;
use sextet_protocol::worker::{Render, Reply, Stage};
use sextet_separator::audio::{AudioStream, Resampler};
use sextet_separator::{Outputs, StemSink as _};

use super::clip::Throttled;
use super::context::JobContext;
use super::job::Job;
use crate::fault::{Fault, Kind};
use crate::stems::{
    Care, DEFAULT_TEMPLATE, JOINED_TEMPLATE, Naming, StemFiles, Template, Values, clipped,
};
use tracks::Track;

/// Writes the stems and mixes that `render` asks for.
///
/// # Errors
/// When the entry does not exist, or the files cannot be written; all of them are deleted then.
pub(super) fn run(context: &JobContext, job: &Job, render: &Render) -> Result<()> {
    let entry = Entry::open(&context.folders, &render.key);
    let entry = entry.context(Fault::new(Kind::Input, "the stems are not in the cache"))?;
    let tracks = tracks::tracks(render, &entry)?;
    let (form, extension) = form::form(render, &tracks)?;
    let places = places(render, &tracks, extension)?;

    // Open the tracks at the rate that is asked for.
    let rate_hz = form::rate_hz(render, &form, entry.manifest().rate_hz);
    let mut streams = tracks
        .iter()
        .map(|track| track.open(&entry, rate_hz))
        .collect::<Result<Vec<_>>>()?;
    let outputs = outputs(&entry, &tracks, rate_hz, &streams);
    let seconds = Cell::new(None);

    let mut files = StemFiles::new(
        &places,
        form,
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

/// Returns the path of each file: one for each track, or one for all.
fn places(render: &Render, tracks: &[Track], extension: &str) -> Result<Vec<PathBuf>> {
    let unusable = |what: String, remedy: &str| Fault::new(Kind::Usage, what).remedy(remedy);
    if !render.folder.is_absolute() {
        let message = format!("'{}' is no absolute path", render.folder.display());
        return Err(unusable(message, "name a folder from the root on").into());
    }

    let (template, files) = if render.format.is_joined() {
        (JOINED_TEMPLATE, &tracks[..1])
    } else {
        (DEFAULT_TEMPLATE, tracks)
    };
    let template: Template = template
        .parse()
        .map_err(|reason: String| Fault::new(Kind::Internal, reason))?;
    let naming = if Naming::matter_for(render.name.as_ref()) {
        Naming::of(&render.folder)
    } else {
        Naming::Free
    };
    let place = |track: &Track| {
        let values = Values {
            track: render.name.as_ref(),
            stem: &track.name,
            ext: extension,
            folder: Path::new(""),
            source_ext: "".as_ref(),
            model: "",
            naming,
        };

        let below = template
            .expand(&values)
            .filter(|below| below.components().count() == 2);
        let message = format!(
            "'{}' and '{}' are no names for a folder and a file",
            render.name.escape_debug(),
            track.name.escape_debug()
        );

        let path = below.ok_or_else(|| unusable(message, "leave out slashes and the like"))?;
        Ok(render.folder.join(path))
    };

    files.iter().map(place).collect()
}

fn outputs(
    entry: &Entry,
    tracks: &[Track],
    rate_hz: Option<u32>,
    streams: &[Box<dyn AudioStream>],
) -> Outputs {
    let manifest = entry.manifest();
    let frames = match rate_hz {
        None => manifest.frames,
        Some(rate_hz) => Resampler::output_frames(manifest.frames, manifest.rate_hz, rate_hz),
    };
    let parts = tracks.iter().map(Track::part).collect();
    Outputs::new(parts, streams[0].layout(), frames)
}

/// Copies block by block, each track in turn.
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
