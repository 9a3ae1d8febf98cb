//! Shows the editor in every phase, in a CLAP host that plays the sample song in real time, and takes pictures of it.
//!
//! What is separated is separated. The settings are those of machines that are not at hand: there the example is the worker,
//! too, and says what such a machine would.
//!
//! Needs an X server, ImageMagick's `import` and `xdotool`:
//! `xvfb-run -s "-screen 0 1400x900x24" cargo run -p sextet-plugin --example screenshots -- <folder>`
//! A number after the folder is how many seconds of the song are used.

mod stand_in;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sextet_protocol::worker::{GpuState, JobId, Machine, Reply, Request};
use support::clap_host::Host;
use support::screen::Screen;
use support::{ask, command, project, song};

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

/// Moves the pointer to a place in the editor.
fn point(stage: &Stage, x: u32, y: u32) {
    xdotool(&["mousemove", "--window", &stage.window.to_string(), &x.to_string(), &y.to_string()]);
}

/// Clicks at a place in the editor.
fn click(stage: &Stage, x: u32, y: u32) {
    point(stage, x, y);
    xdotool(&["click", "1"]);
    std::thread::sleep(Duration::from_millis(400));
}

fn xdotool(words: &[&str]) {
    assert!(Command::new("xdotool").args(words).status().is_ok_and(|status| status.success()), "xdotool failed");
}

/// The panels, and the editor in other sizes.
fn panels(stage: &Stage) {
    for (name, x) in [("render-panel", 873), ("open-panel", 288), ("settings", 972)] {
        click(stage, x, 27);
        stage.picture(name);
        xdotool(&["key", "Escape"]);
        std::thread::sleep(Duration::from_millis(400));
    }
    for (name, width, height) in [("small", 820, 540), ("large", 1360, 860)] {
        stage.host.resize_editor(width, height);
        stage.picture(name);
    }
    stage.host.resize_editor(1020, 640);
}

fn main() {
    let first = std::env::args().nth(1).expect("a folder for the pictures");
    if first == "worker" {
        return stand_in::serve();
    }
    let folder = PathBuf::from(first);
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
    settings(&stage);
}

/// Where the pointer goes in a picture of the settings, and how long what it asks for takes to show.
type Clicks = &'static [(u32, u32)];

const SET_UP: (u32, u32) = (270, 247);
const YES: (u32, u32) = (245, 293);
const FETCH: (u32, u32) = (790, 380);
const FETCH_YES: (u32, u32) = (268, 482);

/// The settings on machines of every kind.
fn settings(stage: &Stage) {
    project::use_command(command());
    let Reply::Inspected { machine, .. } = ask(&[Request::hello("pictures"), Request::Inspect { job: JobId(1) }])
    else {
        panic!("this machine tells nothing");
    };
    let here = stand_in::with_nothing_fetched(machine);
    let gpu = |state| stand_in::with_gpu(&here, state);
    project::use_command(&std::env::current_exe().unwrap());
    let pictures: [(&str, Machine, Clicks, bool); 9] = [
        ("settings-no-gpu", here.clone(), &[], false),
        ("settings-old-driver", gpu(GpuState::Unusable), &[], false),
        ("settings-to-be-set-up", gpu(GpuState::ToBeSetUp), &[], false),
        ("settings-licence", gpu(GpuState::ToBeSetUp), &[SET_UP], false),
        ("settings-setting-up", gpu(GpuState::ToBeSetUp), &[SET_UP, YES], false),
        ("settings-failed", gpu(GpuState::ToBeSetUp), &[SET_UP, YES], true),
        ("settings-ready", gpu(GpuState::Ready), &[], false),
        ("settings-offer", gpu(GpuState::Ready), &[FETCH], false),
        ("settings-fetching", gpu(GpuState::Ready), &[FETCH, FETCH_YES], false),
    ];
    for (name, machine, clicks, offline) in pictures {
        picture_of_settings(stage, name, &machine, clicks, offline);
    }
}

fn picture_of_settings(stage: &Stage, name: &str, machine: &Machine, clicks: Clicks, offline: bool) {
    let file = stage.folder.join("machine.json");
    std::fs::write(&file, serde_json::to_string(machine).unwrap()).unwrap();
    // SAFETY: no session is about to start a worker.
    unsafe {
        std::env::set_var(stand_in::MACHINE_VARIABLE, &file);
        if offline {
            std::env::set_var(stand_in::OFFLINE_VARIABLE, "1");
        } else {
            std::env::remove_var(stand_in::OFFLINE_VARIABLE);
        }
    }
    let host = Host::new();
    host.open_editor(stage.window);
    let new = Stage { host, song: Default::default(), folder: stage.folder.clone(), ..*stage };
    std::thread::sleep(Duration::from_millis(600));
    click(&new, 972, 27);
    std::thread::sleep(Duration::from_millis(600));
    for &(x, y) in clicks {
        click(&new, x, y);
        std::thread::sleep(Duration::from_millis(400));
    }
    // Away from what was clicked, which lights up under it.
    point(&new, 520, 5);
    new.picture(name);
    new.host.close_editor();
    std::fs::remove_file(file).unwrap();
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
