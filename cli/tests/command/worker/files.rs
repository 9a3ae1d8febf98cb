//! Imports and renders: files in, files out.

use sextet_protocol::worker::{FailKind, JobId, Render, RenderBits, RenderFormat, Reply, Request};
use sextet_protocol::{AudioHasher, Fingerprint, Stem};

use super::client::{Worker, folders};
use crate::sandbox::{Sandbox, read};

fn import(worker: &mut Worker, job: u64, song: &std::path::Path) -> (Fingerprint, u32, u64) {
    worker.send(&Request::Import {
        job: JobId(job),
        song: song.to_owned(),
    });
    let replies = worker.end_of(job);
    let Some(Reply::Imported {
        audio,
        rate_hz,
        frames,
        ..
    }) = replies.last()
    else {
        panic!("{replies:?}")
    };

    (*audio, *rate_hz, *frames)
}

#[test]
fn any_audio_becomes_a_capture() {
    let sandbox = Sandbox::new();
    let songs = [
        sandbox.file("tone.mp3", include_bytes!("../../fixtures/tone.mp3")),
        sandbox.song_of("mono.wav", 48_000, 1, 0.4),
        sandbox.song_of("six.wav", 44_100, 6, 0.4),
    ];

    let mut worker = Worker::greeted(&sandbox);
    for (job, song) in (1..).zip(&songs) {
        let (audio, rate_hz, frames) = import(&mut worker, job, song);
        let capture = read(folders(&sandbox).capture(&audio));
        let original = read(song);

        assert_eq!(
            (capture.rate_hz(), capture.frames()),
            (rate_hz, frames as usize)
        );
        assert_eq!(
            (
                original.rate_hz(),
                original.frames(),
                capture.channels().len()
            ),
            (rate_hz, frames as usize, 2)
        );

        let mut hasher = AudioHasher::new(2, rate_hz);
        hasher.push(capture.channels());

        assert_eq!(hasher.finish(), audio);
    }

    assert_eq!(sandbox.files("data").len(), songs.len());

    // An imported capture is itself, and a clip's stems are those of its capture.
    let (audio, ..) = import(&mut worker, 8, &songs[1]);
    assert_eq!(
        import(&mut worker, 9, &folders(&sandbox).capture(&audio)).0,
        audio
    );
    let (key, _) = worker.stems_of(10, &songs[1]);

    assert_eq!(
        worker.stems_of(11, &folders(&sandbox).capture(&audio)),
        (key, true)
    );
    assert_eq!(sandbox.files("data").len(), songs.len());
}

#[test]
fn an_import_that_fails_leaves_nothing() {
    let sandbox = Sandbox::new();
    let text = sandbox.file("text.wav", b"this is no audio at all");
    let song = sandbox.song("song.wav", 0.3);

    sandbox.file("data", b"in the way");
    let mut worker = Worker::greeted(&sandbox);
    for (job, song, expected) in [(1, &text, FailKind::Audio), (2, &song, FailKind::Output)] {
        worker.send(&Request::Import {
            job: JobId(job),
            song: song.clone(),
        });
        let replies = worker.end_of(job);
        let Some(Reply::Failed { kind, remedy, .. }) = replies.last() else {
            panic!("{replies:?}")
        };

        assert_eq!(*kind, expected);
        assert!(!remedy.is_empty());
    }

    assert_eq!(std::fs::read(sandbox.path("data")).unwrap(), b"in the way");
}

fn order(sandbox: &Sandbox, job: u64, key: Fingerprint) -> Render {
    let (folder, name) = (sandbox.path("out"), "my söng".to_owned());
    let (format, bits, rate_hz) = (RenderFormat::Wav, None, None);
    Render {
        job: JobId(job),
        key,
        stems: Vec::new(),
        folder,
        name,
        format,
        bits,
        rate_hz,
    }
}

