//! `--json`, parsed with types of its own that allow no other fields, so that the output is what
//! docs/json.md promises.

use serde::Deserialize;

use crate::sandbox::Sandbox;

#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
#[allow(dead_code, reason = "reading every field is the test")]
enum Line {
    Start {
        version: u32,
        sextet: String,
        model: String,
        model_hash: String,
        engine: String,
        engine_note: Option<String>,
        engines: Vec<Running>,
        parts: Vec<String>,
        songs: usize,
        left_out: Vec<String>,
        own_stems: usize,
        start_s: f64,
    },
    Song {
        index: usize,
        input: String,
        engine: String,
        gpu: Option<usize>,
    },
    Progress {
        index: usize,
        stage: Stage,
        frames: Option<u64>,
        share: f64,
        speed: Option<f64>,
        left_s: Option<f64>,
    },
    Warning {
        index: Option<usize>,
        message: String,
    },
    SongEnd {
        index: usize,
        input: String,
        status: Status,
        outputs: Vec<Output>,
        page: Option<Page>,
        audio_s: Option<f64>,
        wall_s: f64,
        speed: Option<f64>,
        engine: Option<String>,
        gpu: Option<usize>,
        error: Option<Report>,
    },
    End {
        done: usize,
        skipped: usize,
        failed: usize,
        wall_s: f64,
        exit_code: u8,
    },
    Error {
        version: u32,
        error: Report,
        exit_code: u8,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Running {
    engine: String,
    gpu: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    part: String,
    path: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "reading every field is the test")]
struct Page {
    path: String,
    bytes: u64,
    codec: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Report {
    kind: String,
    message: String,
    remedy: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Stage {
    Reading,
    Separating,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Status {
    Done,
    Skipped,
    Failed,
}

fn lines(sandbox: &Sandbox, arguments: &[&str], code: i32) -> Vec<Line> {
    let mut command = sandbox.separate(arguments);
    let output = command
        .arg("--json")
        .assert()
        .code(code)
        .get_output()
        .stdout
        .clone();

    let text = String::from_utf8(output).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

#[test]
fn a_batch_tells_all_about_itself() {
    let sandbox = Sandbox::new();
    sandbox.song("a.wav", 1.5);
    sandbox.file("b.wav", b"text");

    let lines = lines(&sandbox, &["a.wav", "b.wav", "--two-stems", "vocals"], 1);
    let Line::Start {
        version: 2,
        parts,
        songs: 2,
        engine,
        engines,
        ..
    } = &lines[0]
    else {
        panic!("{:?}", lines[0])
    };

    let [
        Running {
            engine: only,
            gpu: None,
        },
    ] = &engines[..]
    else {
        panic!("{engines:?}")
    };

    assert_eq!(only, engine);
    assert_eq!(parts, &["vocals", "no_vocals"]);
    let Line::Song {
        index: 0,
        gpu: None,
        ..
    } = &lines[1]
    else {
        panic!("{:?}", lines[1])
    };

    let last = lines
        .iter()
        .rev()
        .find(|line| matches!(line, Line::Progress { .. }));
    let Some(Line::Progress {
        index: 0,
        stage: Stage::Separating,
        share,
        ..
    }) = last
    else {
        panic!("{last:?}")
    };

    assert_eq!(*share, 1.0);
    let mut ends = lines.iter().filter_map(|line| match line {
        Line::SongEnd {
            status,
            outputs,
            error,
            audio_s,
            engine: Some(on),
            gpu: None,
            ..
        } if on == engine => Some((status, outputs, error, audio_s)),
        _ => None,
    });

    let (status, outputs, error, audio_s) = ends.next().unwrap();
    assert_eq!(
        (status, outputs.len(), error.is_none(), *audio_s),
        (&Status::Done, 2, true, Some(1.5))
    );
    assert!(
        outputs
            .iter()
            .all(|output| sandbox.path(&output.path).is_file()),
        "{outputs:?}"
    );

    assert_eq!(outputs[1].part, "no_vocals");
    let (status, outputs, error, _) = ends.next().unwrap();

    assert_eq!((status, outputs.len()), (&Status::Failed, 0));
    let report = error.as_ref().unwrap();
    assert_eq!(report.kind, "audio");
    assert!(!report.message.is_empty() && !report.remedy.is_empty());

    let Line::End {
        done: 1,
        failed: 1,
        exit_code: 1,
        ..
    } = lines.last().unwrap()
    else {
        panic!("{:?}", lines.last())
    };
}

#[test]
fn skipped_songs_are_told() {
    let sandbox = Sandbox::new();
    sandbox.song("a.wav", 0.2);

    for expected in [Status::Done, Status::Skipped] {
        let lines = lines(&sandbox, &["a.wav", "--skip-existing"], 0);
        let status = lines.iter().find_map(|line| {
            if let Line::SongEnd { status, .. } = line {
                Some(status)
            } else {
                None
            }
        });
        assert_eq!(status, Some(&expected));
    }
}

#[test]
fn a_run_that_cannot_begin_is_one_line() {
    let sandbox = Sandbox::new();
    sandbox.song("a.wav", 0.2);

    let lines = lines(&sandbox, &["a.wav", "--name", "{nothing}"], 2);
    let [
        Line::Error {
            version: 2,
            error,
            exit_code: 2,
        },
    ] = lines.as_slice()
    else {
        panic!("{lines:?}")
    };

    assert_eq!(error.kind, "usage");
}
