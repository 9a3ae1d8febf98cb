//! Projects as hosts save them, and the folders that their instances use.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sextet_protocol::{Fingerprint, Folders};

/// Returns the folders of this test run, which all instances of this process use. A test that runs
/// another process gives it its own.
pub fn folders() -> &'static Folders {
    static FOLDERS: OnceLock<(tempfile::TempDir, Folders)> = OnceLock::new();
    let (_, folders) = FOLDERS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let given = |variable| std::env::var_os(variable).map(PathBuf::from);
        let cache = given("SEXTET_TEST_CACHE").unwrap_or_else(|| folder.path().join("cache"));
        let data = given("SEXTET_TEST_DATA").unwrap_or_else(|| folder.path().join("data"));
        let folders = Folders::at(cache, data);

        // SAFETY: called before any instance, and with it any thread of ours, is made.
        unsafe {
            std::env::set_var("SEXTET_CACHE", folders.cache());
            std::env::set_var("SEXTET_DATA", folders.data());
        }

        (folder, folders)
    });

    folders
}

/// Makes instances run another command from now on.
pub fn use_command(path: &Path) {
    folders();
    // SAFETY: only tests that run alone in their process do this, while no session is about to
    // start a worker.
    unsafe { std::env::set_var("SEXTET_COMMAND", path) };
}

/// Returns a project with one clip, in nice-plug's format.
pub fn with_clip(
    audio: Fingerprint,
    key: Option<Fingerprint>,
    rate_hz: u32,
    frames: u64,
    start_frame: i64,
) -> Vec<u8> {
    let clip = json!({
        "audio": audio, "start_frame": start_frame, "frames": frames, "rate_hz": rate_hz, "name": "clip", "key": key,
    });
    framed(&json!({ "format": 1, "clip": clip }))
}

/// Returns a project with other contents, in nice-plug's format for VST3.
pub fn plain(saved: &Value) -> Vec<u8> {
    let state =
        json!({ "version": "0.1.0", "params": {}, "fields": { "sextet": saved.to_string() } });
    state.to_string().into_bytes()
}

/// Returns a project with other contents, in nice-plug's format for CLAP: its length comes first.
pub fn framed(saved: &Value) -> Vec<u8> {
    let text = plain(saved);
    let length = (text.len() as u64).to_le_bytes();
    [&length[..], &text].concat()
}

/// Returns the state of an instance from a CLAP host's project.
pub fn saved(state: &[u8]) -> Value {
    let state: Value = serde_json::from_slice(&state[8..]).unwrap();
    serde_json::from_str(state["fields"]["sextet"].as_str().unwrap()).unwrap()
}

/// Calls `is_so` until it succeeds.
///
/// # Panics
/// When it never does.
pub fn until(what: &str, patience: Duration, mut is_so: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    loop {
        let found = match is_so() {
            Ok(()) => return,
            Err(found) => found,
        };
        assert!(
            start.elapsed() < patience,
            "{what}: after {patience:?} it is '{found}'"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
