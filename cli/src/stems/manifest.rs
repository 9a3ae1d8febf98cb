//! `sextet.json` beside a song's stems: what they were made of, by what, and how.
//! docs/command.md describes it; `VERSION` counts its changes.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sextet_protocol::cache::sha256_of_file;

/// Name of the file.
pub(crate) const FILE_NAME: &str = "sextet.json";

/// Version of the file. It is raised by a change that breaks readers.
const VERSION: u32 = 1;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// The stems in a folder, or below it, song by song.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    version: u32,
    pub(crate) songs: Vec<Entry>,
}

/// A file called like a manifest that this Sextet does not understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// Version that it states, if it states another one.
    version: Option<u64>,
}

/// The one field that manifests of all versions have.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

impl Unknown {
    /// Returns a free place in `folder` at which the file can be kept.
    pub(crate) fn kept_at(self, folder: &Path) -> PathBuf {
        let stem = match self.version {
            Some(version) => format!("sextet.v{version}"),
            None => "sextet.other".to_owned(),
        };
        let names = (1_u32..).map(|number| match number {
            1 => format!("{stem}.json"),
            more => format!("{stem}.{more}.json"),
        });
        let mut places = names.map(|name| folder.join(name));
        places.find(|place| !place.exists()).unwrap_or_default()
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(formatter, "is of version {version}, not of {VERSION}"),
            None => formatter.write_str("is not one that Sextet wrote, or is damaged"),
        }
    }
}

/// The stems of one song.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) song: SongRecord,
    #[serde(flatten)]
    pub(crate) made: Made,
    /// Version of Sextet.
    pub(crate) sextet: String,
    /// Engine that computed. Engines give the same stems within rounding.
    pub(crate) engine: String,
    pub(crate) stems: Vec<FileRecord>,
}

/// Everything that decides which samples and tags the files hold, besides the song.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) model: String,
    /// SHA-256 of the checkpoint.
    pub(crate) model_hash: String,
    /// Version of the computation: another one gives other samples.
    pub(crate) pipeline: u32,
    pub(crate) options: BTreeMap<String, String>,
}

/// A song.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SongRecord {
    /// Name of the file.
    pub(crate) file: String,
    #[serde(flatten)]
    pub(crate) stamp: Stamp,
    /// SHA-256 of the file.
    pub(crate) sha256: String,
}

/// Size and time of a file, by which it is known that nobody has touched it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    bytes: u64,
    /// Time of the last change, in nanoseconds since 1970.
    modified_ns: u64,
}

/// A stem's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FileRecord {
    pub(crate) part: String,
    /// Path from the manifest's folder, with slashes.
    pub(crate) file: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

impl Stamp {
    /// Returns the stamp of the file under `path`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        let found = fs::metadata(path)?;
        let modified = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            bytes: found.len(),
            modified_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
        })
    }
}

impl SongRecord {
    /// Reads the whole file under `path`, which is called `shown` in the record.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn of(path: &Path, shown: &Path) -> Result<Self> {
        Ok(Self {
            file: shown
                .file_name()
                .unwrap_or(shown.as_os_str())
                .to_string_lossy()
                .into_owned(),
            stamp: Stamp::of(path)?,
            sha256: hash(path)?,
        })
    }

    /// Returns a record without the hash.
    ///
    /// # Errors
    /// When the file under `path` is not there.
    pub(crate) fn unread(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default();
        Ok(Self {
            file: name.to_string_lossy().into_owned(),
            stamp: Stamp::of(path)?,
            sha256: String::new(),
        })
    }

    /// Returns whether both are the same song, as far as is known.
    fn equals(&self, other: &Self) -> bool {
        let is_read = !self.sha256.is_empty() && !other.sha256.is_empty();
        match is_read {
            true => self.sha256 == other.sha256,
            false => self.stamp == other.stamp,
        }
    }

    /// Returns whether the file under `path` is this song, whatever it is called.
    fn is(&self, path: &Path) -> bool {
        Stamp::of(path).is_ok_and(|stamp| {
            stamp == self.stamp
                || (stamp.bytes == self.stamp.bytes
                    && hash(path).is_ok_and(|hash| hash == self.sha256))
        })
    }
}

impl FileRecord {
    /// Describes the file that is going to lie under `place`, below `folder`.
    pub(crate) fn new(part: &str, place: &Path, folder: &Path, bytes: u64, sha256: String) -> Self {
        Self {
            part: part.to_owned(),
            file: below(place, folder),
            bytes,
            sha256,
        }
    }
}

