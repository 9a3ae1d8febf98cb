//! A started worker: the handshake, and one job after another.

use std::path::PathBuf;
use std::thread::Thread;
use std::time::{Duration, Instant};

use sextet_protocol::Folders;
use sextet_protocol::worker::{JobId, PROTOCOL, Reply, Request};

use super::client::{Client, Heard};
use super::command;
use super::fault::{Fault, spawn_reason};

/// Time limit of the handshake. A command that has not answered by then is no worker.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// Time limit of a working worker's silence. Chunks take seconds, so a longer silence means that it
/// hangs.
const SILENCE: Duration = Duration::from_secs(300);
/// Time limit of a loading worker's silence. A GPU's driver that compiles an engine reports nothing
/// meanwhile: it takes a quarter of a minute on most machines, many minutes on some.
const LOADING: Duration = Duration::from_secs(1800);
/// Number of lines without a message before the command is taken for another program.
const MOST_RUBBISH: u32 = 20;

/// A started worker. Dropping it ends its process.
pub(crate) struct Worker {
    command: PathBuf,
    client: Client,
    /// Whether the worker has answered the handshake.
    greeted: bool,
    /// Requests that wait for the handshake.
    waiting: Vec<Request>,
    heard_at: Instant,
    rubbish: u32,
    /// Number of the last job.
    last: u64,
}

impl Worker {
    /// Starts a process.
    ///
    /// # Errors
    /// When the command is not there or cannot be run.
    pub(crate) fn start(folders: &Folders, session: Thread) -> Result<Self, Fault> {
        let missing = || Fault::NoCommand {
            installed: folders.installed_command(),
        };
        let command = command::find(folders).ok_or_else(missing)?;

        let started = Client::start(&command, folders, session);
        let mut client = started.map_err(|error| Fault::Spawn {
            command: command.clone(),
            reason: spawn_reason(&error),
        })?;
        client.say(&Request::hello(concat!(
            "sextet-plugin ",
            env!("CARGO_PKG_VERSION")
        )));

        let (waiting, heard_at) = (Vec::new(), Instant::now());
        Ok(Self {
            command,
            client,
            greeted: false,
            waiting,
            heard_at,
            rubbish: 0,
            last: 0,
        })
    }

    /// Sends a request for a job, which gets the next number.
    pub(super) fn ask(&mut self, request: impl FnOnce(JobId) -> Request) -> JobId {
        self.last += 1;
        let job = JobId(self.last);
        let request = request(job);

        if self.greeted {
            // The worker owed no answer until now.
            self.heard_at = Instant::now();
            self.client.say(&request);
        } else {
            self.waiting.push(request);
        }

        job
    }

    /// Cancels a job; false where the worker has not answered the handshake yet.
    pub(super) fn cancel(&mut self, job: JobId) -> bool {
        if self.greeted {
            self.client.say(&Request::Cancel { job });
        }
        self.greeted
    }

    /// Returns whether it runs the command that would be started now.
    pub(super) fn is_current(&self, folders: &Folders) -> bool {
        command::find(folders).as_ref() == Some(&self.command)
    }

    /// Returns the next line about a job; `None` if there is none.
    ///
    /// # Errors
    /// When no more lines will come, or none that make sense.
    pub(super) fn hear(&mut self, now: Instant) -> Result<Option<Reply>, Fault> {
        while let Some(heard) = self.client.hear() {
            if !matches!(heard, Heard::Closed) {
                self.heard_at = now;
            }

            let reply = match heard {
                Heard::Reply(reply) => *reply,
                Heard::Rubbish(said) => {
                    self.puzzle(said)?;
                    continue;
                }
                Heard::Closed => return Err(self.obituary()),
            };

            match reply {
                Reply::Hello(welcome) if welcome.protocol != PROTOCOL => {
                    return Err(self.version(welcome.version));
                }
                Reply::Hello(_) => self.greet(),
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
    pub(super) fn check_patience(&mut self, now: Instant, is_loading: bool) -> Result<(), Fault> {
        let patience = match (self.greeted, is_loading) {
            (false, _) => HANDSHAKE,
            (true, false) => SILENCE,
            (true, true) => LOADING,
        };

        if now.duration_since(self.heard_at) <= patience {
            return Ok(());
        }

        self.client.bury();
        if self.greeted {
            return Err(Fault::Stalled { after: patience });
        }

        let (command, said) = (self.command.clone(), "it says nothing.".to_owned());
        Err(Fault::Stranger { command, said })
    }

    /// Returns the process' number.
    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.client.pid()
    }

    /// Tells the process to end, and waits for nothing.
    pub(crate) fn dismiss(&mut self) {
        self.client.dismiss();
    }

    /// Completes the handshake and sends the waiting requests. A second greeting has no effect.
    fn greet(&mut self) {
        self.greeted = true;
        for request in self.waiting.drain(..) {
            self.client.say(&request);
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
    fn puzzle(&mut self, said: String) -> Result<(), Fault> {
        self.rubbish += 1;
        if self.greeted && self.rubbish <= MOST_RUBBISH {
            return Ok(());
        }
        self.client.bury();
        Err(Fault::Stranger {
            command: self.command.clone(),
            said,
        })
    }

    fn obituary(&mut self) -> Fault {
        let status = self.client.how_it_ended();
        let said = self.client.last_words();
        if !self.greeted {
            let said = if said.is_empty() {
                "it ends at once.".to_owned()
            } else {
                said.trim().to_owned()
            };
            return Fault::Stranger {
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
