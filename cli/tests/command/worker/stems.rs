//! A separation job from its request to stems in the cache, which equal the stems of `sextet
//! separate`.

use sextet_protocol::cache::{Entry, Manifest};
use sextet_protocol::worker::{JobId, Reply, Request, Separate, SeparationOptions, Stage, Sum};
use sextet_protocol::{AudioHasher, Fingerprint, Stem};
use sextet_separator::audio::Audio;

use super::client::{Worker, done, folders, kept, tiny};
use crate::sandbox::{Sandbox, read};

/// Returns the manifest and the stems of the entry `key`.
fn stems(sandbox: &Sandbox, key: &Fingerprint) -> (Manifest, Vec<Audio>) {
    let entry = Entry::open(&folders(sandbox), key).unwrap();
    entry.verify(&|| false).unwrap();
    let stems = Stem::ALL.map(|stem| read(entry.stem_path(stem).unwrap()));
    (entry.manifest().clone(), stems.to_vec())
}

#[test]
fn the_bundled_model_gives_what_the_command_gives() {
    let sandbox = Sandbox::new();
    let song = sandbox.song_of("a söng.wav", 48_000, 2, 1.3);

    let mut worker = Worker::greeted(&sandbox);
    worker.send(&Request::Separate(Separate::new(JobId(1), &song)));
    let replies = worker.end_of(1);
    let (key, cached) = done(&replies);

    assert!(!cached);
    let stages = |stage| {
        replies
            .iter()
            .filter(|r| matches!(r, Reply::Progress { stage: s, .. } if *s == stage))
            .count()
    };

    assert!(
        stages(Stage::Reading) > 0 && stages(Stage::Separating) > 0 && stages(Stage::Storing) > 0,
        "{replies:?}"
    );
    let started = replies.iter().find_map(|reply| match reply {
        Reply::Started {
            key, model, stems, ..
        } => Some((*key, model.clone(), stems.clone())),
        _ => None,
    });

    assert_eq!(
        started,
        Some((key, "sextet-mini".to_owned(), Stem::ALL.to_vec()))
    );

    let (manifest, found) = stems(&sandbox, &key);
    let clip = read(&song);

    let mut hasher = AudioHasher::new(2, 48_000);
    hasher.push(clip.channels());

    assert_eq!(manifest.recipe.audio, hasher.finish());
    assert_eq!(
        (manifest.rate_hz, manifest.channels, manifest.frames),
        (48_000, 2, clip.frames() as u64)
    );
    assert_eq!(
        (manifest.song.as_str(), manifest.model.as_str()),
        ("a söng.wav", "sextet-mini")
    );

    let flags = ["separate", "a söng.wav", "--sum", "exact", "--threads", "1"];
    sandbox.sextet(&flags).assert().success();

    for (stem, audio) in Stem::ALL.iter().zip(&found) {
        assert!(
            *audio == read(sandbox.path(&format!("stems/a söng/{stem}.wav"))),
            "{stem} differs from the command's"
        );
    }

    assert!(
        residual(&clip, &found) < 1e-6,
        "the stems do not add up: {}",
        residual(&clip, &found)
    );

    println!(
        "largest difference of the stems' sum from the clip: {:e}",
        residual(&clip, &found)
    );
    assert_eq!(kept(&sandbox), [key.to_string()]);
}

/// Returns the largest absolute sample of the clip minus the sum of all stems.
fn residual(clip: &Audio, stems: &[Audio]) -> f64 {
    let mut largest: f64 = 0.0;
    for channel in 0..2 {
        for frame in 0..clip.frames() {
            let sum: f64 = stems
                .iter()
                .map(|stem| f64::from(stem.channels()[channel][frame]))
                .sum();
            largest = largest.max((f64::from(clip.channels()[channel][frame]) - sum).abs());
        }
    }

    largest
}

