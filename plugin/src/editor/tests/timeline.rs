//! Tests of what the lanes show: zoom, close-ups, spectrograms, loop and levels.

use std::ops::Range;

use egui::{Event, Key, Modifiers, MouseWheelUnit, Pos2, Vec2};
use sextet_cases::each_case;

use super::*;
use crate::closeup::{CloserLook, LANES, Stretch};
use crate::overview::BIN_FRAMES;

/// Length of the fixture's clip.
const TOTAL_S: f64 = 1.0;
const POINTS: egui::Vec2 = egui::vec2(1020.0, 640.0);

/// Returns a place in the middle of a stem's waveform.
fn in_a_lane(fixture: &EditorFixture) -> Pos2 {
    let mute = fixture.harness.get_by_label("Vocals mute").rect();
    egui::pos2(600.0, mute.center().y)
}

fn shown(fixture: &EditorFixture) -> Range<f64> {
    let span = fixture.harness.state().zoom.shown(TOTAL_S);
    span.start_s..span.end_s
}

/// Returns whether a close-up was read to its end. It is shown while it grows.
fn is_complete(closeup: &Option<crate::session::Shown>) -> bool {
    closeup.as_ref().is_some_and(|shown| shown.0.is_complete)
}

fn wheel(fixture: &mut EditorFixture, y: f32, modifiers: Modifiers) {
    let place = in_a_lane(fixture);
    fixture.harness.hover_at(place);
    fixture.harness.run();
    fixture.harness.event(Event::MouseWheel {
        unit: MouseWheelUnit::Point,
        delta: Vec2::new(0.0, y),
        modifiers,
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
    });
    // A wheel's movement is spread over some frames.
    fixture.harness.run_steps(60);
}

fn keys(fixture: &mut EditorFixture, keys: &[Key]) {
    fixture.harness.get_by_label("Timeline").focus();
    fixture.harness.run();
    for &key in keys {
        fixture.harness.key_press(key);
        fixture.harness.run();
    }
}

#[test]
fn timeline_is_zoomed_and_scrolled_by_wheel_pinch_keys_and_buttons() {
    let mut fixture = EditorFixture::ready(POINTS, 1.0);
    fixture.harness.run();
    assert_eq!(shown(&fixture), 0.0..TOTAL_S);

    // The wheel with the control key, and a pinch, keep what is under the pointer in its place.
    wheel(&mut fixture, 200.0, Modifiers::COMMAND);
    let by_wheel = shown(&fixture);
    assert!(
        by_wheel.end - by_wheel.start < 0.9 * TOTAL_S,
        "{by_wheel:?}"
    );
    assert!(by_wheel.start > 0.0 && by_wheel.end < TOTAL_S);

    fixture.harness.event(Event::Zoom(2.0));
    fixture.harness.run();
    let by_pinch = shown(&fixture);
    let factor = (by_wheel.end - by_wheel.start) / (by_pinch.end - by_pinch.start);
    assert!((factor - 2.0).abs() < 1e-3, "{factor}");

    // The wheel alone scrolls, up to the clip's end.
    wheel(&mut fixture, -50.0, Modifiers::NONE);
    assert!(shown(&fixture).start > by_pinch.start);
    wheel(&mut fixture, -1e6, Modifiers::NONE);
    assert!((shown(&fixture).end - TOTAL_S).abs() < 1e-9);

    // Keys do the same where the timeline has the focus.
    keys(&mut fixture, &[Key::Home]);
    assert_eq!(shown(&fixture).start, 0.0);
    keys(&mut fixture, &[Key::ArrowRight, Key::ArrowRight]);
    let by_keys = shown(&fixture);
    assert!(by_keys.start > 0.0);
    keys(&mut fixture, &[Key::ArrowUp]);
    assert!(shown(&fixture).end - shown(&fixture).start < by_keys.end - by_keys.start);
    keys(&mut fixture, &[Key::F]);
    assert_eq!(shown(&fixture), 0.0..TOTAL_S);

    // Buttons for those who have neither.
    assert!(!fixture.can("Zoom out") && !fixture.can("Show the whole clip"));
    fixture.click("Zoom in");
    assert!(fixture.can("Zoom out") && shown(&fixture).end < TOTAL_S);
    fixture.click("Zoom in");
    fixture.click("Show the whole clip");
    assert_eq!(shown(&fixture), 0.0..TOTAL_S);
}

