//! Measures what an open editor costs: frames painted, and the time that its threads compute, while
//! nothing happens and while a song plays in real time, in a CLAP host on a screen of its own.
//!
//! Needs Xvfb, whose graphics are computed by the CPU: what Mesa's `llvmpipe` threads take, a GPU
//! does elsewhere, so they are counted by themselves.
//! `cargo build --release -p sextet-plugin && cargo run --release -p sextet-plugin --example
//! editor_cost`

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use sextet_plugin_testing::clap_host::Host;
use sextet_plugin_testing::screen::Screen;
use sextet_plugin_testing::{entry, project};
use sextet_protocol::Fingerprint;

const RATE_HZ: u32 = 48_000;
const BLOCK: usize = 512;
const SECONDS: u64 = 180;
/// Time for which each state is watched.
const WATCHED: Duration = Duration::from_secs(10);
/// Time in which an editor has come to rest.
const SETTLED: Duration = Duration::from_secs(4);
/// Ticks of a second in `/proc`, on Linux everywhere.
const TICKS_PER_S: f64 = 100.0;

fn main() {
    let screen = Screen::start(1);
    // SAFETY: there is no other thread yet.
    unsafe { std::env::set_var("DISPLAY", &screen.name) };
    let mut host = host();
    let silence = vec![0.0; BLOCK];
    let before = threads();
    let window = screen.open_window(1020, 640);
    host.open_editor(window);
    let editor = screen.editor_window();

    println!("three minutes of stems at {RATE_HZ} Hz, blocks of {BLOCK}, an editor of 1020 x 640");
    for (what, is_playing) in [("at rest", false), ("playing", true)] {
        let mut at = 0_i64;
        let mut play = |watched: Duration| {
            let begun = Instant::now();
            while begun.elapsed() < watched {
                let position = is_playing.then_some(at);
                host.play([&silence, &silence], position);
                at += BLOCK as i64;
                let due = Duration::from_secs_f64(at as f64 / f64::from(RATE_HZ));
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
            }
            at = 0;
        };

        play(SETTLED);
        let frames = screen.count_frames(editor);
        let begun = threads();
        play(WATCHED);
        report(what, frames.take(), since(&begun, &threads(), &before));
    }
}

/// Returns an instance with stems of several minutes.
fn host() -> Host {
    let frames = u64::from(RATE_HZ) * SECONDS;
    let key = entry::make(project::folders(), RATE_HZ, frames, |stem, side, frame| {
        let swell = (frame % 40_000) as f32 / 40_000.0;
        swell * (((frame * 37 + 11 * stem as u64 + side as u64) % 4096) as f32 / 8192.0 - 0.25)
    });

    let mut host = Host::new();
    host.activate(RATE_HZ, BLOCK as u32);
    let clip = Fingerprint::of(b"x");
    assert!(host.load(&project::with_clip(clip, Some(key), RATE_HZ, frames, 0)));
    host.wait_for("ready", Duration::from_secs(60));
    host
}

/// The time that a thread has computed, in ticks.
struct Thread {
    name: String,
    ticks: u64,
}

/// Returns the threads of this process by their number.
fn threads() -> BTreeMap<u32, Thread> {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let read = |task: fs::DirEntry| {
        let id = task.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        let (head, tail) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let ticks = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
        Some((id, Thread { name, ticks }))
    };
    tasks.flatten().filter_map(read).collect()
}

/// Returns the seconds that threads have computed since `begun`: the editor's, and those that
/// compute its graphics. Threads that were there `before` the editor do not count.
fn since(
    begun: &BTreeMap<u32, Thread>,
    ended: &BTreeMap<u32, Thread>,
    before: &BTreeMap<u32, Thread>,
) -> [f64; 2] {
    let mut seconds = [0.0; 2];
    for (id, thread) in ended.iter().filter(|(id, _)| !before.contains_key(id)) {
        let ticks = thread.ticks - begun.get(id).map_or(0, |thread| thread.ticks);
        let is_graphics = thread.name.contains("llvmpipe") || thread.name.contains("swrast");
        seconds[usize::from(is_graphics)] += ticks as f64 / TICKS_PER_S;
    }
    seconds
}

fn report(what: &str, frames: usize, [editor_s, graphics_s]: [f64; 2]) {
    let watched_s = WATCHED.as_secs_f64();
    let share = |seconds: f64| 100.0 * seconds / watched_s;
    println!(
        "{what}: {:.1} frames a second; the editor's threads {:.1} % of a core, graphics on the CPU {:.1} %",
        frames as f64 / watched_s,
        share(editor_s),
        share(graphics_s)
    );
}
