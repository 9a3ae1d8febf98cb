//! Child processes that are ended and reaped when dropped, and all at once by [`end_all`] when this
//! process ends without dropping anything.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ffmpeg_fault::FfmpegFault;

/// Longest time to wait for the messages of a process that has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Number of bytes of messages that are kept.
const MOST_SAID: usize = 1 << 14;

/// All processes that live, for [`end_all`].
static LIVING: Mutex<Vec<Arc<Mutex<Child>>>> = Mutex::new(Vec::new());

fn living() -> MutexGuard<'static, Vec<Arc<Mutex<Child>>>> {
    LIVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends and reaps every ffmpeg of this process. For the end of the process; a reader that still
/// reads gets an error.
pub fn end_all() {
    let all = std::mem::take(&mut *living());
    all.iter().for_each(|child| end(child));
}

/// A child process. It is ended and reaped when dropped.
pub(super) struct Living {
    child: Arc<Mutex<Child>>,
    said: Receiver<String>,
}

impl Living {
    /// Starts `command`, with the pipes that it names besides that of its messages. `take` takes
    /// these pipes.
    pub(super) fn start<T>(
        mut command: Command,
        take: impl FnOnce(&mut Child) -> Option<T>,
    ) -> std::io::Result<(Self, T)> {
        command.stderr(Stdio::piped());
        // A group of its own, so that a wrapper's children end with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);

        // The list is locked before the process begins, so that none is missed at the end.
        let mut all = living();
        let mut child = command.spawn()?;
        let pipes = take(&mut child).zip(child.stderr.take());
        let child = Arc::new(Mutex::new(child));
        all.push(child.clone());
        drop(all);

        let (teller, said) = channel();
        let living = Self { child, said };
        let (taken, err) = pipes.ok_or(std::io::ErrorKind::BrokenPipe)?;
        std::thread::spawn(move || teller.send(first_line(err)));
        Ok((living, taken))
    }

    /// Waits for the end of the process. Returns the first line that it said.
    pub(super) fn finish(self, patience: Duration) -> Result<String, FfmpegFault> {
        let status = self.wait(patience)?;
        // A child of the process may hold the pipe open. It is not waited for.
        let said = self.said.recv_timeout(LAST_WORDS).unwrap_or_default();
        if status.success() {
            Ok(said)
        } else {
            Err(FfmpegFault::Ended { status, said })
        }
    }

    /// Waits for the end of the process.
    fn wait(&self, patience: Duration) -> Result<ExitStatus, FfmpegFault> {
        let since = Instant::now();
        loop {
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            let ended = child.try_wait().map_err(FfmpegFault::Pipe)?;
            drop(child);

            if let Some(status) = ended {
                return Ok(status);
            }
            if since.elapsed() > patience {
                return Err(FfmpegFault::Stalled { waited: patience });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn end(&self) {
        living().retain(|child| !Arc::ptr_eq(child, &self.child));
        end(&self.child);
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.end();
    }
}

/// Ends a process with all of its group, and reaps it.
fn end(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    if !matches!(child.try_wait(), Ok(None)) {
        return;
    }
    #[cfg(unix)]
    if let Ok(group) = libc::pid_t::try_from(child.id()) {
        // SAFETY: a C function that takes two numbers. The group is the child's own: it was made
        // when the child was started, and its number is not given to another before the child is
        // reaped.
        unsafe {
            libc::kill(-group, libc::SIGKILL);
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads all messages and returns the first line that says something, without control characters.
fn first_line(mut err: impl Read) -> String {
    let (mut text, mut bytes) = (Vec::new(), vec![0; 4096]);
    while let Ok(count @ 1..) = err.read(&mut bytes) {
        if text.len() < MOST_SAID {
            text.extend_from_slice(&bytes[..count]);
        }
    }
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or_default()
        .chars()
        .filter(|character| !character.is_control())
        .take(200)
        .collect()
}
