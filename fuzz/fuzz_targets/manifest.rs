//! Fuzz target: a `sextet.json` of arbitrary bytes, asked about stems and extended.
#![no_main]

// The command is no library; its manifest needs nothing else of it.
#[allow(dead_code, reason = "not everything is asked here")]
#[path = "../../cli/src/stems/manifest.rs"]
mod manifest;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use manifest::{Entry, FILE_NAME, FileRecord, Made, Manifest, SongRecord};

/// The folder of this process, with a song and a stem in it.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("sextet-fuzz-manifest-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written to");
    for name in ["song.wav", "bass.wav"] {
        std::fs::write(folder.join(name), name).expect("the folder can be written to");
    }
    folder
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let folder = FOLDER.as_path();
    std::fs::write(folder.join(FILE_NAME), bytes).expect("the folder can be written to");
    let manifest = Manifest::read(folder);

    let (song, place) = (folder.join("song.wav"), folder.join("bass.wav"));
    let made = Made {
        model: "mini".to_owned(),
        model_hash: String::new(),
        pipeline: 1,
        options: BTreeMap::new(),
    };
    let record = SongRecord::of(&song, &song).expect("the song is there");
    let places = [place.clone()];
    manifest.is_done(folder, &places, &song, &made);
    manifest.has(folder, &place, 8);
    if let Some(by) = manifest.before(folder, &places, &record, &made) {
        assert!(!by.is_empty());
    }

    let entry = Entry {
        song: record,
        made: made.clone(),
        sextet: "0.0.0".to_owned(),
        engine: "cpu".to_owned(),
        stems: vec![FileRecord::new("bass", &place, folder, 8, String::new())],
    };
    let manifest = manifest.with(entry);
    std::fs::write(folder.join(FILE_NAME), manifest.to_bytes()).expect("it can be written");
    let again = Manifest::read(folder);
    assert_eq!(again, manifest);
    assert!(again.is_done(folder, &places, &song, &made));
    assert!(!again.forget(folder, &places).knows(folder, &places));
});
