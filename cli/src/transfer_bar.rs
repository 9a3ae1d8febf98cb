//! The bar of a file that is being fetched.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for `file` of `bytes` where standard error is a terminal; indicatif hides it otherwise.
pub(crate) fn of(file: &str, bytes: Option<u64>, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = bytes.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let form = "{prefix}  {bar:24}  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(file.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