impl Made {
    /// Returns the model and, of the options, those that `other` has otherwise, as people read it.
    fn unlike(&self, other: &Self) -> String {
        let unlike = self.options.iter();
        let unlike = unlike.filter(|(name, value)| other.options.get(*name) != Some(value));
        let unlike: Vec<_> = unlike
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        match unlike.join(", ") {
            none if none.is_empty() => self.model.clone(),
            options => format!("{} with {options}", self.model),
        }
    }
}

impl Manifest {
    /// Returns the folder of the manifest for files at `places`: the one that holds all of them.
    pub(crate) fn folder(places: &[PathBuf]) -> PathBuf {
        let mut folders = places.iter().filter_map(|place| place.parent());
        let first = folders.next().unwrap_or(Path::new(""));
        let common = |common: PathBuf, folder: &Path| {
            let same = common.components().zip(folder.components());
            same.take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
        };
        folders.fold(first.to_owned(), common)
    }

    /// Reads the manifest in `folder`; an empty one if there is none, or none that is understood.
    pub(crate) fn read(folder: &Path) -> Self {
        Self::find(folder).unwrap_or_else(|_| Self::empty())
    }

    /// Reads the manifest in `folder`, or returns an empty one if there is none.
    ///
    /// # Errors
    /// When there is a file of that name that is not understood.
    pub(crate) fn find(folder: &Path) -> Result<Self, Unknown> {
        let Ok(file) = File::open(folder.join(FILE_NAME)) else {
            return Ok(Self::empty());
        };
        let is_small = file.metadata().is_ok_and(|found| found.len() <= LARGEST);
        let mut bytes = Vec::new();
        if !is_small || file.take(LARGEST).read_to_end(&mut bytes).is_err() {
            return Err(Unknown { version: None });
        }

        let known = serde_json::from_slice(&bytes).ok();
        let known = known.filter(|found: &Self| found.version == VERSION);
        known.ok_or_else(|| {
            let version = serde_json::from_slice::<Versioned>(&bytes).ok();
            let version = version.map(|found| found.version);
            Unknown {
                version: version.filter(|&version| version != u64::from(VERSION)),
            }
        })
    }

    /// Returns a manifest of no songs.
    pub(crate) fn empty() -> Self {
        Self {
            version: VERSION,
            songs: Vec::new(),
        }
    }

    /// Returns the manifest with `entry`, in place of those whose files are replaced by its own.
    pub(crate) fn with(self, entry: Entry) -> Self {
        let files: Vec<String> = entry.stems.iter().map(|stem| stem.file.clone()).collect();
        let mut manifest = self.without(&files);
        manifest.songs.push(entry);
        manifest
    }

    /// Returns the manifest without the files at `places`, below `folder`.
    pub(crate) fn forget(self, folder: &Path, places: &[PathBuf]) -> Self {
        let files: Vec<String> = places.iter().map(|place| below(place, folder)).collect();
        self.without(&files)
    }

    fn without(mut self, files: &[String]) -> Self {
        for song in &mut self.songs {
            song.stems.retain(|stem| !files.contains(&stem.file));
        }
        self.songs.retain(|song| !song.stems.is_empty());
        self
    }

    /// Returns the manifest as a file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Returns whether the files at `places`, below `folder`, are there and were made of `song` by
    /// `made`.
    pub(crate) fn is_done(
        &self,
        folder: &Path,
        places: &[PathBuf],
        song: &Path,
        made: &Made,
    ) -> bool {
        let wanted: Vec<String> = places.iter().map(|place| below(place, folder)).collect();
        let is_there = |stem: &FileRecord| {
            fs::metadata(folder.join(&stem.file))
                .is_ok_and(|found| found.is_file() && found.len() == stem.bytes)
        };
        self.songs.iter().any(|entry| {
            let files = entry.stems.iter().filter(|stem| is_there(stem));
            let files: Vec<_> = files.map(|stem| &stem.file).collect();
            wanted.iter().all(|file| files.contains(&file))
                && entry.made == *made
                && entry.song.is(song)
        })
    }

    /// Returns whether it knows any of the files at `places`.
    pub(crate) fn knows(&self, folder: &Path, places: &[PathBuf]) -> bool {
        let known = |place: &PathBuf| self.entry_of(&below(place, folder)).is_some();
        places.iter().any(known)
    }

    /// Returns whether the file under `path`, below `folder`, is one of the stems, untouched.
    pub(crate) fn has(&self, folder: &Path, path: &Path, bytes: u64) -> bool {
        let file = below(path, folder);
        let stems = self.songs.iter().flat_map(|entry| &entry.stems);
        stems
            .filter(|stem| stem.bytes == bytes)
            .any(|stem| stem.file == file)
    }

