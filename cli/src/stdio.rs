//! Output to standard output and standard error, where a closed pipe is no failure.
//!
//! The command is run for its files: `sextet separate album/ | head` still separates the whole
//! album.

use std::io::{self, Write};

/// Writes a line to standard output.
pub(crate) fn out(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Writes a line to standard error.
pub(crate) fn err(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes `text` to standard output unchanged.
///
/// # Errors
/// When it cannot be written, except when the reader has closed the pipe.
pub(crate) fn raw(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
