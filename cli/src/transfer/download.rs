//! The download of one file: resumes where an earlier try stopped, and survives cut connections,
//! until the file is complete.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::answer::Lost;
use super::client::Client;
use super::exchange::GLANCE;
use super::{TransferListener, cancelled, check};
use crate::fault::Fault;

/// Consecutive tries without a single new byte after which the download fails.
const TRIES: u32 = 4;

/// Pause before the second try; it doubles each time.
const PAUSE: Duration = Duration::from_millis(250);

/// The source of a file, and the messages about its failures.
pub(crate) trait Source {
    /// Returns the file's address.
    fn url(&self) -> &str;

    /// Returns the token that the host requires, if any.
    fn token(&self) -> Option<&str> {
        None
    }

    /// The fault when the host answers with `status` instead of the file.
    fn refused(&self, status: u16) -> Fault;

    /// The fault when the host does not answer.
    fn lost(&self, lost: &Lost) -> Fault;

    /// The fault when `path` cannot be written.
    fn unwritable(&self, path: &Path, error: &std::io::Error) -> Fault;
}

/// A download to the file `part`, which is not verified.
pub(crate) struct Download<'a> {
    pub(crate) client: &'a Client,
    pub(crate) source: &'a dyn Source,
    /// The file to which bytes are added. Its content is taken for the beginning of the file.
    pub(crate) part: &'a Path,
    /// Length of the file in bytes, if it is known for certain; else the host tells it.
    pub(crate) bytes: Option<u64>,
}

/// The reason why a try failed, and whether another may help.
struct Failed {
    fault: Fault,
    again: bool,
}

impl Failed {
    fn for_good(fault: Fault) -> Self {
        Self {
            fault,
            again: false,
        }
    }
}

impl Download<'_> {
    /// Adds to the part until it is as long as the file.
    ///
    /// # Errors
    /// When the host does not send the file, the part cannot be written, or `listener` cancelled.
    /// The bytes so far are kept.
    pub(crate) fn run(&self, listener: &mut dyn TransferListener) -> Result<()> {
        let (mut tries, mut before) = (0, length(self.part));
        loop {
            let Err(failed) = self.add(listener) else {
                return Ok(());
            };

            let now = length(self.part);
            tries = if now > before { 1 } else { tries + 1 };

            if tries >= TRIES || !failed.again {
                return Err(failed.fault.into());
            }

            before = now;
            pause(PAUSE * 2_u32.pow(tries - 1), listener)?;
        }
    }

    /// Requests the bytes that the part lacks, once.
    fn add(&self, listener: &mut dyn TransferListener) -> Result<(), Failed> {
        // A part that is longer than the file cannot be its beginning.
        let mut have = length(self.part);
        if self.bytes.is_some_and(|bytes| have > bytes) {
            have = 0;
        }

        if have > 0 && self.bytes == Some(have) {
            return Ok(());
        }

        // Request the rest.
        let (url, token) = (self.source.url(), self.source.token());
        let answer = self.client.get(url, token, have, &|| listener.cancelled());

        let mut answer = answer.map_err(|lost| self.lost(&lost))?;
        let from = match answer.head.status {
            206 if answer.head.first_byte().is_none_or(|first| first == have) => have,
            206 => {
                return Err(self.lost(&Lost::Cut(
                    "it sent another part than was asked for".to_owned(),
                )));
            }
            // A host without support for ranges sends the whole file again.
            200 => 0,
            // There is nothing beyond the bytes of the part.
            416 if have > 0 && self.bytes.is_none() => return Ok(()),
            status => return Err(self.refused(status)),
        };

        // Append the body to the part.
        let expected = self.bytes.or_else(|| Some(from + answer.head.bytes()?));
        let mut out = self.open(from)?;

        let mut done = from;
        listener.progress(done);

        while let Some(piece) = answer
            .piece(&|| listener.cancelled())
            .map_err(|lost| self.lost(&lost))?
        {
            out.write_all(&piece)
                .map_err(|error| self.unwritable(&error))?;
            done += piece.len() as u64;
            listener.progress(done);
        }

        // A body that ends early counts as a cut connection.
        match expected.filter(|expected| done < *expected) {
            Some(expected) => Err(self.lost(&Lost::Cut(format!(
                "it ended after {}",
                part_of(done, expected)
            )))),
            None => Ok(()),
        }
    }

    /// Opens the part, cut off after `from` bytes.
    fn open(&self, from: u64) -> Result<File, Failed> {
        let opened = OpenOptions::new().append(true).create(true).open(self.part);
        let cut = opened.and_then(|part| part.set_len(from).map(|()| part));
        cut.map_err(|error| self.unwritable(&error))
    }

    fn refused(&self, status: u16) -> Failed {
        // Timeouts, too many requests, and temporary failures of the host.
        let again = matches!(status, 408 | 429 | 500..=599);
        Failed {
            fault: self.source.refused(status),
            again,
        }
    }

    fn lost(&self, lost: &Lost) -> Failed {
        match lost {
            Lost::Cancelled => Failed::for_good(cancelled()),
            Lost::Nonsense(_) => Failed::for_good(self.source.lost(lost)),
            Lost::Unreachable(_) | Lost::Cut(_) | Lost::Silent => Failed {
                fault: self.source.lost(lost),
                again: true,
            },
        }
    }

    fn unwritable(&self, error: &std::io::Error) -> Failed {
        Failed::for_good(self.source.unwritable(self.part, error))
    }
}

/// Formats progress as `46.1 of 91.8 MB`, or in bytes below 1 MB.
fn part_of(done: u64, expected: u64) -> String {
    match expected {
        ..1_000_000 => format!("{done} of {expected} bytes"),
        _ => format!(
            "{:.1} of {:.1} MB",
            done as f64 / 1e6,
            expected as f64 / 1e6
        ),
    }
}

/// Returns the length of the file at `path`; 0 if there is none.
pub(crate) fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// Waits for `time`, unless `listener` cancels.
fn pause(time: Duration, listener: &dyn TransferListener) -> Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        check(listener)?;
        thread::sleep(GLANCE.min(end.saturating_duration_since(Instant::now())));
    }
    check(listener)
}
