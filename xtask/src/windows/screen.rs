//! The screen that Windows programs see: one of Xvfb. Without any Wine makes no windows, not even
//! the hidden ones in which plugins wait for messages.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// A running X server.
pub(super) struct Screen {
    server: Child,
    /// Its name as in `DISPLAY`.
    pub(super) name: String,
}

impl Screen {
    /// Starts a screen.
    ///
    /// # Errors
    /// When Xvfb is not installed or does not start.
    pub(super) fn start() -> Result<Self> {
        let mut xvfb = Command::new("Xvfb");
        // Tests read their windows back; Windows programs connect by TCP alone.
        let arguments = "-displayfd 1 -screen 0 2400x1500x24 -listen tcp";
        xvfb.args(arguments.split(' '))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut server = xvfb.spawn().context("cannot start Xvfb")?;

        // It says its number once it listens.
        let mut number = String::new();
        if let Some(said) = server.stdout.take() {
            BufReader::new(said).read_line(&mut number)?;
        }

        let number = number.trim();
        let screen = Self {
            server,
            name: format!(":{number}"),
        };
        ensure!(!number.is_empty(), "Xvfb ended without a screen");
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