#[test]
fn stems_are_rendered_as_asked() {
    let sandbox = Sandbox::new();
    let song = sandbox.song_of("song.wav", 48_000, 2, 0.7);
    let frames = read(&song).frames();
    let mut worker = Worker::greeted(&sandbox);
    let (key, _) = worker.stems_of(1, &song);

    let cases = [
        (RenderFormat::Wav, None, None, vec![], "wav"),
        (
            RenderFormat::Wav,
            Some(RenderBits::Int16),
            Some(44_100),
            vec![Stem::Vocals],
            "wav",
        ),
        (
            RenderFormat::Wav,
            Some(RenderBits::Int24),
            None,
            vec![Stem::Piano, Stem::Drums],
            "wav",
        ),
        (
            RenderFormat::Flac,
            None,
            Some(96_000),
            vec![Stem::Bass],
            "flac",
        ),
        (
            RenderFormat::Flac,
            Some(RenderBits::Int16),
            None,
            vec![Stem::Other],
            "flac",
        ),
    ];

    for (job, (format, bits, rate_hz, stems, extension)) in (2..).zip(cases) {
        let render = Render {
            format,
            bits,
            rate_hz,
            stems: stems.clone(),
            ..order(&sandbox, job, key)
        };

        worker.send(&Request::Render(render));
        let replies = worker.end_of(job);
        let Some(Reply::Rendered { paths, .. }) = replies.last() else {
            panic!("{replies:?}")
        };

        let expected = Stem::ALL
            .into_iter()
            .filter(|stem| stems.is_empty() || stems.contains(stem));
        let expected: Vec<_> = expected
            .map(|stem| sandbox.path(&format!("out/my söng/{stem}.{extension}")))
            .collect();

        assert_eq!(*paths, expected);
        let rate_hz = rate_hz.unwrap_or(48_000);
        for path in paths {
            let audio = read(path);
            let expected = (frames as f64 * f64::from(rate_hz) / 48_000.0).round() as usize;
            assert!(
                audio.rate_hz() == rate_hz && audio.frames().abs_diff(expected) <= 1,
                "{}",
                path.display()
            );
        }
    }

    // A float render at the stems' own rate equals the cached file.
    worker.send(&Request::Render(order(&sandbox, 20, key)));
    worker.end_of(20);

    let kept = sandbox.path(&format!("cache/stems/{key}/vocals.wav"));
    assert!(read(sandbox.path("out/my söng/vocals.wav")) == read(kept));
}

#[test]
fn a_render_that_fails_leaves_what_was_there() {
    let sandbox = Sandbox::new();
    let mut worker = Worker::greeted(&sandbox);
    let (key, _) = worker.stems_of(1, &sandbox.song("song.wav", 0.3));

    sandbox.file("out/my söng/vocals.wav", b"older");
    sandbox.file("file", b"in the way");

    let usual = || order(&sandbox, 0, key);
    let cases = [
        (
            Render {
                key: Fingerprint::of(b"nothing"),
                ..usual()
            },
            FailKind::Input,
        ),
        (
            Render {
                format: RenderFormat::Flac,
                bits: Some(RenderBits::Float32),
                ..usual()
            },
            FailKind::Request,
        ),
        (
            Render {
                rate_hz: Some(7_000),
                ..usual()
            },
            FailKind::Request,
        ),
        (
            Render {
                folder: "relative".into(),
                ..usual()
            },
            FailKind::Request,
        ),
        (
            Render {
                name: "../up".into(),
                ..usual()
            },
            FailKind::Request,
        ),
        (
            Render {
                name: "a/b".into(),
                ..usual()
            },
            FailKind::Request,
        ),
        (
            Render {
                folder: sandbox.path("file"),
                ..usual()
            },
            FailKind::Output,
        ),
    ];

    for (job, (render, expected)) in (2..).zip(cases) {
        worker.send(&Request::Render(Render {
            job: JobId(job),
            ..render.clone()
        }));
        let replies = worker.end_of(job);
        let Some(Reply::Failed {
            kind,
            message,
            remedy,
            ..
        }) = replies.last()
        else {
            panic!("{render:?}: {replies:?}")
        };

        assert_eq!(*kind, expected, "{message}");
        assert!(!remedy.is_empty());
        println!("{message}\n  {remedy}");

        assert_eq!(sandbox.files("out"), ["my söng/vocals.wav"]);
    }

    assert!(!sandbox.path("up").exists() && !sandbox.path("relative").exists());
}
