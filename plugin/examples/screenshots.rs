//! Shows the editor in every phase, in a CLAP host that plays the sample song in real time, and takes pictures of it.
//!
//! Needs an X server, ImageMagick's `import` and `xdotool`:
//! `xvfb-run -s "-screen 0 1400x900x24" cargo run -p sextet-plugin --example screenshots -- <folder>`
//! A number after the folder is how many seconds of the song are used.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use support::clap_host::Host;
use support::screen::Screen;
use support::{command, project, song};

const BLOCK: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(300);

/// A host whose transport runs in real time.
struct Stage {
    host: Host,
    song: [Vec<f32>; 2],
    rate_hz: u32,
    window: u32,
    folder: PathBuf,
}

impl Stage {
    /// Plays from `from_s` to `to_s`.
    fn play(&mut self, from_s: f64, to_s: f64) {
        let rate_hz = f64::from(self.rate_hz);
        let (first, last) = ((from_s * rate_hz) as usize, (to_s * rate_hz) as usize);
        let begun = Instant::now();
        for at in (first..last).step_by(BLOCK) {
            let end = (at + BLOCK).min(self.song[0].len());
            let input = [&self.song[0][at.min(end)..end], &self.song[1][at.min(end)..end]];
            if input[0].is_empty() {
                break;
            }
            self.host.play(input, Some(at as i64));
            let due = Duration::from_secs_f64((at - first) as f64 / rate_hz);
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
    }

    fn stop(&mut self) {
        self.host.play([&[0.0; 64]; 2], None);
    }

    fn picture(&self, name: &str) {
        std::thread::sleep(Duration::from_millis(900));
        let path = self.folder.join(name).with_extension("png");
        let status = Command::new("import").args(["-window", &self.window.to_string(), "-trim"]).arg(&path).status();
        assert!(status.is_ok_and(|status| status.success()), "import (of ImageMagick) failed");
        println!("{name}: {}", self.host.status());
    }
}

/// Clicks at a place in the editor.
fn click(stage: &Stage, x: u32, y: u32) {
    let place = ["mousemove", "--window", &stage.window.to_string(), &x.to_string(), &y.to_string(), "click", "1"];
    assert!(Command::new("xdotool").args(place).status().is_ok_and(|status| status.success()), "xdotool failed");
    std::thread::sleep(Duration::from_millis(400));
}

/// The panels, and the editor in other sizes.
fn panels(stage: &Stage) {
    for (name, x) in [("render-panel", 873), ("open-panel", 288), ("settings", 972)] {
        click(stage, x, 27);
        stage.picture(name);
        let escape = Command::new("xdotool").args(["key", "Escape"]).status();
        assert!(escape.is_ok_and(|status| status.success()));
        std::thread::sleep(Duration::from_millis(400));
    }
    for (name, width, height) in [("small", 820, 540), ("large", 1360, 860)] {
        stage.host.resize_editor(width, height);
        stage.picture(name);
    }
    stage.host.resize_editor(1020, 640);
}

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder for the pictures"));
    std::fs::create_dir_all(&folder).unwrap();
    project::use_command(command());
    let seconds = std::env::args().nth(2).map_or(36.0, |text| text.parse().expect("seconds"));
    let (rate_hz, song) = song(seconds);
    let screen = Screen::connect(&std::env::var("DISPLAY").expect("an X server"));
    let window = screen.open_window(1360, 860);
    let mut host = Host::new();
    host.activate(rate_hz, BLOCK as u32);
    host.open_editor(window);
    let mut stage = Stage { host, song, rate_hz, window, folder };
    stage.picture("empty");
    capture_and_separate(&mut stage);
    play(&mut stage);
    panels(&stage);
    faults(&mut stage);
    stage.host.close_editor();
}

fn capture_and_separate(stage: &mut Stage) {
    stage.host.set(&[("Capture", 1.0)]);
    stage.picture("armed");
    let end = stage.song[0].len() as f64 / f64::from(stage.rate_hz);
    stage.play(0.0, 0.4 * end);
    stage.picture("capturing");
    stage.play(0.4 * end, end);
    stage.stop();
    project::until("halfway", PATIENCE, || {
        let status = stage.host.status();
        let part = status.strip_prefix("separating, ").and_then(|rest| rest.strip_suffix(" %")?.parse::<u32>().ok());
        if part >= Some(40) { Ok(()) } else { Err(status) }
    });
    stage.picture("separating");
    stage.host.wait_for("ready", PATIENCE);
}

fn play(stage: &mut Stage) {
    let end = stage.song[0].len() as f64 / f64::from(stage.rate_hz);
    stage.play(0.2 * end, 0.35 * end);
    stage.picture("playing");
    let gain = |db| stage.host.normalized("Drums gain", db);
    let changes = [("Vocals mute", 1.0), ("Piano mute", 1.0), ("Drums gain", gain(-4.5)), ("Bass gain", gain(2.0))];
    stage.host.set(&changes);
    stage.play(0.55 * end, 0.6 * end);
    stage.picture("mixing");
    stage.host.set(&[("Stem", 2.0)]);
    stage.play(0.7 * end, 0.72 * end);
    stage.picture("one-stem");
    stage.host.set(&[("Stem", 7.0), ("Vocals mute", 0.0), ("Piano mute", 0.0)]);
    stage.stop();
}

fn faults(stage: &mut Stage) {
    // Away from the buttons, which light up under it.
    click(stage, 500, 600);
    let state = stage.host.save();
    std::fs::remove_dir_all(project::folders().stems()).unwrap();
    project::use_command(Path::new("/nowhere/sextet"));
    assert!(stage.host.load(&project::framed(&serde_json::json!({}))));
    stage.host.wait_for("empty", PATIENCE);
    assert!(stage.host.load(&state));
    stage.host.wait_for("failed", PATIENCE);
    stage.picture("no-command");
    std::fs::remove_dir_all(project::folders().captures()).unwrap();
    assert!(stage.host.load(&project::framed(&serde_json::json!({}))));
    stage.host.wait_for("empty", PATIENCE);
    assert!(stage.host.load(&state));
    stage.host.wait_for("failed: The stems of this clip", PATIENCE);
    stage.picture("missing");
}
