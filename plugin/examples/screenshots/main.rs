//! Shows the editor in every state, in a CLAP host on a screen of its own, and takes pictures of
//! it.
//!
//! What is separated is separated. The states of machines that are not at hand are drawn from the
//! protocol's lines: there the example is the worker, too, and says what the worker of such a
//! machine would. Widgets are found by their accessible names, which the editor of a debug build
//! tells.
//!
//! Needs Xvfb, ImageMagick's `import` and `xdotool`: `cargo run -p sextet-plugin --example
//! screenshots -- <folder>` A number after the folder is how many seconds of the song are used, a
//! word after that what the pictures' names begin with that are wanted (`setting` leaves the clip
//! out).

mod clip;
mod engine;
mod settings;
mod stage;
mod stand_in;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;

use stage::Studio;
use support::project;

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