    /// Says by what the files at `places` had been made, if they are there and were made otherwise
    /// than now.
    pub(crate) fn before(
        &self,
        folder: &Path,
        places: &[PathBuf],
        song: &SongRecord,
        made: &Made,
    ) -> Option<String> {
        let mut said = Vec::new();
        for place in places.iter().filter(|place| place.exists()) {
            let by = match self.entry_of(&below(place, folder)) {
                Some(entry) if entry.made == *made && entry.song.equals(song) => continue,
                Some(entry) => {
                    let of = match (entry.song.equals(song), &entry.song.file) {
                        (true, _) => String::new(),
                        (false, file) if *file == song.file => {
                            " of an older version of the song".into()
                        }
                        (false, file) => format!(" of '{file}'"),
                    };
                    let Entry { sextet, .. } = entry;
                    format!("by {} (Sextet {sextet}){of}", entry.made.unlike(made))
                }
                None => "by what no manifest says".to_owned(),
            };
            if !said.contains(&by) {
                said.push(by);
            }
        }
        (!said.is_empty()).then(|| said.join(", and "))
    }

    fn entry_of(&self, file: &str) -> Option<&Entry> {
        let has = |entry: &&Entry| entry.stems.iter().any(|stem| stem.file == file);
        self.songs.iter().find(has)
    }
}

/// Returns the path from `folder` to `place`, with slashes on every system.
fn below(place: &Path, folder: &Path) -> String {
    let path = place.strip_prefix(folder).unwrap_or(place);
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    names.collect::<Vec<_>>().join("/")
}

