//! Messages as lines, in both directions: writing and reading them.

use std::io::{BufRead, Read as _};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Result;
use crate::error::Cause;

/// Largest length of a line in bytes. A reader skips a longer one without keeping it.
pub const LONGEST_LINE_BYTES: usize = 1 << 20;

/// Characters that an error shows of a line that is not understood.
const SHOWN: usize = 80;

/// Returns a message as one line, with its line feed.
///
/// # Errors
/// [`ErrorKind::Message`](crate::ErrorKind::Message) for a path that is not valid Unicode.
pub fn to_line(message: &impl Serialize) -> Result<String> {
    let mut line =
        serde_json::to_string(message).map_err(|source| Cause::Unspeakable { source })?;
    line.push('\n');
    Ok(line)
}

/// A reader of messages, line by line.
#[derive(Debug)]
pub struct Lines<R> {
    from: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Creates a reader of `from`, whose reads block until there is a line.
    pub fn new(from: R) -> Self {
        Self {
            from,
            line: Vec::new(),
        }
    }

    /// Reads the next message; `None` at the end. Blank lines are skipped.
    ///
    /// # Errors
    /// [`ErrorKind::Message`](crate::ErrorKind::Message) for a line that is no
    /// message, after which there may be others; [`ErrorKind::Io`](crate::ErrorKind::Io) when
    /// nothing more can be read.
    #[allow(
        clippy::should_implement_trait,
        reason = "an iterator's items have one type"
    )]
    pub fn next<T: DeserializeOwned>(&mut self) -> Option<Result<T>> {
        loop {
            match self.read_line() {
                Ok(false) => return None,
                Ok(true) if self.line.trim_ascii().is_empty() => {}
                Ok(true) => return Some(parse(self.line.trim_ascii())),
                Err(error) => return Some(Err(error.into())),
            }
        }
    }

    /// Reads the next line and returns `false` at the end. No more than the limit is ever kept.
    fn read_line(&mut self) -> std::result::Result<bool, Cause> {
        self.line.clear();
        let failed = |source| Cause::Stream { source };
        let mut limited = self.from.by_ref().take(LONGEST_LINE_BYTES as u64);

        let read = limited.read_until(b'\n', &mut self.line).map_err(failed)?;
        if read < LONGEST_LINE_BYTES || self.line.ends_with(b"\n") {
            return Ok(read > 0);
        }

        self.line.clear();
        self.from.skip_until(b'\n').map_err(failed)?;
        Err(Cause::TooLong {
            limit: LONGEST_LINE_BYTES,
        })
    }
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T> {
    let text = str::from_utf8(line).map_err(|_| Cause::NotUtf8)?;
    let start = || {
        text.chars()
            .take(SHOWN)
            .flat_map(char::escape_debug)
            .collect()
    };

    Ok(
        serde_json::from_str(text).map_err(|source| Cause::NotUnderstood {
            start: start(),
            source,
        })?,
    )
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;
    use crate::ErrorKind;
    use crate::worker::{JobId, Request, Separate};

    #[test]
    fn messages_come_back_in_order() {
        let job = JobId(7);
        let sent = [
            Request::hello("test"),
            Request::Separate(Separate::new(job, "ä b.wav")),
            Request::Cancel { job },
        ];

        let text: String = sent
            .iter()
            .map(|request| to_line(request).unwrap())
            .collect();
        let mut lines = Lines::new(text.as_bytes());
        for expected in sent {
            assert_eq!(lines.next::<Request>().unwrap().unwrap(), expected);
        }

        assert!(lines.next::<Request>().is_none());
    }

    #[test]
    fn rubbish_is_an_error_and_the_next_line_is_heard() {
        let long = vec![b'x'; LONGEST_LINE_BYTES + 10];
        let rubbish: [&[u8]; 8] = [
            b"{",
            b"null",
            b"[]",
            b"{}",
            b"\xff\xfe",
            b"\0\x1b[2J",
            b"{\"type\":\"sing\"}",
            &long,
        ];

        each_case(rubbish, |bytes| {
            let mut text = bytes.to_vec();
            text.extend(b"\r\n\n  \n{\"type\":\"shutdown\"}");
            let mut lines = Lines::new(text.as_slice());

            let error = lines.next::<Request>().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Message);

            let said = error.to_string();
            assert!(
                said.len() < 400 && !said.contains(char::is_control),
                "{said}"
            );
            assert_eq!(lines.next::<Request>().unwrap().unwrap(), Request::Shutdown);
            assert!(lines.next::<Request>().is_none());
        });
    }

    #[test]
    fn a_line_of_the_longest_length_is_read() {
        each_case([(0, true), (1, false)], |(extra, fine)| {
            let end = "{\"type\":\"shutdown\"}\n";
            let text = " ".repeat(LONGEST_LINE_BYTES - end.len() + extra) + end;
            let found = Lines::new(text.as_bytes()).next::<Request>().unwrap();
            assert_eq!(found.is_ok(), fine);
        });
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_text_cannot_be_sent() {
        use std::os::unix::ffi::OsStringExt as _;
        let path = std::ffi::OsString::from_vec(b"a\xff.wav".to_vec());
        let error = to_line(&Request::Separate(Separate::new(JobId(1), path))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Message);
    }
}
