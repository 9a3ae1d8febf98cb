//! A started worker: the handshake, and one job after another.

use std::path::PathBuf;
use std::thread::Thread;
use std::time::{Duration, Instant};

use sextet_protocol::worker::{JobId, PROTOCOL, Reply, Request};

use super::command::Launcher;
use super::fault::{Fault, spawn_reason};
use super::process::{Process, ProcessEvent};

/// Time limit of the handshake. A command that has not answered by then is no worker.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// Time limit of a working worker's silence. Chunks take seconds, so a longer silence means that it
/// hangs.
const SILENCE: Duration = Duration::from_secs(300);
/// Time limit of a loading worker's silence. A GPU's driver that compiles an engine reports nothing
/// meanwhile: it takes a quarter of a minute on most machines, many minutes on some.
const LOADING: Duration = Duration::from_secs(1800);
/// Number of lines without a message before the command is taken for another program.
const MOST_NON_MESSAGES: u32 = 20;

/// A started worker. Dropping it ends its process.
pub(crate) struct Connection {
    command: PathBuf,
    process: Process,
    /// Whether the worker has answered the handshake.
    has_answered: bool,
    /// Requests that wait for the handshake.
    waiting: Vec<Request>,
    last_reply_at: Instant,
    non_messages: u32,
    /// Number of the last job.
    last: u64,
}

impl Connection {
    /// Starts a process.
    ///
    /// # Errors
    /// When the command is not there or cannot be run.
    pub(crate) fn start(launcher: &Launcher, session: Thread) -> Result<Self, Fault> {
        let missing = || Fault::NoCommand {
            installed: launcher.folders().installed_command(),
        };
        let command = launcher.command().ok_or_else(missing)?;

        let started = Process::start(&command, launcher.folders(), session);
        let mut process = started.map_err(|error| Fault::Spawn {
            command: command.clone(),
            reason: spawn_reason(&error),
        })?;
        process.send(&Request::hello(concat!(
            "sextet-plugin ",
            env!("CARGO_PKG_VERSION")
        )));

        let (waiting, last_reply_at) = (Vec::new(), Instant::now());
        Ok(Self {
            command,
            process,
            has_answered: false,
            waiting,
            last_reply_at,
            non_messages: 0,
            last: 0,
        })
    }

    /// Sends a request for a job, which gets the next number.
    pub(super) fn send_request(&mut self, request: impl FnOnce(JobId) -> Request) -> JobId {
        self.last += 1;
        let job = JobId(self.last);
        let request = request(job);

        if self.has_answered {
            // The worker owed no answer until now.
            self.last_reply_at = Instant::now();
            self.process.send(&request);
        } else {
            self.waiting.push(request);
        }

        job
    }

    /// Cancels a job; false where the worker has not answered the handshake yet.
    pub(super) fn cancel(&mut self, job: JobId) -> bool {
        if self.has_answered {
            self.process.send(&Request::Cancel { job });
        }
        self.has_answered
    }

    /// Returns whether it runs the command that would be started now.
    pub(super) fn is_current(&self, launcher: &Launcher) -> bool {
        launcher.command().as_ref() == Some(&self.command)
    }

    /// Returns the next line about a job; `None` if there is none.
    ///
    /// # Errors
    /// When no more lines will come, or none that make sense.
    pub(super) fn next_reply(&mut self, now: Instant) -> Result<Option<Reply>, Fault> {
        while let Some(event) = self.process.poll() {
            if !matches!(event, ProcessEvent::Closed) {
                self.last_reply_at = now;
            }

            let reply = match event {
                ProcessEvent::Reply(reply) => *reply,
                ProcessEvent::NotAMessage(said) => {
                    self.count_non_message(said)?;
                    continue;
                }
                ProcessEvent::Closed => return Err(self.exit_fault()),
            };

            match reply {
                Reply::Hello(welcome) if welcome.protocol != PROTOCOL => {
                    return Err(self.version(welcome.version));
                }
                Reply::Hello(_) => self.complete_handshake(),
                Reply::Refused { version, .. } => return Err(self.version(version)),
                Reply::Error { message, remedy } => return Err(Fault::Failed { message, remedy }),
                reply => return Ok(Some(reply)),
            }
        }
        Ok(None)
    }

    /// Ends the process of a worker that owes an answer and has been silent for too long. The limit
    /// is longer while it loads.
    ///
    /// # Errors
    /// When the limit was exceeded.
    pub(super) fn check_timeout(&mut self, now: Instant, is_loading: bool) -> Result<(), Fault> {
        let timeout = match (self.has_answered, is_loading) {
            (false, _) => HANDSHAKE,
            (true, false) => SILENCE,
            (true, true) => LOADING,
        };

        if now.duration_since(self.last_reply_at) <= timeout {
            return Ok(());
        }

        self.process.kill();
        if self.has_answered {
            return Err(Fault::Stalled { after: timeout });
        }

        let (command, said) = (self.command.clone(), "it says nothing.".to_owned());
        Err(Fault::NotAWorker { command, said })
    }

    /// Returns the process' number.
    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Tells the process to end, and waits for nothing.
    pub(crate) fn shut_down(&mut self) {
        self.process.shut_down();
    }

    /// Completes the handshake and sends the waiting requests. A second greeting has no effect.
    fn complete_handshake(&mut self) {
        self.has_answered = true;
        for request in self.waiting.drain(..) {
            self.process.send(&request);
        }
    }

    fn version(&self, found: String) -> Fault {
        Fault::Version {
            command: self.command.clone(),
            found,
        }
    }

    /// Counts a line that is no message. Before the handshake, such a line shows that the process
    /// is no worker.
    fn count_non_message(&mut self, said: String) -> Result<(), Fault> {
        self.non_messages += 1;
        if self.has_answered && self.non_messages <= MOST_NON_MESSAGES {
            return Ok(());
        }
        self.process.kill();
        Err(Fault::NotAWorker {
            command: self.command.clone(),
            said,
        })
    }

    fn exit_fault(&mut self) -> Fault {
        let status = self.process.exit_status();
        let said = self.process.stderr_tail();
        if !self.has_answered {
            let said = if said.is_empty() {
                "it ends at once.".to_owned()
            } else {
                said.trim().to_owned()
            };
            return Fault::NotAWorker {
                command: self.command.clone(),
                said,
            };
        }

        let how = status.map_or_else(
            || "it closed its output".to_owned(),
            |status| status.to_string(),
        );
        Fault::Died { how, said }
    }
}
