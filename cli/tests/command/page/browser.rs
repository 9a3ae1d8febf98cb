//! A headless Chromium that the tests drive through pipes, by the DevTools protocol.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Environment variable that names the browser.
const VARIABLE: &str = "SEXTET_CHROMIUM";

/// Names under which systems have it.
const NAMES: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chromium-headless-shell",
];

/// Returns the browser that the environment names, or else the one on the `PATH`.
pub(super) fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&folders).collect();
    NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
}

/// A browser with one page. It is ended when dropped.
pub(super) struct Browser {
    child: Child,
    commands: std::io::PipeWriter,
    answers: BufReader<std::io::PipeReader>,
    session: Option<String>,
    count: u64,
    /// Complaints of the page: errors, and what its policy has blocked.
    pub(super) complaints: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// Starts `program`.
    pub(super) fn start(program: &Path) -> Self {
        let (theirs_in, commands) = std::io::pipe().unwrap();
        let (answers, theirs_out) = std::io::pipe().unwrap();
        let profile = tempfile::tempdir().unwrap();

        let mut command = Command::new(program);
        command
            .args(["--headless", "--remote-debugging-pipe", "--no-first-run"])
            .args(["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .arg("--autoplay-policy=no-user-gesture-required")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        give_pipes(&mut command, &theirs_in, &theirs_out);
        let child = command.spawn().unwrap();
        // A browser that ends closes its pipes only if nobody else has them open.
        drop((theirs_in, theirs_out));

        let mut browser = Self {
            child,
            commands,
            answers: BufReader::new(answers),
            session: None,
            count: 0,
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method of the protocol and returns its result.
    pub(super) fn call(&mut self, method: &str, params: Value) -> Value {
        self.count += 1;
        let mut message = json!({"id": self.count, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).unwrap();

        loop {
            let mut bytes = Vec::new();
            self.answers.read_until(0, &mut bytes).unwrap();
            assert_eq!(bytes.pop(), Some(0), "the browser has ended");
            let mut message: Value = serde_json::from_slice(&bytes).unwrap();
            if message["id"] == self.count {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            self.note(&message);
        }
    }

    /// Notes what an event complains about.
    fn note(&mut self, message: &Value) {
        let is_complaint = match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Log.entryAdded") => message["params"]["entry"]["level"] == "error",
            _ => false,
        };
        if is_complaint {
            self.complaints.push(message["params"].to_string());
        }
    }

    /// Opens a file.
    pub(super) fn open(&mut self, path: &Path) {
        let path = path.canonicalize().unwrap();
        let url = format!("file://{}", path.display());
        self.call("Page.navigate", json!({"url": url}));
    }

    /// Runs a script as if the user had touched the page, waits for its promise and returns its
    /// value.
    pub(super) fn run(&mut self, script: &str) -> Value {
        let params = json!({
            "expression": script,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let mut result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{script}: {result}");
        result["result"]["value"].take()
    }

    /// Presses and releases a key.
    pub(super) fn press(&mut self, key: &str, code: &str, has_shift: bool) {
        // The browser's own use of a key goes by its number.
        let number = match key {
            " " => 32,
            "ArrowLeft" => 37,
            "ArrowRight" => 39,
            _ => 0,
        };
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({"type": kind, "key": key, "code": code});
            params["windowsVirtualKeyCode"] = json!(number);
            if (key, kind) == (" ", "keyDown") {
                params["text"] = json!(" ");
            }
            params["modifiers"] = json!(if has_shift { 8 } else { 0 });
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// Presses the mouse at the first of `points`, moves over all of them, and releases it at the
    /// last.
    pub(super) fn drag(&mut self, points: &[(f64, f64)]) {
        let mut event = |kind: &str, (x, y): (f64, f64)| {
            let params = json!({
                "type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1,
            });
            self.call("Input.dispatchMouseEvent", params);
        };
        event("mousePressed", points[0]);
        points.iter().for_each(|point| event("mouseMoved", *point));
        event("mouseReleased", points[points.len() - 1]);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gives the program the pipes as its files 3 and 4, where it looks for them.
fn give_pipes(command: &mut Command, read: &std::io::PipeReader, write: &std::io::PipeWriter) {
    use std::os::fd::AsRawFd as _;
    use std::os::unix::process::CommandExt as _;

    let (read, write) = (read.as_raw_fd(), write.as_raw_fd());
    // SAFETY: between fork and exec nothing but `dup` and `dup2` is called, which is safe there, on
    // descriptors that are open until the program is started.
    unsafe {
        command.pre_exec(move || {
            // Copies above 4 first: either may be 3 or 4 itself.
            let [read, write] =
                [read, write].map(|file| libc::fcntl(file, libc::F_DUPFD_CLOEXEC, 10));
            for (file, number) in [(read, 3), (write, 4)] {
                if file < 0 || libc::dup2(file, number) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}
