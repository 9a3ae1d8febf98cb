//! The list of the user's captures, and the limit of the room that they take.

use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use sextet_fs::FileLock;
use sextet_protocol::Fingerprint;

use super::{holds, label};

/// File in the folder that holds the limit, in bytes; 0 for none.
const LIMIT_FILE: &str = "limit";
/// Limit unless the user sets one: some forty hours at 44.1 kHz.
const USUAL_LIMIT_BYTES: u64 = 50_000_000_000;

/// A capture on disk.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CaptureInfo {
    pub(crate) audio: Fingerprint,
    /// Name for people; the fingerprint's first digits where there is none.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// Time of the last use.
    pub(crate) used: SystemTime,
    /// Whether an open project uses it: as its clip, or as one that can be undone.
    pub(crate) is_in_use: bool,
}

/// The captures of the user's folder, those used last first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CaptureList {
    pub(crate) captures: Vec<CaptureInfo>,
    /// Limit of the room for all of them in bytes; `None` for none.
    pub(crate) limit_bytes: Option<u64>,
}

impl CaptureList {
    /// Returns the bytes of all captures.
    pub(crate) fn bytes(&self) -> u64 {
        self.captures.iter().map(|capture| capture.bytes).sum()
    }
}

/// Lists the captures in a folder. One that cannot be looked at is left out.
pub(crate) fn list(folder: &Path) -> CaptureList {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut captures: Vec<_> = entries.filter_map(|entry| info(&entry)).collect();
    captures.sort_by_key(|capture| std::cmp::Reverse(capture.used));
    CaptureList {
        captures,
        limit_bytes: limit(folder),
    }
}

fn info(entry: &DirEntry) -> Option<CaptureInfo> {
    let path = entry.path();
    let is_wav = path.extension().is_some_and(|extension| extension == "wav");
    let audio: Fingerprint = path.file_stem()?.to_str()?.parse().ok()?;
    let metadata = entry.metadata().ok().filter(|_| is_wav)?;

    let digits = audio.to_string();
    Some(CaptureInfo {
        name: label::read(&path).unwrap_or_else(|| digits[..8].to_owned()),
        audio,
        bytes: metadata.len(),
        used: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        is_in_use: !holds::is_free(&path),
    })
}

/// Deletes a capture with its label; false if an open project uses it.
///
/// # Errors
/// The system's error.
pub(crate) fn delete(folder: &Path, audio: &Fingerprint) -> io::Result<bool> {
    let path = folder.join(format!("{audio}.wav"));
    if !path.is_file() {
        return Ok(true);
    }
    let Some(alone) = holds::take_alone(&path) else {
        return Ok(false);
    };
    remove(&path, alone)?;
    Ok(true)
}

fn remove(path: &Path, alone: FileLock) -> io::Result<()> {
    fs::remove_file(path)?;
    drop(alone);
    let _ = fs::remove_file(label::path_of(path));
    Ok(())
}

/// Deletes the captures that were used longest ago until the rest keeps within the limit. Those of
/// open projects stay, so that this may fall short. Returns the number of deleted captures.
pub(crate) fn keep_within_limit(folder: &Path) -> usize {
    let Some(limit) = limit(folder) else {
        return 0;
    };
    let list = list(folder);
    let (mut bytes, mut deleted) = (list.bytes(), 0);

    for capture in list.captures.iter().rev() {
        if bytes <= limit {
            break;
        }
        if !capture.is_in_use && delete(folder, &capture.audio).unwrap_or(false) {
            bytes -= capture.bytes;
            deleted += 1;
        }
    }
    deleted
}

/// Returns the limit; `None` for none. A file that is no number is as good as no file.
fn limit(folder: &Path) -> Option<u64> {
    let set = fs::read_to_string(folder.join(LIMIT_FILE));
    let bytes = set.ok().and_then(|text| text.trim().parse().ok());
    Some(bytes.unwrap_or(USUAL_LIMIT_BYTES)).filter(|&bytes| bytes > 0)
}

/// Sets the limit for all instances, from now on.
///
/// # Errors
/// The system's error.
pub(crate) fn set_limit(folder: &Path, limit_bytes: Option<u64>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let text = format!("{}\n", limit_bytes.unwrap_or(0));
    sextet_fs::write(&folder.join(LIMIT_FILE), text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Holds;
    use super::*;

    /// Writes captures of 1000 bytes, one used an hour after the other; returns their names.
    fn captures(folder: &Path, count: u64) -> Vec<Fingerprint> {
        let begun = SystemTime::now() - Duration::from_secs(1_000_000);
        let make = |number: u64| {
            let audio = Fingerprint::of(&number.to_le_bytes());
            let path = folder.join(format!("{audio}.wav"));
            fs::write(&path, [0; 1_000]).unwrap();
            label::write(&path, &format!("Take {number}")).unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(begun + Duration::from_secs(3_600 * number))
                .unwrap();
            audio
        };
        (0..count).map(make).collect()
    }

    fn names(folder: &Path) -> Vec<String> {
        let list = list(folder);
        list.captures
            .into_iter()
            .map(|capture| capture.name)
            .collect()
    }

    #[test]
    fn captures_are_listed_and_deleted_unless_they_are_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let made = captures(folder, 3);
        fs::write(folder.join("notes.wav"), "no capture").unwrap();
        fs::remove_file(folder.join(format!("{}.json", made[0]))).unwrap();
        assert_eq!(
            names(folder),
            ["Take 2", "Take 1", &made[0].to_string()[..8]]
        );

        let mut holds = Holds::default();
        holds.set([folder.join(format!("{}.wav", made[1]))]);
        // A capture in use is the last that was used.
        assert_eq!(names(folder)[0], "Take 1");
        let in_use = list(folder)
            .captures
            .into_iter()
            .map(|capture| capture.is_in_use);
        assert_eq!(in_use.collect::<Vec<_>>(), [true, false, false]);

        assert!(!delete(folder, &made[1]).unwrap());
        assert!(delete(folder, &made[2]).unwrap());
        assert!(delete(folder, &made[2]).unwrap(), "gone already");
        assert_eq!(names(folder).len(), 2);

        holds.set([]);
        assert!(delete(folder, &made[1]).unwrap());
        assert_eq!(fs::read_dir(folder).unwrap().count(), 2, "labels go too");
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let made = captures(folder, 6);
        assert_eq!(
            (list(folder).limit_bytes, keep_within_limit(folder)),
            (Some(USUAL_LIMIT_BYTES), 0)
        );

        let mut holds = Holds::default();
        holds.set([folder.join(format!("{}.wav", made[0]))]);
        set_limit(folder, Some(3_500)).unwrap();
        assert_eq!(keep_within_limit(folder), 3);
        assert_eq!(names(folder), ["Take 0", "Take 5", "Take 4"]);

        // Captures in use stay, whatever the limit.
        set_limit(folder, Some(1)).unwrap();
        assert_eq!(
            (keep_within_limit(folder), names(folder)),
            (2, vec!["Take 0".to_owned()])
        );

        captures(folder, 6);
        set_limit(folder, None).unwrap();
        assert_eq!(
            (list(folder).limit_bytes, keep_within_limit(folder)),
            (None, 0)
        );
    }
}
