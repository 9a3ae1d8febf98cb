//! Display of an engine's preparation: a bar on a terminal, a line elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sextet_separator::{Listener, Preparing};

use crate::stdio;

/// Shows the steps of an engine's preparation. It stays silent while there are none.
pub(crate) struct Waiting {
    quiet: bool,
    bar: Option<ProgressBar>,
    said: String,
}

impl Waiting {
    /// Returns a display that shows nothing if `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            quiet,
            bar: None,
            said: String::new(),
        }
    }

    /// Shows `text`: as a bar on a terminal, elsewhere as a line whenever the text changes.
    fn print(&mut self, text: &str, done: u32, total: u32) {
        if !std::io::stderr().is_terminal() {
            if self.said != text {
                stdio::err(text);
            }
        } else {
            let bar = self.bar.get_or_insert_with(bar);
            bar.set_length(u64::from(total));
            bar.set_position(u64::from(done));
            bar.set_message(text.to_owned());
        }
        text.clone_into(&mut self.said);
    }
}

impl Listener for Waiting {
    fn preparing(&mut self, step: Preparing) {
        if self.quiet {
            return;
        }

        let text = match usual_s(&step) {
            Some(seconds) => format!("{}: some {seconds:.0} s", describe(&step)),
            None => describe(&step),
        };
        match step {
            Preparing::Building { done, total } => self.print(&text, done, total),
            Preparing::Waiting | Preparing::Compiling | Preparing::Comparing => {
                self.print(&text, 1, 1)
            }
            Preparing::NotKept { .. } => stdio::err(&format!("warning: {text}")),
            _ => stdio::err(&text),
        }
    }
}

/// Describes a step in words that stand by themselves: the plugin shows them alone, with a capital
/// letter.
pub(crate) fn describe(step: &Preparing) -> String {
    match step {
        Preparing::Waiting => "another process is building this engine: waiting for it".to_owned(),
        Preparing::Building { .. } => "building the engine, once for this model".to_owned(),
        Preparing::Compiling => "the GPU compiles the engine, once for this model".to_owned(),
        Preparing::Comparing => "comparing float16 with float32, once for this model".to_owned(),
        Preparing::InFloat32 { error } => {
            format!(
                "float16 would change this model's stems by {:.1} %: computing in float32",
                100.0 * error
            )
        }
        Preparing::SmallerBatch { batch } => {
            format!("the GPU's memory is short: trying a batch of {batch}")
        }
        Preparing::OtherBatch { batch } => {
            format!("the GPU's numbers were not finite: trying a batch of {batch}")
        }
        Preparing::NotKept { reason } => format!("the engine cannot be kept: {reason}"),
        _ => "the engine is made ready".to_owned(),
    }
}

/// Returns the usual duration, in seconds, of a step that has no countable progress. Compiling took
/// 17 to 20 s on an H200 (docs/benchmarks.md).
pub(crate) fn usual_s(step: &Preparing) -> Option<f64> {
    match step {
        Preparing::Compiling => Some(20.0),
        Preparing::Comparing => Some(2.0),
        _ => None,
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(1);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {bar:24}  {elapsed}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
