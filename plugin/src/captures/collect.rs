//! Collecting what a clip is made of into a folder, so that a project can take it along.
//!
//! ```text
//! <folder>/sextet/<fingerprint>.wav    the capture
//! <folder>/sextet/<fingerprint>.clip   the manifest: name, place, what belongs to it
//! <folder>/sextet/stems/<key>/         the stems, as the cache has them, with the cache's manifest
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use sextet_protocol::Folders;

use super::transfer::{Watch, bytes_of_folder, copy_file, copy_folder};
use crate::saved::SavedClip;

/// Folder below the one that is chosen, so that nothing lies about.
const BELOW: &str = "sextet";
/// Version of the manifest.
const FORMAT: u32 = 1;

/// Copies a clip's capture and its stems, if the cache has them, with a manifest. Returns the path
/// of the collected capture.
///
/// # Errors
/// The system's error, or that it was cancelled. What is whole by then stays.
pub(super) fn collect(
    clip: &SavedClip,
    capture: &Path,
    folders: &Folders,
    folder: &Path,
    watch: &Watch,
) -> io::Result<PathBuf> {
    let folder = folder.join(BELOW);
    fs::create_dir_all(&folder)?;
    let stems = clip
        .key
        .map(|key| (folders.stems().join(key.to_string()), key));
    let stems = stems.filter(|(entry, _)| entry.is_dir());

    // Announce all of it, then copy it.
    watch.expect(fs::metadata(capture)?.len());
    if let Some((entry, _)) = &stems {
        watch.expect(bytes_of_folder(entry));
    }

    let place = folder.join(format!("{}.wav", clip.audio));
    copy_file(capture, &place, watch)?;
    if let Some((entry, key)) = &stems {
        let own = Folders::at(&folder, &folder).stems();
        fs::create_dir_all(&own)?;
        copy_folder(entry, &own.join(key.to_string()), watch)?;
    }

    // The manifest comes last: it speaks of files that are there.
    let manifest = json!({
        "format": FORMAT,
        "name": clip.name,
        "audio": clip.audio,
        "start_frame": clip.start_frame,
        "frames": clip.frames,
        "rate_hz": clip.rate_hz,
        "capture": place.file_name().map(|name| name.to_string_lossy().into_owned()),
        "stems": stems.map(|(_, key)| format!("stems/{key}")),
    });
    let text = serde_json::to_vec_pretty(&manifest)?;
    sextet_fs::write(&place.with_extension("clip"), text)?;
    Ok(place)
}
