//! Replies on their way out. A thread of its own writes them, so that no job waits for a front end
//! that does not read.

use std::io::{Write as _, stdout};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use sextet_protocol::worker::{Reply, to_line};

use crate::fault::Kind;
use crate::stdio;
use crate::unfinished::Unfinished;

/// Longest wait for the last replies to be written.
const PATIENCE: Duration = Duration::from_secs(1);

enum Item {
    Line(String),
    /// A request for an answer when everything before it is written.
    Flush(Sender<()>),
}

/// Queues replies for writing.
#[derive(Clone)]
pub(super) struct Outbox(Sender<Item>);

impl Outbox {
    /// Returns an outbox that writes to standard output. When the reader is gone, the process
    /// deletes its unfinished files and ends.
    pub(super) fn to_stdout(unfinished: &Unfinished) -> Self {
        let (sender, items) = channel();
        let unfinished = unfinished.clone();
        std::thread::spawn(move || {
            if write_all(&items).is_err() {
                unfinished.close();
                std::process::exit(i32::from(Kind::Interrupted.exit_code()));
            }
        });
        Self(sender)
    }

    /// Sends `reply` after all earlier ones.
    pub(super) fn send(&self, reply: &Reply) {
        match to_line(reply) {
            // The thread lives as long as any outbox.
            Ok(line) => drop(self.0.send(Item::Line(line))),
            Err(error) => stdio::err(&format!("a reply was not sent: {error}")),
        }
    }

    /// Waits until all replies are written, for one second at most.
    pub(super) fn flush(&self) {
        let (done, wait) = channel();
        let _ = self.0.send(Item::Flush(done));
        let _ = wait.recv_timeout(PATIENCE);
    }
}

#[cfg(test)]
impl Outbox {
    /// Returns an outbox that keeps its lines, and a function that returns those since its last
    /// call.
    pub(super) fn kept() -> (Self, impl Fn() -> Vec<String>) {
        let (sender, items) = channel();
        let line = |item| {
            if let Item::Line(line) = item {
                Some(line)
            } else {
                None
            }
        };

        (Self(sender), move || {
            items.try_iter().filter_map(line).collect()
        })
    }
}

fn write_all(items: &Receiver<Item>) -> std::io::Result<()> {
    while let Ok(item) = items.recv() {
        match item {
            Item::Line(line) => {
                let mut out = stdout().lock();
                out.write_all(line.as_bytes())?;
                out.flush()?;
            }
            Item::Flush(done) => drop(done.send(())),
        }
    }
    Ok(())
}