#[test]
fn stems_are_stereo_of_the_clips_rate_and_length() {
    let sandbox = Sandbox::new();
    let mut worker = Worker::greeted(&sandbox);
    let cases = [
        (8_000, 1, 1.0),
        (22_050, 2, 0.7),
        (44_100, 1, 0.011),
        (96_000, 2, 0.5),
        (192_000, 2, 0.2),
        (44_100, 6, 0.3),
    ];

    for (job, (rate_hz, channels, seconds)) in cases.into_iter().enumerate() {
        let song = sandbox.song_of(&format!("{job}.wav"), rate_hz, channels, seconds);
        let (key, _) = worker.stems_of(job as u64, &song);
        let frames = read(&song).frames();
        let (manifest, found) = stems(&sandbox, &key);

        assert_eq!(
            (manifest.rate_hz, manifest.channels, manifest.frames),
            (rate_hz, 2, frames as u64)
        );
        for stem in found {
            assert_eq!(
                (stem.rate_hz(), stem.channels().len(), stem.frames()),
                (rate_hz, 2, frames)
            );
        }
    }
}

#[test]
fn what_is_kept_is_found_again_by_any_worker() {
    let sandbox = Sandbox::new();
    let song = sandbox.song("song.wav", 1.2);
    let mut worker = Worker::greeted(&sandbox);
    let (key, cached) = worker.stems_of(1, &song);

    assert!(!cached);
    assert_eq!(worker.stems_of(2, &song), (key, true));
    worker.leave();

    // The same audio under another name, in another format.
    sandbox
        .separate(&["song.wav", "--stems", "bass", "--format", "flac"])
        .assert()
        .success();
    std::fs::copy(&song, sandbox.path("copy.wav")).unwrap();

    let mut worker = Worker::greeted(&sandbox);
    worker.separate(1, &sandbox.path("copy.wav"));

    let replies = worker.end_of(1);
    assert_eq!(done(&replies), (key, true));
    assert!(
        !replies
            .iter()
            .any(|reply| matches!(reply, Reply::Started { .. })),
        "{replies:?}"
    );
}

#[test]
fn another_recipe_is_another_entry() {
    let sandbox = Sandbox::new();
    let song = sandbox.song("song.wav", 0.4);
    let mut worker = Worker::greeted(&sandbox);

    let usual = SeparationOptions::default();
    let all = [
        usual,
        SeparationOptions {
            overlap: 0.5,
            ..usual
        },
        SeparationOptions { shifts: 1, ..usual },
        SeparationOptions {
            sum: Sum::Model,
            ..usual
        },
    ];

    for (job, options) in (1..).zip(all) {
        worker.send(&Request::Separate(Separate {
            options,
            ..tiny(job, &song)
        }));
        assert!(!done(&worker.end_of(job)).1, "{options:?}");
    }

    assert_eq!(kept(&sandbox).len(), all.len());
}

#[test]
fn a_damaged_entry_is_made_again() {
    let sandbox = Sandbox::new();
    let song = sandbox.song("song.wav", 0.6);
    let mut worker = Worker::greeted(&sandbox);
    let (key, _) = worker.stems_of(1, &song);
    let (_, before) = stems(&sandbox, &key);

    let folder = sandbox.path("cache/stems").join(key.to_string());
    let harms: [(&str, &dyn Fn()); 5] = [
        ("a bit", &|| {
            let mut bytes = std::fs::read(folder.join("bass.wav")).unwrap();
            bytes[4_000] ^= 1;
            std::fs::write(folder.join("bass.wav"), bytes).unwrap();
        }),
        ("a length", &|| {
            std::fs::write(folder.join("bass.wav"), b"RIFF").unwrap()
        }),
        ("a file", &|| {
            std::fs::remove_file(folder.join("piano.wav")).unwrap()
        }),
        ("a manifest", &|| {
            std::fs::write(folder.join("manifest.json"), b"{").unwrap()
        }),
        ("no manifest", &|| {
            std::fs::remove_file(folder.join("manifest.json")).unwrap()
        }),
    ];

    for (job, (name, corrupt)) in (2..).zip(harms) {
        corrupt();
        worker.separate(job, &song);

        let replies = worker.end_of(job);
        assert_eq!(done(&replies), (key, false), "{name}");
        let warned = replies.iter().any(
            |reply| matches!(reply, Reply::Warning { message, .. } if message.contains("damaged")),
        );

        assert!(warned || name == "no manifest", "{name}: {replies:?}");
        assert!(stems(&sandbox, &key).1 == before, "{name}");
        assert_eq!(kept(&sandbox), [key.to_string()], "{name}");
    }
}