fn hash(path: &Path) -> Result<String> {
    Ok(sha256_of_file(path, &|| false)?)
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;
    use sextet_testing::damage::{Random, damage};

    use super::*;

    fn made(model: &str, overlap: &str) -> Made {
        Made {
            model: model.to_owned(),
            model_hash: format!("hash of {model}"),
            pipeline: 1,
            options: BTreeMap::from([
                ("overlap".to_owned(), overlap.to_owned()),
                ("shifts".to_owned(), "0".to_owned()),
            ]),
        }
    }

    /// Writes a song and its stems into `folder`, and returns the entry about them.
    fn entry(folder: &Path, song: &str, stems: &[&str], made: Made) -> Entry {
        let path = folder.join(song);
        fs::write(&path, song).unwrap();
        let record = |stem: &&str| {
            let place = folder.join(stem);
            fs::write(&place, stem).unwrap();
            FileRecord::new(stem, &place, folder, stem.len() as u64, String::new())
        };
        Entry {
            song: SongRecord::of(&path, &path).unwrap(),
            made,
            sextet: "0.1.0".to_owned(),
            engine: "cpu".to_owned(),
            stems: stems.iter().map(record).collect(),
        }
    }

    #[test]
    fn the_folder_is_the_one_that_holds_all_files() {
        let cases: [(&[&str], &str); 4] = [
            (&["a/b/1.wav", "a/b/2.wav"], "a/b"),
            (&["a/b/1.wav", "a/c/1.wav"], "a"),
            (&["1.wav"], ""),
            (&["/x/1/y", "/x/2/y", "/x/z"], "/x"),
        ];
        for (places, expected) in cases {
            let places: Vec<_> = places.iter().map(PathBuf::from).collect();
            assert_eq!(Manifest::folder(&places), Path::new(expected), "{places:?}");
        }
    }

    #[test]
    fn another_model_option_or_song_is_not_done() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let entry = entry(folder, "song", &["a", "b"], made("mini", "0.25"));
        let manifest = Manifest::read(folder).with(entry);
        fs::write(folder.join(FILE_NAME), manifest.to_bytes()).unwrap();
        let manifest = Manifest::read(folder);

        let places = ["a", "b"].map(|stem| folder.join(stem));
        let song = folder.join("song");
        let is_done = |song: &Path, made: Made| manifest.is_done(folder, &places, song, &made);
        assert!(is_done(&song, made("mini", "0.25")));
        assert!(!is_done(&song, made("other", "0.25")));
        assert!(!is_done(&song, made("mini", "0.5")));

        // The same bytes at another time are the same song; others are not.
        fs::write(&song, "song").unwrap();
        assert!(is_done(&song, made("mini", "0.25")));
        fs::write(&song, "gnos").unwrap();
        assert!(!is_done(&song, made("mini", "0.25")));

        fs::write(&song, "song").unwrap();
        fs::write(&places[1], "").unwrap();
        assert!(!is_done(&song, made("mini", "0.25")));
    }

    #[test]
    fn what_is_replaced_is_told_with_its_maker() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let older = entry(folder, "song", &["a", "b"], made("mini", "0.25"));
        let song = older.song.clone();
        let manifest = Manifest::read(folder).with(older);
        let places = ["a", "b", "c"].map(|stem| folder.join(stem));
        let before = |song: &SongRecord, made| manifest.before(folder, &places, song, &made);

        assert_eq!(before(&song, made("mini", "0.25")), None);
        let by = before(&song, made("other", "0.25")).unwrap();
        assert_eq!(by, "by mini (Sextet 0.1.0)");
        let by = before(&song, made("mini", "0.5")).unwrap();
        assert_eq!(by, "by mini with overlap 0.25 (Sextet 0.1.0)");

        let newer = SongRecord {
            sha256: "another".to_owned(),
            ..song
        };
        let by = before(&newer, made("mini", "0.25")).unwrap();
        assert_eq!(by, "by mini (Sextet 0.1.0) of an older version of the song");

        fs::write(&places[2], "of somebody").unwrap();
        let by = before(&newer, made("mini", "0.25")).unwrap();
        assert!(by.ends_with(", and by what no manifest says"), "{by}");
    }

    #[test]
    fn entries_whose_files_are_replaced_go() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let first = entry(folder, "1", &["a", "b"], made("mini", "0.25"));
        let second = entry(folder, "2", &["b", "c"], made("mini", "0.25"));
        let third = entry(folder, "3", &["a"], made("mini", "0.25"));
        let manifest = Manifest::read(folder).with(first).with(second);
        assert_eq!(manifest.songs[0].stems.len(), 1);
        assert!(manifest.has(folder, &folder.join("a"), 1));
        assert!(!manifest.has(folder, &folder.join("a"), 2));
        assert!(!manifest.has(folder, &folder.join("1"), 1));

        let manifest = manifest.with(third);
        let songs: Vec<_> = manifest
            .songs
            .iter()
            .map(|entry| &entry.song.file)
            .collect();
        assert_eq!(songs, ["2", "3"]);
    }

    /// Checks that a damaged manifest answers, and can be extended.
    #[test]
    fn a_damaged_manifest_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let entry = entry(folder, "song", &["a", "b"], made("mini", "0.25"));
        let whole = Manifest::read(folder).with(entry.clone()).to_bytes();
        let places = ["a", "b"].map(|stem| folder.join(stem));
        let mut read = 0;
        for case in 0..2_000 {
            let mut bytes = whole.clone();
            damage(&mut bytes, &mut Random::of_case(case));
            fs::write(folder.join(FILE_NAME), &bytes).unwrap();
            let manifest = Manifest::read(folder);
            read += usize::from(!manifest.songs.is_empty());

            let made = made("mini", "0.25");
            manifest.is_done(folder, &places, &folder.join("song"), &made);
            manifest.before(folder, &places, &entry.song, &made);
            let again = manifest.with(entry.clone());
            fs::write(folder.join(FILE_NAME), again.to_bytes()).unwrap();
            assert_eq!(Manifest::read(folder), again, "case {case}");
            assert!(again.is_done(folder, &places, &folder.join("song"), &made));
        }
        println!("2000 damaged manifests, {read} of them still read");
        assert!(read > 20, "only {read} are read");
    }

    #[test]
    fn what_is_not_understood_is_no_manifest_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(Manifest::find(folder), Ok(Manifest::empty()));

        let cases = [
            ("", None),
            ("{}", None),
            ("[1]", None),
            ("{\"version\": 1, \"songs\": 7}", None),
            ("{\"version\": 2, \"songs\": []}", Some(2)),
            ("{\"version\": 0, \"tracks\": {}}", Some(0)),
            ("\u{0}", None),
        ];
        each_case(cases, |(text, version)| {
            fs::write(folder.join(FILE_NAME), text).unwrap();
            assert!(Manifest::read(folder).songs.is_empty(), "{text}");
            assert_eq!(Manifest::find(folder), Err(Unknown { version }), "{text}");
        });
    }

    #[test]
    fn what_is_not_understood_is_kept_where_nothing_is() {
        let folder = tempfile::tempdir().unwrap();
        let cases = [
            (Some(2), "sextet.v2.json"),
            (Some(2), "sextet.v2.2.json"),
            (Some(2), "sextet.v2.3.json"),
            (None, "sextet.other.json"),
        ];
        for (version, expected) in cases {
            let place = Unknown { version }.kept_at(folder.path());
            assert_eq!(place, folder.path().join(expected));
            fs::write(place, "").unwrap();
        }
    }
}
