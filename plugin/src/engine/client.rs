//! One engine process: started, spoken to, and ended when it is no longer wanted.

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

/// Lines of standard error that are kept.
const LAST_WORDS: usize = 4;
/// Characters of a line that are kept.
const WORDS_LENGTH: usize = 300;
/// How long a process that is no longer wanted may take to end by itself, with all that it has not
/// finished.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long a killed process is waited for. The system ends it at once, unless it hangs in a
/// driver.
const BURIAL: Duration = Duration::from_secs(2);
/// How long a process that has closed its output may take to end.
const ENDING: Duration = Duration::from_millis(200);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(2);
/// How long a dead process' last words are waited for: others may hold its end of the pipe open.
const LISTENING: Duration = Duration::from_millis(200);

/// What comes from the process.
#[derive(Debug)]
pub(super) enum Heard {
    /// A message.
    Reply(Box<Reply>),
    /// A line that is none, as an error that shows its beginning.
    Rubbish(String),
    /// Nothing more will come.
    Closed,
}

/// See the module. Dropping it ends the process.
pub(super) struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    heard: Receiver<Heard>,
    last_words: Arc<Mutex<VecDeque<String>>>,
    /// Writes them down.
    scribe: Option<JoinHandle<()>>,
    /// When it was told to end.
    dismissed_at: Option<Instant>,
}

impl Client {
    /// Runs `command worker` on `folders`. Whenever something comes from it, `session` is woken.
    ///
    /// # Errors
    /// When the system cannot run it.
    pub(super) fn start(command: &Path, folders: &Folders, session: Thread) -> io::Result<Self> {
        let mut process = Command::new(command);

        // Both ends look into the same folders, whatever either would take for the user's.
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

    /// Says something. A process that does not listen is noticed by what it answers.
    pub(super) fn say(&mut self, request: &Request) {
        if let (Ok(line), Some(stdin)) = (to_line(request), &mut self.stdin) {
            let _ = stdin
                .write_all(line.as_bytes())
                .and_then(|()| stdin.flush());
        }
    }

    /// What has come since the last time.
    pub(super) fn hear(&self) -> Option<Heard> {
        match self.heard.try_recv() {
            Ok(heard) => Some(heard),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Heard::Closed),
        }
    }

    /// Tells the process to end, and waits for nothing. The end of its input tells it to take along
    /// what is half written, in a folder of the user's perhaps.
    pub(super) fn dismiss(&mut self) {
        self.stdin = None;
        self.dismissed_at.get_or_insert_with(Instant::now);
    }

    /// The process' number.
    #[cfg(test)]
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process and says how it ended: by itself, if it had already.
    pub(super) fn bury(&mut self) -> Option<ExitStatus> {
        self.stdin = None;
        let _ = self.child.kill();
        self.ends_within(BURIAL)
    }

    /// How a process that has closed its output ended; it is given a moment to do so by itself.
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

    /// What it last wrote to standard error, for people: empty, or a sentence that begins with a
    /// space.
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
    /// Gives it [`FAREWELL`] from when it was dismissed.
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

        // Nobody listens any more when the job was given up.
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

        // A line without end does not grow without end.
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

/// Keeps the process out of the way: playing on goes undisturbed. On Unix the worker sees to it
/// itself.
#[cfg(windows)]
fn background(process: &mut Command) {
    use std::os::windows::process::CommandExt as _;
    const BELOW_NORMAL_PRIORITY_CLASS: u32 = 0x4000;
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    process.creation_flags(BELOW_NORMAL_PRIORITY_CLASS | CREATE_NO_WINDOW);
}

#[cfg(not(windows))]
fn background(_process: &mut Command) {}