#[test]
fn panels_keep_the_wheel_from_the_timeline() {
    let mut fixture = EditorFixture::ready(POINTS, 1.0);
    fixture.click("Settings");
    wheel(&mut fixture, 200.0, Modifiers::COMMAND);
    assert_eq!(shown(&fixture), 0.0..TOTAL_S);
}

#[test]
fn shown_stretch_follows_the_playhead() {
    let mut fixture = EditorFixture::ready(POINTS, 1.0);
    fixture.click("Zoom in");
    keys(&mut fixture, &[Key::Home]);
    let first = shown(&fixture);

    let play = |fixture: &mut EditorFixture, time_s: f64| {
        let frame = (time_s * f64::from(SESSION_HZ)) as i64;
        fixture.session.remote().shared.transport(Some(frame));
        fixture.harness.run();
        shown(fixture)
    };
    assert_eq!(play(&mut fixture, first.end - 0.01), first);
    let next = play(&mut fixture, first.end + 0.01);
    assert!(next.contains(&(first.end + 0.01)), "{next:?}");
}

/// Close-ups are asked for by hand, since the fixture's clip is shorter than those that the editor
/// asks for.
#[test]
fn closeups_show_the_samples_of_every_lane() {
    let mut fixture = EditorFixture::ready(POINTS, 1.0);
    let wave = |stem: Stem, side: usize, frame: u64| {
        ((frame % (50 + 7 * stem as u64)) as f32 - side as f32) / 400.0
    };

    let cases = [
        (0..48_000, 500),
        (4_800..9_600, 720),
        (47_000..48_000, 1_000),
    ];
    each_case(cases, |(frames, columns)| {
        let stretch = Stretch { frames, columns };
        let near = Some(stretch.clone());
        let look = CloserLook {
            near,
            spectrograms: false,
        };
        fixture.session.remote().send(Command::LookCloser(look));
        fixture.wait("the close-up", |view| {
            let near = view.closeups.near.as_ref();
            near.is_some_and(|near| near.0.stretch == stretch && near.0.is_complete)
        });

        let closeup = fixture.view().closeups.near.clone().unwrap().0;
        for stem in Stem::ALL {
            let lane = closeup.lanes[1 + stem as usize].as_ref().unwrap();
            let bins = &lane.waveform.as_ref().unwrap().bins;
            for (column, found) in bins.iter().enumerate() {
                let frames = stretch.column(column);
                let samples = frames
                    .flat_map(|frame| [0, 1].map(|side| wave(stem, side, frame.cast_unsigned())));
                let expected = samples.fold([0.0_f32; 2], |[low, high], sample| {
                    [low.min(sample), high.max(sample)]
                });
                assert_eq!(*found, expected, "{stem}, column {column}");
            }
        }

        // The clip is the sum of its stems.
        let clip = closeup.lanes[0]
            .as_ref()
            .unwrap()
            .waveform
            .as_ref()
            .unwrap();
        let highest = clip.between(0.0, 1.0)[1];
        let sums = stretch.frames.map(|frame| {
            Stem::ALL
                .map(|stem| wave(stem, 0, frame))
                .iter()
                .sum::<f32>()
        });
        let expected = sums.fold(0.0, f32::max);
        assert!(
            (highest - expected).abs() < 1e-5,
            "{highest}, not {expected}"
        );
    });
}

#[test]
fn editor_asks_for_what_overviews_are_too_coarse_for() {
    let mut fixture = EditorFixture::ready(POINTS, 1.0);
    fixture.harness.run();
    assert!(fixture.view().closeups.near.is_none(), "nothing is zoomed");

    // A second on some seven hundred pixels is finer than an overview's bins.
    fixture.click("Zoom in");
    fixture.wait("a close-up", |view| is_complete(&view.closeups.near));
    let near = fixture.view().closeups.near.clone().unwrap().0;
    assert!(near.stretch.column_frames() < BIN_FRAMES as f64);
    assert!(near.lanes.iter().flatten().count() == LANES);

    // Scrolling a little needs no other one.
    keys(&mut fixture, &[Key::ArrowRight]);
    std::thread::sleep(Duration::from_millis(300));
    let after = fixture.view().closeups.near.clone().unwrap().0;
    assert!(Arc::ptr_eq(&near, &after));
}

