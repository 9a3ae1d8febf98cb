//! Pictures of a clip from its capture to its stems, and of the faults. All of it is real.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::{self, BLOCK, PATIENCE, Stage, Studio};
use sextet_plugin_testing::clap_host::Host;
use sextet_plugin_testing::{command, project, song};

/// The clip that was captured for the pictures.
pub(crate) struct Made {
    pub(crate) rate_hz: u32,
    /// The clip with its stems, in the form in which a project saves it.
    clip: Value,
}

impl Made {
    /// Returns a project with the clip, with its stems or without them.
    pub(crate) fn project(&self, with_stems: bool, settings: &Value) -> Vec<u8> {
        let mut clip = self.clip.clone();
        if !with_stems {
            clip["key"] = Value::Null;
        }
        project::framed(&json!({ "format": 1, "clip": clip, "settings": settings }))
    }

    /// Returns the key of the stems' cache entry.
    pub(crate) fn key(&self) -> Value {
        self.clip["key"].clone()
    }
}

/// Captures a clip, has it separated and plays it, and takes pictures of it.
pub(crate) fn pictures(studio: &Studio, seconds: f64) -> Made {
    project::use_command(command());
    let (rate_hz, song) = song(seconds);
    let end = song[0].len() as f64 / f64::from(rate_hz);

    let mut host = Host::new();
    host.activate(rate_hz, BLOCK as u32);

    let mut stage = studio.stage(host, 1.0);
    stage.picture("empty");

    stage.host.set(&[("Capture", 1.0)]);
    stage.wait_to_show("Armed");
    stage.picture("armed");
    stage::play(&mut stage.host, &song, rate_hz, 0.0..0.4 * end);
    stage.picture("capturing");

    stage::play(&mut stage.host, &song, rate_hz, 0.4 * end..end);
    stage::stop(&mut stage.host);
    project::until("halfway", PATIENCE, || {
        let status = stage.host.status();
        assert_ne!(
            status, "ready",
            "it was separated before half of it was seen: use more seconds of the song"
        );
        let part = status
            .strip_prefix("separating, ")
            .and_then(|rest| rest.strip_suffix(" %")?.parse::<u32>().ok());

        if part >= Some(35) {
            Ok(())
        } else {
            Err(status)
        }
    });

    stage.picture("separating");
    stage.host.wait_for("ready", PATIENCE);
    let made = Made {
        rate_hz,
        clip: project::saved(&stage.host.save())["clip"].clone(),
    };

    stage::play(&mut stage.host, &song, rate_hz, 0.2 * end..0.35 * end);
    stage.picture("playing");
    let [drums, bass] = [("Drums gain", -4.5), ("Bass gain", 2.0)]
        .map(|(name, db)| (name, stage.host.normalized(name, db)));

    stage
        .host
        .set(&[("Vocals mute", 1.0), ("Piano mute", 1.0), drums, bass]);
    stage::play(&mut stage.host, &song, rate_hz, 0.55 * end..0.6 * end);
    stage.picture("mixing");
    stage.host.set(&[("Stem", 2.0)]);
    stage::play(&mut stage.host, &song, rate_hz, 0.7 * end..0.72 * end);

    stage.picture("one-stem");
    stage
        .host
        .set(&[("Stem", 7.0), ("Vocals mute", 0.0), ("Piano mute", 0.0)]);
    stage::stop(&mut stage.host);

    look_closer(&mut stage, &song, rate_hz, end);
    for (name, button) in [
        ("render-panel", "Render to files"),
        ("open-panel", "Open file"),
    ] {
        stage.press(button, "Browse");
        stage.picture(name);
        stage.escape();
    }

    for (name, width, height) in [("small", 820, 540), ("large", 1360, 860)] {
        stage.resize(width, height);
        stage.picture(name);
    }

    stage.press("Settings", "part of Sextet");
    stage.reveal("Look for its capture");
    stage.picture("captures");
    stage.escape();
    stage.close();
    pictures_of_choices(studio, &made);
    made
}

/// Takes pictures of a part of the clip, with a loop and levels, and of spectrograms.
fn look_closer(stage: &mut Stage<'_>, song: &[Vec<f32>; 2], rate_hz: u32, end: f64) {
    let play = |stage: &mut Stage<'_>, from: f64, to: f64| {
        stage.host.loop_s = Some([0.4 * end, 0.6 * end]);
        stage::play(&mut stage.host, song, rate_hz, from * end..to * end);
    };

    play(stage, 0.45, 0.5);
    stage.picture("loop");
    for _ in 0..4 {
        stage.press("Zoom in", "Zoom in");
    }
    play(stage, 0.5, 0.52);
    stage.picture("zoomed");

    stage.press("Spectrograms", "Spectrograms");
    std::thread::sleep(Duration::from_secs(6));
    play(stage, 0.5, 0.52);
    stage.picture("spectrum-zoomed");
    stage.press("Show the whole clip", "Spectrograms");
    play(stage, 0.5, 0.52);
    stage.picture("spectrum");

    stage.press("Spectrograms", "Spectrograms");
    stage.host.loop_s = None;
    stage::stop(&mut stage.host);
}

/// Takes pictures of the same clip in other projects: not separated yet, and separated with another
/// model than the chosen one.
fn pictures_of_choices(studio: &Studio, made: &Made) {
    let by_hand = json!({ "automatic": false });
    let with_another = json!({ "model": "htdemucs_6s" });
    for (name, project, shown) in [
        (
            "captured",
            made.project(false, &by_hand),
            "Ready to separate",
        ),
        (
            "made-otherwise",
            made.project(true, &with_another),
            "Separate again",
        ),
    ] {
        let mut host = Host::new();
        host.activate(made.rate_hz, BLOCK as u32);
        assert!(host.load(&project));
        let stage = studio.stage(host, 1.0);
        stage.wait_to_show(shown);
        // The waveforms are drawn as the scan of the files goes on.
        std::thread::sleep(Duration::from_secs(3));
        stage.picture(name);
        stage.close();
    }
}

/// Takes pictures of a missing command and of a missing capture. Deletes the stems and all
/// captures.
pub(crate) fn pictures_of_faults(studio: &Studio, made: &Made) {
    std::fs::remove_dir_all(project::folders().stems()).unwrap();
    project::use_command(Path::new("/nowhere/sextet"));

    let project = made.project(true, &json!({}));
    for (name, shown) in [
        ("no-command", "cannot be started"),
        ("missing", "The stems of this clip"),
    ] {
        let mut host = Host::new();
        host.activate(made.rate_hz, BLOCK as u32);
        assert!(host.load(&project));
        let stage = studio.stage(host, 1.0);
        stage.wait_to_show(shown);
        stage.picture(name);
        stage.close();
        let captures = project::folders().captures();
        if captures.exists() {
            std::fs::remove_dir_all(captures).unwrap();
        }
    }
}
