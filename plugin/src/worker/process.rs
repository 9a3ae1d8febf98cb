//! The process of one worker: starts it, exchanges lines with it, and ends it.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use sextet_protocol::worker::{Lines, Reply, Request, to_line};
use sextet_protocol::{CACHE_VARIABLE, DATA_VARIABLE, ErrorKind, Folders};

/// Number of lines of standard error that are kept.
const TAIL_LINES: usize = 4;
/// Number of characters of a line that are kept.
const TAIL_LINE_CHARS: usize = 300;
/// Time that a process has to end by itself, with all its unfinished work, after its input was
/// closed.
const EXIT_TIMEOUT: Duration = Duration::from_millis(500);
/// Time to wait for a killed process. The system ends it at once, unless it hangs in a driver.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);
/// Time that a process which has closed its output has to end.
const CLOSED_EXIT_TIMEOUT: Duration = Duration::from_millis(200);
/// Pause between two checks.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Time to wait for a dead process' standard error: other processes may hold its end of the pipe
/// open.
const TAIL_TIMEOUT: Duration = Duration::from_millis(200);

/// An event from the process.
#[derive(Debug)]
pub(super) enum ProcessEvent {
    /// A message.
    Reply(Box<Reply>),
    /// A line that is no message, as an error that shows its beginning.
    NotAMessage(String),
    /// The end of the process' output.
    Closed,
}

/// A running worker process. Dropping it ends the process.
pub(super) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    events: Receiver<ProcessEvent>,
    /// Last lines of standard error.
    stderr_tail: Arc<Mutex<VecDeque<String>>>,
    /// Thread that records them.
    stderr_reader: Option<JoinHandle<()>>,
    /// Time at which the process was told to end.
    shut_down_at: Option<Instant>,
}

impl Process {
    /// Runs `program worker` on `folders`. Every event from the process wakes the thread `session`.
    ///
    /// # Errors
    /// When the system cannot run it.
    pub(super) fn start(program: &Path, folders: &Folders, session: Thread) -> io::Result<Self> {
        let mut command = Command::new(program);

        // Both ends use the same folders, even where they would find different ones for the user.
        command
            .env(CACHE_VARIABLE, folders.cache())
            .env(DATA_VARIABLE, folders.data());
        command
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());

        lower_priority(&mut command);
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let (sender, events) = mpsc::channel();

        // The value owns the child from here on, so that it ends if a later step fails.
        let stderr_tail = Arc::new(Mutex::new(VecDeque::new()));
        let mut process = Self {
            child,
            stdin,
            events,
            stderr_tail: stderr_tail.clone(),
            stderr_reader: None,
            shut_down_at: None,
        };

        let stdout = process
            .child
            .stdout
            .take()
            .ok_or(io::ErrorKind::BrokenPipe)?;

        let stderr = process
            .child
            .stderr
            .take()
            .ok_or(io::ErrorKind::BrokenPipe)?;

        // Both threads end with the process, whose ends of the pipes they read.
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        named("sextet replies").spawn(move || read_replies(stdout, &sender, &session))?;
        process.stderr_reader =
            Some(named("sextet stderr").spawn(move || read_stderr(stderr, &stderr_tail))?);

