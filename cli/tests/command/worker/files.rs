//! Imports and renders: files in, files out.

use sextet_protocol::worker::{
    FailKind, JobId, Render, RenderBits, RenderFormat, RenderMix, Reply, Request,
};
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
        mixes: Vec::new(),
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

fn render(worker: &mut Worker, render: Render) -> Vec<std::path::PathBuf> {
    let job = render.job;
    worker.send(&Request::Render(render));
    let replies = worker.end_of(job.0);
    let Some(Reply::Rendered { paths, .. }) = replies.last() else {
        panic!("{replies:?}")
    };
    paths.clone()
}

fn mix(name: &str, levels: &[(Stem, f32)]) -> RenderMix {
    RenderMix {
        name: name.to_owned(),
        levels: levels.iter().copied().collect(),
    }
}

#[test]
fn mixes_are_the_sums_that_their_factors_make() {
    let sandbox = Sandbox::new();
    let song = sandbox.song_of("song.wav", 48_000, 2, 0.7);
    let mut worker = Worker::greeted(&sandbox);
    let (key, _) = worker.stems_of(1, &song);
    render(&mut worker, order(&sandbox, 2, key));
    let stem = |stem: Stem| read(sandbox.path(&format!("out/my söng/{stem}.wav")));

    let all = Stem::ALL.map(|stem| (stem, 1.0));
    let cases: [&[(Stem, f32)]; 4] = [
        &all,
        &all[1..],
        &[(Stem::Drums, 0.25), (Stem::Vocals, 3.5), (Stem::Bass, 0.0)],
        &[],
    ];
    for (job, levels) in (3..).zip(cases) {
        let mixes = vec![mix("mix", levels)];
        let paths = render(
            &mut worker,
            Render {
                mixes,
                ..order(&sandbox, job, key)
            },
        );
        assert_eq!(paths, [sandbox.path("out/my söng/mix.wav")], "no stem");

        let heard = read(&paths[0]);
        for side in 0..2 {
            let mut sum = vec![0.0_f64; heard.frames()];
            for &(one, level) in levels {
                let stem = stem(one);
                sum.iter_mut()
                    .zip(&stem.channels()[side])
                    .for_each(|(sum, &sample)| *sum += f64::from(level) * f64::from(sample));
            }
            let expected: Vec<f32> = sum.into_iter().map(|sample| sample as f32).collect();
            assert!(heard.channels()[side] == expected, "{levels:?}");
        }
    }

    // Beside stems, at another rate and as integers.
    let paths = render(
        &mut worker,
        Render {
            stems: vec![Stem::Vocals],
            mixes: vec![mix("no_vocals", &all[..3])],
            format: RenderFormat::Flac,
            rate_hz: Some(44_100),
            ..order(&sandbox, 20, key)
        },
    );
    let names = ["vocals", "no_vocals"];
    assert_eq!(
        paths,
        names.map(|name| sandbox.path(&format!("out/my söng/{name}.flac")))
    );
    assert_eq!(read(&paths[0]).frames(), read(&paths[1]).frames());
}

/// ffmpeg encodes these: without it the test says that it is skipped.
#[test]
fn renders_come_in_every_format_of_the_command() {
    let sandbox = Sandbox::new();
    let song = sandbox.song_of("song.wav", 48_000, 2, 0.7);
    let mut worker = Worker::greeted(&sandbox);
    let (key, _) = worker.stems_of(1, &song);

    let mut made = 0;
    for (job, format) in (2..).zip(RenderFormat::ALL) {
        if format.needs_ffmpeg() && !crate::formats::has_ffmpeg() {
            println!("{}: skipped, there is no ffmpeg", format.name());
            continue;
        }
        let bits = format.bits().iter().map(|&bits| Some(bits));
        for (number, bits) in (0..).zip(bits.chain([None])) {
            let paths = render(
                &mut worker,
                Render {
                    format,
                    bits,
                    stems: vec![Stem::Bass],
                    mixes: vec![mix("mix", &[(Stem::Drums, 1.0), (Stem::Bass, 1.0)])],
                    ..order(&sandbox, 10 * job + number, key)
                },
            );
            assert_eq!(paths.len(), if format.is_joined() { 1 } else { 2 });
            for path in paths {
                assert!(read(&path).frames() > 30_000, "{}", path.display());
                made += 1;
            }
        }
    }
    println!("{made} files");
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
                format: RenderFormat::Mp3,
                bits: Some(RenderBits::Int16),
                ..usual()
            },
            FailKind::Request,
        ),
        (
            Render {
                mixes: vec![mix("../up", &[(Stem::Bass, 1.0)])],
                ..usual()
            },
            FailKind::Request,
        ),
        (
            Render {
                stems: vec![Stem::Bass],
                mixes: vec![mix("Bass", &[(Stem::Bass, 1.0)])],
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
