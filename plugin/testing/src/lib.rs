//! Helpers that the plugin's tests and examples share: hosts, a screen, projects, entries of the
//! stem cache, and the command that the plugin runs.
#![allow(
    missing_docs,
    reason = "fields and modules say what they are by their names"
)]
#![allow(
    clippy::new_without_default,
    reason = "a host is started, it has no default"
)]

pub mod clap_host;
pub mod command;
pub mod entry;
pub mod project;
pub mod reference;
pub mod screen;
pub mod vst3_host;
pub mod waveforms;
#[cfg(windows)]
pub mod window;

pub use command::{bundled, command};

use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use sextet_protocol::worker::{JobId, Lines, Reply, Request, to_line};

/// Returns the path of the plugin as it is shipped: the library that hosts load.
pub fn library() -> PathBuf {
    if let Some(folder) = bundled() {
        return folder.join("Sextet.clap");
    }

    let name = format!(
        "{}sextet_plugin{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    );

    // Examples are beside the folder of the tests.
    let program = std::env::current_exe().unwrap();
    let folders = program
        .ancestors()
        .skip(1)
        .flat_map(|folder| [folder.to_owned(), folder.join("deps")]);
    let path = folders
        .map(|folder| folder.join(&name))
        .find(|path| path.is_file())
        .unwrap_or(name.into());

    assert!(path.is_file(), "{} is not built", path.display());
    path
}

/// Returns a VST3 bundle with the library in it, in the form that hosts on Linux and Windows
/// require. It is made in `folder` unless bundles are tested.
pub fn bundle(folder: &Path) -> PathBuf {
    if let Some(folder) = bundled() {
        return folder.join("Sextet.vst3");
    }

    let bundle = folder.join("Sextet.vst3");
    let (system, file) = if cfg!(windows) {
        ("win", "Sextet.vst3")
    } else {
        ("linux", "Sextet.so")
    };

    let inner = bundle
        .join("Contents")
        .join(format!("{}-{system}", std::env::consts::ARCH));
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::copy(library(), inner.join(file)).unwrap();

    bundle
}

/// Makes instances run [`command()`]. Those of bundles find their own command.
pub fn use_command() {
    if bundled().is_none() {
        project::use_command(command());
    }
}

/// Runs a test that is ignored otherwise in a process of its own; returns its output.
///
/// # Panics
/// When the test fails, and when there is no such test.
pub fn in_a_process_of_its_own(test: &str, environment: &[(&str, &std::ffi::OsStr)]) -> String {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child
        .args(["--ignored", "--exact", test, "--nocapture"])
        .envs(environment.iter().copied());
    let output = child.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();

    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("test result: ok. 1 passed"),
        "{test}: {said}{complaint}"
    );
    said
}

/// Names of the output buses, in their order.
pub const BUSES: [&str; 7] = [
    "Main", "Drums", "Bass", "Other", "Vocals", "Guitar", "Piano",
];

/// Channels of the seven buses.
pub type BusAudio = [[Vec<f32>; 2]; 7];

/// Checks that samples are equal.
///
/// # Panics
/// When they differ; the message names the first frame that does.
#[track_caller]
pub fn assert_same_samples(heard: &[f32], expected: &[f32], what: &str) {
    let difference = heard.iter().zip(expected).position(|(a, b)| a != b);
    if let Some(frame) = difference {
        let (heard, expected) = (heard[frame], expected[frame]);
        panic!("{what}: frame {frame} is {heard} instead of {expected}");
    }
    assert_eq!(heard.len(), expected.len(), "{what}: number of frames");
}

/// Checks that all samples of some buses are equal.
///
/// # Panics
/// When they differ; the message names the first bus and the first frame that does.
#[track_caller]
pub fn assert_same_buses(heard: &[[Vec<f32>; 2]], expected: &[[Vec<f32>; 2]], what: &str) {
    assert_eq!(heard.len(), expected.len(), "{what}: number of buses");
    for (bus, (heard, expected)) in heard.iter().zip(expected).enumerate() {
        for side in 0..2 {
            let what = format!("{what}, bus {bus}, channel {side}");
            assert_same_samples(&heard[side], &expected[side], &what);
        }
    }
}

/// Returns the level of a difference against full scale, in dB.
pub fn db(value: f64) -> f64 {
    20.0 * value.max(1e-12).log10()
}

/// Returns the beginning of the sample song: its rate and both channels.
pub fn song(seconds: f64) -> (u32, [Vec<f32>; 2]) {
    static SONG: OnceLock<(u32, [Vec<f32>; 2])> = OnceLock::new();
    let (rate_hz, channels) = SONG.get_or_init(|| {
        // The variable is set by Cargo, and by tools that run the tests elsewhere.
        let folder = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
            |plugin| Path::new(&plugin).join(".."),
        );
        let path = folder.join("samples/six-of-one.flac");
        let requests = [
            Request::hello("test"),
            Request::Import {
                job: JobId(1),
                song: path.canonicalize().unwrap(),
            },
        ];

        match ask(&requests) {
            Reply::Imported { audio, .. } => entry::read_wav(&project::folders().capture(&audio)),
            other => panic!("{other:?}"),
        }
    });

    let frames = (seconds * f64::from(*rate_hz)) as usize;
    (
        *rate_hz,
        channels
            .each_ref()
            .map(|channel| channel[..frames.min(channel.len())].to_vec()),
    )
}

/// Runs a worker and returns its last reply to the last request.
pub fn ask(requests: &[Request]) -> Reply {
    project::folders();
    let mut worker = std::process::Command::new(command());
    let mut worker = worker
        .arg("worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();

    let mut stdin = worker.stdin.take().unwrap();
    for request in requests {
        stdin
            .write_all(to_line(request).unwrap().as_bytes())
            .unwrap();
    }

    let mut lines = Lines::new(BufReader::new(worker.stdout.take().unwrap()));
    let reply = loop {
        let reply = lines.next::<Reply>().expect("the worker ended").unwrap();
        if reply.is_last() {
            break reply;
        }
    };

    drop(stdin);
    worker.wait().unwrap();
    reply
}
