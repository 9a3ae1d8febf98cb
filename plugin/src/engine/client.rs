//! The client of one engine process: starts it, exchanges lines with it, and ends it.

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
const LAST_WORDS: usize = 4;
/// Number of characters of a line that are kept.
const WORDS_LENGTH: usize = 300;
/// Time that a dismissed process has to end by itself, with all its unfinished work.
const FAREWELL: Duration = Duration::from_millis(500);
/// Time to wait for a killed process. The system ends it at once, unless it hangs in a driver.
const BURIAL: Duration = Duration::from_secs(2);
/// Time that a process which has closed its output has to end.
const ENDING: Duration = Duration::from_millis(200);
/// Pause between two checks.
const PAUSE: Duration = Duration::from_millis(2);
/// Time to wait for a dead process' last words: other processes may hold its end of the pipe open.
const LISTENING: Duration = Duration::from_millis(200);

/// An event from the process.
#[derive(Debug)]
pub(super) enum Heard {
    /// A message.
    Reply(Box<Reply>),
    /// A line that is no message, as an error that shows its beginning.
    Rubbish(String),
    /// The end of the process' output.
    Closed,
}

/// A running engine process. Dropping it ends the process.
pub(super) struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    heard: Receiver<Heard>,
    last_words: Arc<Mutex<VecDeque<String>>>,
    /// Thread that records the last words.
    scribe: Option<JoinHandle<()>>,
    /// Time at which the process was told to end.
    dismissed_at: Option<Instant>,
}

impl Client {
    /// Runs `command worker` on `folders`. Every event from the process wakes the thread `session`.
    ///
    /// # Errors
    /// When the system cannot run it.
    pub(super) fn start(command: &Path, folders: &Folders, session: Thread) -> io::Result<Self> {
        let mut process = Command::new(command);

        // Both ends use the same folders, even where they would find different ones for the user.
        process
            .env(CACHE_VARIABLE, folders.cache())
            .env(DATA_VARIABLE, folders.data());
        process
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());

        background(&mut process);
        let mut child = process.spawn()?;
        let stdin = child.stdin.take();
        let (tell, heard) = mpsc::channel();

        // The client exists from here on, so that the process ends if a later step fails.
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let mut client = Self {
            child,
            stdin,
            heard,
            last_words: last_words.clone(),
            scribe: None,
            dismissed_at: None,
        };

        let stdout = client
            .child
            .stdout
            .take()
            .ok_or(io::ErrorKind::BrokenPipe)?;

        let stderr = client
            .child
            .stderr
            .take()
            .ok_or(io::ErrorKind::BrokenPipe)?;

        // Both threads end with the process, whose ends of the pipes they read.
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        named("sextet replies").spawn(move || listen(stdout, &tell, &session))?;
        client.scribe = Some(named("sextet stderr").spawn(move || remember(stderr, &last_words))?);

        Ok(client)
    }

    /// Sends a request. A process that does not read it is noticed by its missing answer.
    pub(super) fn say(&mut self, request: &Request) {
        if let (Ok(line), Some(stdin)) = (to_line(request), &mut self.stdin) {
            let _ = stdin
                .write_all(line.as_bytes())
                .and_then(|()| stdin.flush());
        }
    }

    /// Returns the next event; `None` if there is none.
    pub(super) fn hear(&self) -> Option<Heard> {
        match self.heard.try_recv() {
            Ok(heard) => Some(heard),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Heard::Closed),
        }
    }

    /// Tells the process to end, and waits for nothing. The end of its input makes it delete
    /// half-written files, which may lie in a folder of the user's.
    pub(super) fn dismiss(&mut self) {
        self.stdin = None;
        self.dismissed_at.get_or_insert_with(Instant::now);
    }

    /// Returns the process' number.
    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process and returns its exit status: its own, if it had already ended by itself.
    pub(super) fn bury(&mut self) -> Option<ExitStatus> {
        self.stdin = None;
        let _ = self.child.kill();
        self.ends_within(BURIAL)
    }

    /// Returns the exit status of a process that has closed its output, which has [`ENDING`] to end
    /// by itself before it is killed.
    pub(super) fn how_it_ended(&mut self) -> Option<ExitStatus> {
        self.ends_within(ENDING).or_else(|| self.bury())
    }

    fn ends_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.ends_until(Instant::now() + patience)
    }

    fn ends_until(&mut self, end: Instant) -> Option<ExitStatus> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < end => thread::sleep(PAUSE),
                _ => return None,
            }
        }
    }

    /// Returns the process' last lines of standard error, for people: an empty text, or a sentence
    /// that begins with a space.
    pub(super) fn last_words(&self) -> String {
        let end = Instant::now() + LISTENING;
        while self
            .scribe
            .as_ref()
            .is_some_and(|scribe| !scribe.is_finished())
            && Instant::now() < end
        {
            thread::sleep(PAUSE);
        }
        let words = self
            .last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner);

        if words.is_empty() {
            String::new()
        } else {
            format!(
                " It said: {}",
                words.iter().cloned().collect::<Vec<_>>().join(" / ")
            )
        }
    }
}

impl Drop for Client {
    /// Ends the process. It has [`FAREWELL`] to end by itself, counted from its dismissal.
    fn drop(&mut self) {
        self.dismiss();
        let end = self.dismissed_at.unwrap_or_else(Instant::now) + FAREWELL;
        if self.ends_until(end).is_none() {
            self.bury();
        }
    }
}

fn listen(stdout: impl Read, tell: &Sender<Heard>, session: &Thread) {
    let mut lines = Lines::new(BufReader::new(stdout));
    loop {
        let heard = match lines.next::<Reply>() {
            Some(Ok(reply)) => Heard::Reply(Box::new(reply)),
            Some(Err(error)) if error.kind() == ErrorKind::Message => {
                Heard::Rubbish(error.to_string())
            }
            Some(Err(_)) | None => Heard::Closed,
        };

        let closed = matches!(heard, Heard::Closed);

        // The receiver is gone when the job was given up.
        let given_up = tell.send(heard).is_err();
        session.unpark();

        if closed || given_up {
            return;
        }
    }
}

fn remember(stderr: impl Read, last_words: &Mutex<VecDeque<String>>) {
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
            .take(WORDS_LENGTH)
            .collect();

        if !text.is_empty() {
            let mut words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
            words.push_back(text);
            if words.len() > LAST_WORDS {
                words.pop_front();
            }
        }
    }
}

/// Gives the process a low priority and no console window, so that playback is not disturbed. On
/// Unix the worker lowers its priority itself.
#[cfg(windows)]
fn background(process: &mut Command) {
    use std::os::windows::process::CommandExt as _;
    const BELOW_NORMAL_PRIORITY_CLASS: u32 = 0x4000;
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    process.creation_flags(BELOW_NORMAL_PRIORITY_CLASS | CREATE_NO_WINDOW);
}

#[cfg(not(windows))]
fn background(_process: &mut Command) {}
