//! A front end for tests.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use sextet_protocol::worker::{JobId, Reply, Request, Separate, SeparationOptions, Stage, to_line};
use sextet_protocol::{Fingerprint, Folders};

use crate::sandbox::{Sandbox, heed_signals, tiny_model};

/// Longer than anything takes on the slowest machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A worker with its standard input and output.
pub(crate) struct Worker {
    pub(crate) child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
}

impl Worker {
    /// Starts a worker and greets it.
    pub(crate) fn greeted(sandbox: &Sandbox) -> Self {
        Self::greeted_with(sandbox, &[])
    }

    pub(crate) fn greeted_with(sandbox: &Sandbox, environment: &[(&str, &str)]) -> Self {
        let mut command = command(sandbox);
        let mut worker = Self::of(command.envs(environment.iter().copied()));
        worker.send(&Request::hello("test"));
        assert!(matches!(worker.next(), Some(Reply::Hello(_))));
        worker
    }

    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();

        let (sender, output) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .all(|line| sender.send(line).is_ok())
        });

        Self {
            input: child.stdin.take(),
            child,
            output,
        }
    }

    pub(crate) fn send(&mut self, request: &Request) {
        self.say_bytes(to_line(request).unwrap().as_bytes());
    }

    pub(crate) fn say_bytes(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Returns the next reply, after checking that it has only documented fields; `None` at the
    /// end.
    pub(crate) fn next(&mut self) -> Option<Reply> {
        let line = match self.output.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(error) => panic!("the worker says nothing: {error}"),
        };

        let reply: Reply =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(serde_json::to_value(&reply).unwrap(), said);

        Some(reply)
    }

    /// Returns the replies up to and including the first one that is `wanted`.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Reply) -> bool) -> Vec<Reply> {
        let mut replies = Vec::new();
        loop {
            let reply = self
                .next()
                .unwrap_or_else(|| panic!("the worker has left after {replies:?}"));
            let found = wanted(&reply);
            replies.push(reply);
            if found {
                return replies;
            }
        }
    }

    /// Returns all replies until `job` is over.
    pub(crate) fn end_of(&mut self, job: u64) -> Vec<Reply> {
        self.until(|reply| reply.is_last() && reply.job() == Some(JobId(job)))
    }

    /// Requests the stems of `song` with the tiny model.
    pub(crate) fn separate(&mut self, job: u64, song: &Path) {
        self.send(&Request::Separate(tiny(job, song)));
    }

    /// Requests stems that take far longer than any test: hundreds of chunks, each sharing most of
    /// its audio with the next.
    pub(crate) fn separate_for_long(&mut self, job: u64, song: &Path) {
        let options = SeparationOptions {
            overlap: 0.97,
            ..SeparationOptions::default()
        };
        self.send(&Request::Separate(Separate {
            options,
            ..tiny(job, song)
        }));
    }

    /// Requests the stems of `song`, and waits until they are done.
    pub(crate) fn stems_of(&mut self, job: u64, song: &Path) -> (Fingerprint, bool) {
        self.separate(job, song);
        done(&self.end_of(job))
    }

    /// Waits until the engine has processed chunks of `job`.
    pub(crate) fn separating(&mut self, job: u64) {
        self.until(|reply| {
            let Reply::Progress {
                job: found,
                stage: Stage::Separating,
                done,
                ..
            } = reply
            else {
                return false;
            };
            *found == JobId(job) && *done > 0
        });
    }

    /// Ends standard input and waits for the worker to leave. Returns its last replies and its exit
    /// code.
    pub(crate) fn leave(mut self) -> (Vec<Reply>, Option<i32>) {
        drop(self.input.take());
        let replies = std::iter::from_fn(|| self.next()).collect();
        (replies, self.child.wait().unwrap().code())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the worker's command, with folders below the sandbox's.
pub(crate) fn command(sandbox: &Sandbox) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("sextet"));
    command
        .args(["worker", "--threads", "1"])
        .current_dir(sandbox.path(""));
    command
        .envs(environment(sandbox))
        .env_remove("SEXTET_CACHE_LIMIT")
        .env_remove("RUST_BACKTRACE");
    heed_signals(&mut command);
    command
}

pub(crate) fn environment(sandbox: &Sandbox) -> [(&'static str, std::path::PathBuf); 3] {
    [
        ("SEXTET_CACHE", sandbox.path("cache")),
        ("SEXTET_DATA", sandbox.path("data")),
        ("HF_HOME", sandbox.path(".hf")),
    ]
}

pub(crate) fn folders(sandbox: &Sandbox) -> Folders {
    Folders::at(sandbox.path("cache"), sandbox.path("data"))
}

/// Returns a job with the tiny model.
pub(crate) fn tiny(job: u64, song: &Path) -> Separate {
    Separate {
        model: tiny_model().to_str().unwrap().to_owned(),
        ..Separate::new(JobId(job), song)
    }
}

/// Writes a song for [`Worker::separate_for_long`]. It is read quickly.
pub(crate) fn long_song(sandbox: &Sandbox) -> std::path::PathBuf {
    sandbox.song_of("long.wav", 44_100, 1, 30.0)
}

/// Returns key and `cached` of a successful job.
pub(crate) fn done(replies: &[Reply]) -> (Fingerprint, bool) {
    let Some(Reply::Done {
        key,
        cached,
        seconds,
        ..
    }) = replies.last()
    else {
        panic!("{replies:?}")
    };

    assert!(*seconds >= 0.0);
    (*key, *cached)
}

/// Returns the names in the stem cache's folder, except its lock.
pub(crate) fn kept(sandbox: &Sandbox) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.path("cache/stems"))
        .into_iter()
        .flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name != ".lock");
    names.sort();
    names
}
