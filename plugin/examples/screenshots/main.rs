//! Shows the editor in every state, in a CLAP host on a screen of its own, and takes pictures of
//! it.
//!
//! The separations are real. The states of machines that are not at hand are drawn from the
//! protocol's lines: there the example is the worker, too, and sends the replies of a worker on
//! such a machine. Widgets are found by their accessible names, which the editor of a debug build
//! reports.
//!
//! Needs Xvfb, ImageMagick's `import` and `xdotool`: `cargo run -p sextet-plugin --example
//! screenshots -- <folder>`. A number after the folder limits the song to so many seconds. A word
//! after that selects the pictures whose names begin with it (`setting` leaves the clip out).

mod clip;
mod engine;
mod settings;
mod stage;
mod stand_in;

use std::path::PathBuf;

use sextet_plugin_testing::project;
use stage::Studio;

fn main() {
    let mut words = std::env::args().skip(1);
    let first = words.next().expect("a folder for the pictures");
    if first == "worker" {
        return stand_in::serve();
    }

    let seconds = words
        .next()
        .map_or(36.0, |text| text.parse().expect("seconds"));
    let only = words.next();

    project::folders();
    let studio = Studio::new(PathBuf::from(first), only);
    if studio.wants_only_settings() {
        return settings::pictures(&studio);
    }

    let made = clip::pictures(&studio, seconds);
    engine::pictures(&studio, &made);
    settings::pictures(&studio);
    clip::pictures_of_faults(&studio, &made);
}