        Ok(process)
    }

    /// Sends a request. A process that does not read it is noticed by its missing answer.
    pub(super) fn send(&mut self, request: &Request) {
        if let (Ok(line), Some(stdin)) = (to_line(request), &mut self.stdin) {
            let _ = stdin
                .write_all(line.as_bytes())
                .and_then(|()| stdin.flush());
        }
    }

    /// Returns the next event; `None` if there is none.
    pub(super) fn poll(&self) -> Option<ProcessEvent> {
        match self.events.try_recv() {
            Ok(event) => Some(event),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(ProcessEvent::Closed),
        }
    }

    /// Tells the process to end, and waits for nothing. The end of its input makes it delete
    /// half-written files, which may lie in a folder of the user's.
    pub(super) fn shut_down(&mut self) {
        self.stdin = None;
        self.shut_down_at.get_or_insert_with(Instant::now);
    }

    /// Returns the process' number.
    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process and returns its exit status: its own, if it had already ended by itself.
    pub(super) fn kill(&mut self) -> Option<ExitStatus> {
        self.stdin = None;
        let _ = self.child.kill();
        self.wait_for_exit(KILL_TIMEOUT)
    }

    /// Returns the exit status of a process that has closed its output, which has
    /// [`CLOSED_EXIT_TIMEOUT`] to end by itself before it is killed.
    pub(super) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.wait_for_exit(CLOSED_EXIT_TIMEOUT)
            .or_else(|| self.kill())
    }

    fn wait_for_exit(&mut self, timeout: Duration) -> Option<ExitStatus> {
        self.wait_for_exit_until(Instant::now() + timeout)
    }

    fn wait_for_exit_until(&mut self, end: Instant) -> Option<ExitStatus> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < end => thread::sleep(POLL_INTERVAL),
                _ => return None,
            }
        }
    }

    /// Returns the process' last lines of standard error, for people: an empty text, or a sentence
    /// that begins with a space.
    pub(super) fn stderr_tail(&self) -> String {
        let end = Instant::now() + TAIL_TIMEOUT;
        while self
            .stderr_reader
            .as_ref()
            .is_some_and(|stderr_reader| !stderr_reader.is_finished())
            && Instant::now() < end
        {
            thread::sleep(POLL_INTERVAL);
        }
        let lines = self
            .stderr_tail
            .lock()
            .unwrap_or_else(PoisonError::into_inner);

        if lines.is_empty() {
            String::new()
        } else {
            format!(
                " It said: {}",
                lines.iter().cloned().collect::<Vec<_>>().join(" / ")
            )
        }
    }
}

impl Drop for Process {
    /// Ends the process. It has [`EXIT_TIMEOUT`] to end by itself, counted from its shutdown.
    fn drop(&mut self) {
        self.shut_down();
        let end = self.shut_down_at.unwrap_or_else(Instant::now) + EXIT_TIMEOUT;
        if self.wait_for_exit_until(end).is_none() {
            self.kill();
        }
    }
}

fn read_replies(stdout: impl Read, sender: &Sender<ProcessEvent>, session: &Thread) {
    let mut lines = Lines::new(BufReader::new(stdout));
    loop {
        let event = match lines.next::<Reply>() {
            Some(Ok(reply)) => ProcessEvent::Reply(Box::new(reply)),
            Some(Err(error)) if error.kind() == ErrorKind::Message => {
                ProcessEvent::NotAMessage(error.to_string())
            }
            Some(Err(_)) | None => ProcessEvent::Closed,
        };

        let closed = matches!(event, ProcessEvent::Closed);

        // The receiver is gone when the job was cancelled.
        let is_receiver_gone = sender.send(event).is_err();
        session.unpark();

        if closed || is_receiver_gone {
            return;
        }
    }
}

fn read_stderr(stderr: impl Read, stderr_tail: &Mutex<VecDeque<String>>) {
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();

        // A line without an end must not grow without limit.
        let read = lines.by_ref().take(1 << 16).read_until(b'\n', &mut line);
        if !matches!(read, Ok(1..)) {
            return;
        }

        let text: String = String::from_utf8_lossy(line.trim_ascii())
            .chars()
            .filter(|c| !c.is_control())
            .take(TAIL_LINE_CHARS)
            .collect();

        if !text.is_empty() {
            let mut tail = stderr_tail.lock().unwrap_or_else(PoisonError::into_inner);
            tail.push_back(text);
            if tail.len() > TAIL_LINES {
                tail.pop_front();
            }
        }
    }
}

/// Gives the process a low priority and no console window, so that playback is not disturbed. On
/// Unix the worker lowers its priority itself.
#[cfg(windows)]
fn lower_priority(process: &mut Command) {
    use std::os::windows::process::CommandExt as _;
    const BELOW_NORMAL_PRIORITY_CLASS: u32 = 0x4000;
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    process.creation_flags(BELOW_NORMAL_PRIORITY_CLASS | CREATE_NO_WINDOW);
}

#[cfg(not(windows))]
fn lower_priority(_process: &mut Command) {}
