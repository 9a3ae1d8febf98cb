//! Finding a clip's capture in a folder: by its audio, whatever the file is called.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sextet_protocol::{AudioHasher, Fingerprint, Folders};
use sextet_wav::FloatWav;

use super::transfer::{Watch, bytes_of_folder, copy_folder};
use crate::saved::SavedClip;

/// Number of folders within each other that are looked into.
const DEPTH: u32 = 6;
/// Number of frames that are hashed at a time.
const RUN_FRAMES: u64 = 1 << 16;

/// The files of a folder that may belong to a clip.
#[derive(Default)]
struct Candidates {
    captures: Vec<PathBuf>,
    /// Folder of the stems.
    stems: Option<PathBuf>,
}

/// Finds a clip's capture in and below a folder. Stems of the clip that are found beside it are
/// copied to the cache, unless it has them. Returns the path of the capture; `None` if the folder
/// does not have it.
///
/// # Errors
/// The system's error, or that it was cancelled.
pub(super) fn find(
    clip: &SavedClip,
    folders: &Folders,
    folder: &Path,
    watch: &Watch,
) -> io::Result<Option<PathBuf>> {
    let mut candidates = Candidates::default();
    candidates.look_into(folder, clip, DEPTH, watch)?;

    // A file that has the name is most likely the one.
    let name = clip.audio.to_string();
    let has_name = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == name.as_str());
    candidates.captures.sort_by_key(|path| !has_name(path));
    for path in &candidates.captures {
        watch.expect(fs::metadata(path)?.len());
    }

    for path in candidates.captures {
        if fingerprint(&path, watch)? == Some(clip.audio) {
            if let (Some(stems), Some(key)) = (candidates.stems, clip.key) {
                take_over(&stems, &key, folders, watch)?;
            }
            return Ok(Some(path));
        }
    }
    Ok(None)
}

impl Candidates {
    fn look_into(
        &mut self,
        folder: &Path,
        clip: &SavedClip,
        depth: u32,
        watch: &Watch,
    ) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            watch.advance(0)?;
            let Ok(entry) = entry else { continue };
            let (path, name) = (entry.path(), entry.file_name());
            // Links are not followed, so that there is an end.
            let Ok(kind) = entry.file_type() else {
                continue;
            };

            if kind.is_dir() {
                let is_stems = clip
                    .key
                    .is_some_and(|key| name.to_string_lossy() == key.to_string());
                if is_stems {
                    self.stems = Some(path);
                } else if depth > 0 {
                    // A folder that may not be read does not keep the others from being read.
                    match self.look_into(&path, clip, depth - 1, watch) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                            return Err(error);
                        }
                        _ => {}
                    }
                }
            } else if kind.is_file() && is_as_long(&path, clip) {
                self.captures.push(path);
            }
        }
        Ok(())
    }
}

/// Returns whether a file is a WAV file of the clip's length and rate.
fn is_as_long(path: &Path, clip: &SavedClip) -> bool {
    let is_wav = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("wav"));
    is_wav
        && open(path)
            .is_some_and(|wav| (wav.frames(), wav.rate_hz()) == (clip.frames, clip.rate_hz))
}

fn open(path: &Path) -> Option<FloatWav> {
    FloatWav::open(File::open(path).ok()?).ok()
}

/// Returns the fingerprint of a file's audio; `None` if it cannot be read.
///
/// # Errors
/// Only that it was cancelled.
fn fingerprint(path: &Path, watch: &Watch) -> io::Result<Option<Fingerprint>> {
    let Some(mut wav) = open(path) else {
        return Ok(None);
    };

    let mut hasher = AudioHasher::new(2, wav.rate_hz());
    let (mut run, mut sides) = (Vec::new(), [Vec::new(), Vec::new()]);
    for first in (0..wav.frames()).step_by(RUN_FRAMES as usize) {
        let count = (wav.frames() - first).min(RUN_FRAMES) as usize;
        run.resize(2 * count, 0.0);
        if wav.read_into(first, &mut run).is_err() {
            return Ok(None);
        }

        for (number, side) in sides.iter_mut().enumerate() {
            side.clear();
            side.extend(run.iter().skip(number).step_by(2));
        }
        hasher.push(&sides);
        watch.advance(8 * count as u64)?;
    }
    Ok(Some(hasher.finish()))
}

/// Copies stems to the cache, unless it has them. Whether they are whole is found when they are
/// opened; if not, they are made again.
fn take_over(stems: &Path, key: &Fingerprint, folders: &Folders, watch: &Watch) -> io::Result<()> {
    let place = folders.stems().join(key.to_string());
    if place.is_dir() {
        return Ok(());
    }
    watch.expect(bytes_of_folder(stems));
    fs::create_dir_all(folders.stems())?;
    copy_folder(stems, &place, watch)
}