#[test]
fn spectrograms_are_read_once_and_kept() {
    let mut fixture = EditorFixture::ready(POINTS, 1.0);
    assert!(fixture.view().closeups.whole.is_none(), "nobody asked");

    fixture.click("Spectrograms");
    fixture.wait("spectrograms", |view| is_complete(&view.closeups.whole));
    let first = fixture.view().closeups.whole.clone().unwrap();
    for (lane, closeup) in first.0.lanes.iter().enumerate() {
        let spectrogram = closeup.as_ref().unwrap().spectrogram.as_ref().unwrap();
        let loudest = spectrogram.between(0.0, 1.0);
        assert!(loudest.iter().any(|&level| level > 100), "lane {lane}");
    }

    fixture.click("Spectrograms");
    fixture.click("Spectrograms");
    std::thread::sleep(Duration::from_millis(300));
    let second = fixture.view().closeups.whole.clone().unwrap();
    assert!(Arc::ptr_eq(&first.0, &second.0), "they are not read again");

    // Another clip has others.
    fixture.load(None);
    fixture.wait("no clip", |view| view.clip.is_none());
    assert!(fixture.view().closeups.whole.is_none());
}

/// Returns the waveforms' meshes of the last frame, by identity.
fn meshes(fixture: &EditorFixture) -> Vec<*const egui::Mesh> {
    let shapes = fixture.harness.output().shapes.iter();
    let meshes = shapes.filter_map(|clipped| match &clipped.shape {
        egui::Shape::Mesh(mesh) => Some(Arc::as_ptr(mesh)),
        _ => None,
    });
    meshes.collect()
}

#[test]
fn moving_playhead_draws_no_waveform_again() {
    let mut fixture = EditorFixture::ready(POINTS, 1.0);
    let before = meshes(&fixture);
    assert_eq!(before.len(), LANES);

    for block in 1..20 {
        let shared = &fixture.session.remote().shared;
        shared.transport(Some(block * BLOCK as i64));
        fixture.harness.run();
        assert_eq!(meshes(&fixture), before);
    }

    fixture.click("Zoom in");
    let after = meshes(&fixture);
    assert!(after.iter().all(|mesh| !before.contains(mesh)));
}

#[test]
fn editor_at_rest_asks_for_no_frame() {
    let mut fixture = EditorFixture::ready(POINTS, 1.0);
    for prepare in ["Spectrograms", "Zoom in"] {
        fixture.click(prepare);
        fixture.wait("close-ups", |view| is_complete(&view.closeups.whole));
        if prepare == "Zoom in" {
            fixture.wait("the near one", |view| is_complete(&view.closeups.near));
        }
        for _ in 0..5 {
            fixture.harness.step();
            assert!(!fixture.harness.ctx.has_requested_repaint(), "{prepare}");
        }
    }
}

#[test]
fn levels_are_drawn_until_they_have_fallen() {
    let mut fixture = EditorFixture::ready(POINTS, 1.0);
    let mut sides = [[0.5_f32; 64]; 14];
    let mut buses = sides.iter_mut().map(|side| &mut side[..]);
    let mut bus = || [buses.next().unwrap(), buses.next().unwrap()];
    let shared = fixture.session.remote().shared.clone();
    shared.meters.measure(&crate::playback::Block {
        main: bus(),
        stems: std::array::from_fn(|_| bus()),
        position: None,
        loop_start: None,
        patience: crate::patience::Patience::None,
    });

    let delay = |fixture: &EditorFixture| {
        let viewports = &fixture.harness.output().viewport_output;
        viewports[&egui::ViewportId::ROOT].repaint_delay
    };
    fixture.harness.step();
    assert!(delay(&fixture) < Duration::from_millis(50), "they fall");

    // A frame of the harness is a quarter of a second; 54 dB take two.
    fixture.harness.run_steps(12);
    assert!(delay(&fixture) > Duration::from_secs(1), "they are gone");
}

#[test]
fn loop_is_shown_where_it_is() {
    let mut fixture = EditorFixture::ready(POINTS, 1.0);
    let lines = |fixture: &EditorFixture| {
        let shapes = fixture.harness.output().shapes.iter();
        let is_loop = |shape: &egui::Shape| {
            matches!(shape, egui::Shape::LineSegment { stroke, .. }
                if stroke.color == theme::ACCENT.gamma_multiply(0.8))
        };
        shapes.filter(|clipped| is_loop(&clipped.shape)).count()
    };
    assert_eq!(lines(&fixture), 0);

    // Both ends are marked in every lane, where they are in sight.
    for (stretch, count) in [
        (Some((12_000, 24_000)), 2 * LANES),
        (Some((12_000, 96_000)), LANES),
        (None, 0),
    ] {
        assert!(fixture.session.remote().shared.set_loop(stretch));
        fixture.harness.run();
        assert_eq!(lines(&fixture), count, "{stretch:?}");
    }
}
