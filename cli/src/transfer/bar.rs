//! The progress bar of a file that is being fetched.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::TransferListener;
use crate::stdio;

/// Shows a bar for each file if standard error is a terminal; indicatif hides it otherwise.
pub(crate) struct Bar {
    quiet: bool,
    bar: ProgressBar,
}

impl Bar {
    /// Returns a bar that shows nothing if `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            quiet,
            bar: ProgressBar::hidden(),
        }
    }
}

impl TransferListener for Bar {
    fn began(&mut self, file: &str, total_bytes: Option<u64>) {
        self.bar.finish_and_clear();
        if !self.quiet {
            self.bar = bar(file, total_bytes);
        }
    }

    fn progress(&mut self, done_bytes: u64) {
        self.bar.set_position(done_bytes);
    }

    fn installing(&mut self, _file: &str) {
        self.bar.finish_and_clear();
    }

    fn installed(&mut self, file: &str, verified: &str) {
        self.bar.finish_and_clear();
        if !self.quiet {
            stdio::err(&format!("{file}: {verified}"));
        }
    }

    /// An interrupt ends the whole process.
    fn cancelled(&self) -> bool {
        false
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn bar(file: &str, bytes: Option<u64>) -> ProgressBar {
    let bar = bytes.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let form = "{prefix}  {bar:24}  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(file.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
