//! The places of captures: where a clip's capture is, and where a new one goes.

use std::path::{Path, PathBuf};

use sextet_protocol::Folders;

use crate::saved::{SavedClip, Settings};

/// Returns the path of a clip's capture: where the project has it, in the folder that the project
/// has chosen, or in the user's. Where none of them has it, the path in the user's folder.
pub(crate) fn capture_of(clip: &SavedClip, settings: &Settings, folders: &Folders) -> PathBuf {
    let name = format!("{}.wav", clip.audio);
    let own = clip.file.as_ref().map(PathBuf::from);
    let chosen = settings.captures.as_ref().map(Path::new);

    let places = [own, chosen.map(|folder| folder.join(&name))];
    let found = places.into_iter().flatten().find(|path| path.is_file());
    found.unwrap_or_else(|| folders.capture(&clip.audio))
}

/// Returns the folder that new captures go to.
pub(crate) fn folder_for_new(settings: &Settings, folders: &Folders) -> PathBuf {
    let chosen = settings.captures.as_ref().map(PathBuf::from);
    // A relative path would be relative to whatever the host's folder is.
    let chosen = chosen.filter(|folder| folder.is_absolute());
    chosen.unwrap_or_else(|| folders.captures())
}
