//! Tests of captures that are listed, deleted, collected and found.

use std::fs;
use std::path::{Path, PathBuf};

use sextet_protocol::AudioHasher;

use super::*;

const FRAMES: usize = 5_000;

/// Writes a capture, of which `number` tells it from others; returns its name.
fn capture(folder: &Path, number: u32) -> Fingerprint {
    let side = |side: usize| -> Vec<f32> {
        let sample = |frame: usize| ((frame * (1 + side) + number as usize) % 997) as f32 / 997.0;
        (0..FRAMES).map(sample).collect()
    };
    let sides = [side(0), side(1)];
    let mut hasher = AudioHasher::new(2, RATE_HZ);
    hasher.push(&sides);
    let audio = hasher.finish();

    let pairs = sides[0].iter().zip(&sides[1]);
    let interleaved: Vec<f32> = pairs.flat_map(|(&left, &right)| [left, right]).collect();
    fs::create_dir_all(folder).unwrap();
    entry::write_wav(&folder.join(format!("{audio}.wav")), RATE_HZ, &interleaved);
    audio
}

fn clip(audio: Fingerprint, key: Option<Fingerprint>) -> SavedClip {
    SavedClip {
        audio,
        start_frame: 77,
        frames: FRAMES as u64,
        rate_hz: RATE_HZ,
        name: "Verse".to_owned(),
        key,
        silenced: Silenced::default(),
        file: None,
    }
}

/// Starts a session with a clip that has its capture and its stems.
fn with_capture() -> (SessionFixture, SavedClip) {
    let fixture = SessionFixture::new();
    let folders = &fixture.home.folders;
    let audio = capture(&folders.captures(), 1);
    let key = entry::make(folders, RATE_HZ, FRAMES as u64, |stem, _, _| {
        stem as u8 as f32 / 10.0
    });

    let clip = clip(audio, Some(key));
    fixture.load(Some(clip.clone()));
    fixture.wait("stems", |view| view.phase == Phase::Ready);
    (fixture, clip)
}

fn notice(fixture: &SessionFixture, with: &str) {
    fixture.wait(with, |view| {
        view.notice
            .as_ref()
            .is_some_and(|(text, _)| text.contains(with))
    });
}

#[test]
fn a_capture_in_use_is_not_deleted_and_another_is() {
    let (fixture, clip) = with_capture();
    let folder = fixture.home.folders.captures();
    let other = capture(&folder, 2);
    let listed = |count: usize, in_use: usize| {
        move |view: &View| {
            let list = view.captures.as_deref();
            let list = list.map(|list| &list.captures);
            list.is_some_and(|list| {
                let used = list.iter().filter(|capture| capture.is_in_use);
                (list.len(), used.count()) == (count, in_use)
            })
        }
    };

    fixture.send(Command::ListCaptures);
    fixture.wait("a list", listed(2, 1));
    fixture.send(Command::DeleteCapture(clip.audio));
    notice(&fixture, "is in use by an open project");
    fixture.send(Command::DeleteCapture(other));
    fixture.wait("one capture", listed(1, 1));

    // What can be undone is in use, too: by another session it cannot be deleted either.
    fixture.send(Command::Clear);
    fixture.wait("no clip", |view| view.phase == Phase::Empty);
    fixture.send(Command::LimitCaptures(Some(1)));
    fixture.wait("the capture", |view| {
        listed(1, 1)(view)
            && view
                .captures
                .as_ref()
                .is_some_and(|list| list.limit_bytes == Some(1))
    });

    // A loaded project has no history.
    fixture.load(None);
    fixture.load(Some(self::clip(other, None)));
    fixture.send(Command::LimitCaptures(Some(1)));
    fixture.wait("no capture", listed(0, 0));
    notice(&fixture, "was deleted, to keep within the limit");
    assert!(!folder.join(format!("{}.wav", clip.audio)).exists());
}

/// Returns the paths below a folder, without those of files that only readers make.
fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = files(folder)
        .into_iter()
        .map(|path| path.strip_prefix(folder).unwrap().to_owned())
        .filter(|path| !path.ends_with("in-use"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_collected_clip_is_found_on_another_computer_by_its_audio() {
    let (fixture, clip) = with_capture();
    let project = fixture.home.path().join("my project");
    fs::create_dir(&project).unwrap();
    fixture.send(Command::Collect(project.clone()));
    notice(&fixture, "Verse was collected");
    fixture.wait("undo", |view| view.can_undo && view.phase == Phase::Ready);

    let (audio, key) = (clip.audio, clip.key.unwrap());
    let stems = Stem::ALL.map(|stem| PathBuf::from(format!("sextet/stems/{key}/{stem}.wav")));
    let others = [
        format!("sextet/{audio}.wav"),
        format!("sextet/{audio}.clip"),
        format!("sextet/stems/{key}/manifest.json"),
    ];
    let mut expected: Vec<_> = others.into_iter().map(PathBuf::from).chain(stems).collect();
    expected.sort();
    assert_eq!(names(&project), expected);

    // The capture in the user's folder is not needed any more; undoing goes back to it.
    let own = fixture.home.folders.capture(&audio);
    fixture.send(Command::Undo);
    fixture.wait("undone", |view| {
        !view.can_undo && view.phase == Phase::Ready
    });
    fixture.send(Command::Redo);
    fixture.wait("done again", |view| {
        view.can_undo && view.phase == Phase::Ready
    });
    fixture.load(None);
    fs::remove_file(own).unwrap();

    // Another computer, where somebody has given the file a name, and another file the old one.
    let there = SessionFixture::new();
    there.load(Some(clip.clone()));
    let is_missing =
        |view: &View| matches!(&view.phase, Phase::Failed(fault) if !fault.can_be_tried_again());
    there.send(Command::Separate);
    there.wait("no capture", is_missing);

    let sextet = project.join("sextet");
    let old = sextet.join(format!("{audio}.wav"));
    fs::rename(&old, sextet.join("Verse, dry.WAV")).unwrap();
    let impostor = capture(&sextet, 3);
    fs::rename(sextet.join(format!("{impostor}.wav")), &old).unwrap();

    let empty = there.home.path().join("empty");
    fs::create_dir(&empty).unwrap();
    there.send(Command::FindCapture(empty));
    notice(&there, "is the capture of Verse");
    there.send(Command::DismissNotice);

    there.send(Command::FindCapture(project));
    there.wait("stems", |view| view.phase == Phase::Ready);
    notice(&there, "Verse, dry.WAV");
    assert!(there.home.folders.stems().join(key.to_string()).is_dir());
    assert!(names(&there.home.folders.captures()).is_empty());

    // Undone, the project knows the capture no longer; the stems are in the cache.
    there.send(Command::Undo);
    there.wait("undone", |view| {
        !view.can_undo && view.phase == Phase::Ready
    });
}

#[test]
fn what_cannot_be_collected_or_found_is_said() {
    let (fixture, clip) = with_capture();
    let file = fixture.home.path().join("file");
    fs::write(&file, "in the way").unwrap();

    fixture.send(Command::Collect(file.clone()));
    notice(&fixture, "cannot be collected into");
    fixture.send(Command::FindCapture(file.join("below")));
    notice(&fixture, "cannot be looked for in");
    assert_eq!(fs::read(&file).unwrap(), b"in the way");

    fixture.load(None);
    fs::remove_file(fixture.home.folders.capture(&clip.audio)).unwrap();
    fixture.load(Some(clip));
    fixture.wait("stems", |view| view.phase == Phase::Ready);
    fixture.send(Command::Collect(fixture.home.path().join("folder")));
    notice(&fixture, "capture is gone");
}
