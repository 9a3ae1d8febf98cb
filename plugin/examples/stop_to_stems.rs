//! Measures a musician's waiting time: from the transport's stop to stems on the buses, in a CLAP
//! host in real time.
//!
//! `cargo run --release -p sextet-plugin --example stop_to_stems -- --seconds 180` `SEXTET_COMMAND`
//! names the command where it is not that of this build; the built example, the plugin's library
//! beside it and a command are all that another machine needs. `--pace 40` plays at forty times
//! real time, which the disk has to keep up with. `--model`, `--engine` and `--clips` choose the
//! model, the engine and the number of clips.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use sextet_plugin_testing::clap_host::Host;
use sextet_plugin_testing::{command, project};

const RATE_HZ: u32 = 44_100;
const BLOCK: usize = 512;
/// Time limit for the stems.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The conditions of the measurement.
struct Choices {
    seconds: f64,
    pace: f64,
    clips: u32,
    model: String,
    engine: String,
}

fn main() {
    let choices = choices();
    let named = std::env::var_os("SEXTET_COMMAND").map(PathBuf::from);
    project::use_command(&named.unwrap_or_else(|| command().to_owned()));

    let mut host = Host::new();
    host.activate(RATE_HZ, BLOCK as u32);

    let Choices {
        seconds,
        pace,
        model,
        engine,
        ..
    } = &choices;

    println!("{seconds} s of audio, captured at {pace} times real time; {model}, engine {engine}");
    let mut took_s = Vec::new();
    for number in 1..=choices.clips {
        let sides = music(*seconds, number);
        let armed = begin(&mut host, &choices);
        play(&mut host, &sides, *pace);

        let worker = match number {
            1 => format!(
                "its worker was started {:.1} s before the stop",
                armed.elapsed().as_secs_f64()
            ),
            _ => "its worker is that of the clip before".to_owned(),
        };

        println!("clip {number}: {worker}");
        let took = wait_for_stems(&mut host, &sides);
        check(&host, &sides);
        println!("  {:7.3} s from stop to stems", took.as_secs_f64());
        took_s.push(took.as_secs_f64());
    }

    println!("{}", result(&choices, took_s));
}

/// Returns the result of the measurement in one line.
fn result(choices: &Choices, mut took_s: Vec<f64>) -> String {
    took_s.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (took_s.first(), took_s.last()) else {
        return "no clip".to_owned();
    };

    let middle = took_s.len() / 2;
    let median = if took_s.len() % 2 == 1 {
        took_s[middle]
    } else {
        f64::midpoint(took_s[middle - 1], took_s[middle])
    };

    let Choices {
        seconds,
        clips,
        model,
        engine,
        ..
    } = choices;

    format!(
        "from stop to stems: median {median:.3} s, {least:.3} to {most:.3} s ({clips} clips of {seconds} s, {model}, engine \
         {engine})"
    )
}

fn choices() -> Choices {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let text = |name: &str, usual: &str| {
        let value = words
            .iter()
            .position(|word| word == name)
            .map(|at| words.get(at + 1).expect("a value"));
        value.cloned().unwrap_or_else(|| usual.to_owned())
    };

    let number = |name: &str, usual: &str| text(name, usual).parse::<f64>().expect("a number");
    Choices {
        seconds: number("--seconds", "180"),
        pace: number("--pace", "40"),
        clips: number("--clips", "3") as u32,
        model: text("--model", "sextet-mini"),
        engine: text("--engine", "auto"),
    }
}

/// Returns chords, beats and noise, which differ for every seed.
fn music(seconds: f64, seed: u32) -> [Vec<f32>; 2] {
    let frames = (seconds * f64::from(RATE_HZ)) as usize;
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    let mut noise = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 - 0.5
    };

    let base = 110.0 * (1.0 + 0.1 * seed as f32);
    [0.9, 1.1].map(|wide| {
        let sample = |frame: usize| {
            let at = frame as f32 / RATE_HZ as f32;
            let beat = (-12.0 * (at * 2.0).fract()).exp();
            let tones = [1.0, 1.25, 1.5]
                .map(|ratio| (std::f32::consts::TAU * (base * ratio * at).fract()).sin());
            wide * (0.1 * tones.iter().sum::<f32>() + 0.4 * beat * noise() + 0.02 * noise())
        };
        (0..frames).map(sample).collect()
    })
}

/// Removes the clip, so that no older stems are heard, and arms the capture.
fn begin(host: &mut Host, choices: &Choices) -> Instant {
    let settings = json!({ "model": choices.model, "engine": choices.engine });
    assert!(host.load(&project::framed(&json!({ "settings": settings }))));
    host.wait_for("empty", PATIENCE);
    host.set(&[("Capture", 0.0)]);
    host.set(&[("Capture", 1.0)]);
    Instant::now()
}

/// Plays the clip once.
fn play(host: &mut Host, sides: &[Vec<f32>; 2], pace: f64) {
    let begun = Instant::now();
    for first in (0..sides[0].len()).step_by(BLOCK) {
        let end = (first + BLOCK).min(sides[0].len());
        host.play(
            [&sides[0][first..end], &sides[1][first..end]],
            Some(first as i64),
        );
        let due = Duration::from_secs_f64(end as f64 / f64::from(RATE_HZ) / pace);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
}

/// Stops the transport, and plays a place in the middle until the stems' buses are not silent.
/// Prints the phases meanwhile, and returns the time.
fn wait_for_stems(host: &mut Host, sides: &[Vec<f32>; 2]) -> Duration {
    let middle = sides[0].len() / 2;
    let input = [
        &sides[0][middle..middle + BLOCK],
        &sides[1][middle..middle + BLOCK],
    ];
    let begun = Instant::now();

    host.play([&[0.0; BLOCK]; 2], None);
    let mut seen = String::new();
    loop {
        let heard = host.play(input, Some(middle as i64));
        let sounds = heard[1..]
            .iter()
            .flatten()
            .flatten()
            .any(|&sample| sample != 0.0);

        if sounds {
            return begun.elapsed();
        }

        let status = host.status();
        assert!(
            begun.elapsed() < PATIENCE && !status.starts_with("failed"),
            "no stems: {status}"
        );

        let phase = status.split(',').next().unwrap_or_default();
        if phase != seen {
            println!("  {:7.3} s {phase}", begun.elapsed().as_secs_f64());
            phase.clone_into(&mut seen);
        }

        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Checks that all of the clip was captured: a pace that the disk does not keep up with loses
/// frames.
fn check(host: &Host, sides: &[Vec<f32>; 2]) {
    let clip = project::saved(&host.save())["clip"].clone();
    assert_eq!(
        clip["frames"].as_u64(),
        Some(sides[0].len() as u64),
        "frames of the clip; try a lower --pace"
    );
}
