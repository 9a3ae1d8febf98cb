//! Tests of the keyboard: all controls that can be clicked can be reached and used with keys alone,
//! and have a name.

use egui::Key;
use egui::accesskit::Action;

use super::*;

/// Returns the controls that Tab reaches, in that order, beginning at `first`.
pub(super) fn walk(harness: &mut Harness<'static, EditorApp>, first: &str) -> Vec<String> {
    let mut reached = Vec::new();
    for _ in 0..200 {
        harness.key_press(Key::Tab);
        harness.run();
        let focused = harness
            .root()
            .children_recursive()
            .find(|node| node.is_focused());

        let Some(name) = focused.map(|node| name(&node)) else {
            continue;
        };
        if reached.first() == Some(&name) {
            return reached;
        }

        if name == first || !reached.is_empty() {
            reached.push(name);
        }
    }

    panic!("Tab does not come back to '{first}': {reached:?}");
}

fn name(node: &egui_kittest::Node<'_>) -> String {
    let data = node.accesskit_node();
    data.label()
        .or_else(|| data.placeholder().map(str::to_owned))
        .unwrap_or_default()
}

/// Returns the names of all controls that take clicks or keys.
pub(super) fn controls(harness: &Harness<'static, EditorApp>) -> Vec<String> {
    let root = harness.root();
    let usable = root.children_recursive().filter(|node| {
        let node = node.accesskit_node();
        node.data().supports_action(Action::Focus) && !node.is_disabled()
    });
    usable.map(|node| name(&node)).collect()
}

/// Returns the names in sorted order, to compare lists whose names are all different.
pub(super) fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[test]
fn every_control_is_reached_by_tab_in_every_phase() {
    let mut phases = [
        ("no clip", EditorFixture::new()),
        (
            "stems",
            EditorFixture::ready(egui::vec2(1020.0, 640.0), 1.0),
        ),
        ("missing", {
            let mut fixture = EditorFixture::new();
            fixture.load(Some(clip(None)));
            fixture.wait("a clip", |view| view.phase == Phase::Captured);
            fixture.click("Separate");
            fixture.wait("what is missing", |view| {
                matches!(view.phase, Phase::Failed(_))
            });
            fixture
        }),
    ];

    for (phase, fixture) in &mut phases {
        fixture.harness.run();
        let reached = walk(&mut fixture.harness, "Capture");
        assert_eq!(
            sorted(reached.clone()),
            sorted(controls(&fixture.harness)),
            "{phase}"
        );

        println!(
            "{phase}: {} controls: {}",
            reached.len(),
            reached.join(", ")
        );
    }

    let (_, fixture) = &mut phases[1];
    let reached = walk(&mut fixture.harness, "Capture");
    let head = [
        "Capture",
        "Open file",
        "Separate again",
        "Render to files",
        "Settings",
        "Move here",
        "Zoom in",
        "Spectrograms",
        "Timeline",
    ];

    let choices = [
        "Dry", "Drums", "Bass", "Other", "Vocals", "Guitar", "Piano", "Mix",
    ]
    .map(|name| format!("Main output: {name}"));
    let stems = ["Drums", "Bass", "Other", "Vocals", "Guitar", "Piano"];
    let lanes = stems
        .iter()
        .flat_map(|stem| ["solo", "mute", "gain: 0.0 dB"].map(|what| format!("{stem} {what}")));

    let outside = "Outside the clip: Dry".to_owned();
    let expected = head
        .map(str::to_owned)
        .into_iter()
        .chain(choices)
        .chain([outside])
        .chain(lanes);

    assert_eq!(
        reached,
        expected.collect::<Vec<_>>(),
        "from left to right and from the top down"
    );
}

#[test]
fn panels_and_menus_are_used_with_keys_alone() {
    let mut fixture = EditorFixture::ready(egui::vec2(1020.0, 640.0), 1.0);
    for (opener, first, expected) in [
        ("Open file", "Path of an audio file", 3),
        // The folder is not chosen yet, so that `Render` cannot be used.
        ("Render to files", "Folder to write to", 23),
    ] {
        fixture.harness.run();
        fixture.harness.get_by_label(opener).focus();
        fixture.harness.run();
        fixture.harness.key_press(Key::Enter);
        fixture.harness.run();
        let reached = walk(&mut fixture.harness, first);
        println!("{opener}: {}", reached.join(", "));
        assert_eq!(reached.len(), expected, "{opener}: {reached:?}");
        assert!(
            reached.iter().any(|name| name == "Close"),
            "nothing behind a panel takes the keys: {reached:?}"
        );
        fixture.harness.key_press(Key::Escape);
        fixture.harness.run();
        assert!(!fixture.shows("Close"), "{opener} closes");
    }

    fixture.harness.get_by_label("Settings").focus();
    fixture.harness.run();
    fixture.harness.key_press(Key::Enter);
    fixture.harness.run();

    assert!(fixture.shows("Captures extend the clip"));
    fixture
        .harness
        .get_by_label("Captures extend the clip")
        .focus();
    fixture.harness.run();
    fixture.harness.key_press(Key::Space);
    fixture.harness.run();

    fixture.wait("the setting", |view| view.settings.extend);
}

#[test]
fn switches_and_sliders_are_used_with_keys_alone() {
    let mut fixture = EditorFixture::new();
    let mut press = |label: &str, keys: &[Key]| {
        fixture.harness.run();
        fixture.harness.get_by_label_contains(label).focus();
        fixture.harness.run();

        for &key in keys {
            fixture.harness.key_press(key);
            fixture.harness.run();
            fixture.host.deliver();
        }

        fixture.harness.run();
        (
            fixture.params.bass.mute.value(),
            fixture.params.bass.gain.value(),
            fixture.params.output.value(),
        )
    };

    use crate::params::MainOutput::{Mix, Vocals};
    assert_eq!(press("Bass mute", &[Key::Space]), (true, 0.0, Mix));
    assert_eq!(press("Bass mute", &[Key::Enter]), (false, 0.0, Mix));
    let (_, gain, _) = press(
        "Bass gain",
        &[Key::ArrowRight, Key::ArrowRight, Key::ArrowLeft],
    );

    assert!((gain - 1.0).abs() < 1e-3, "{gain}");
    let (_, gain, _) = press("Bass gain", &[Key::ArrowLeft, Key::Home]);

    assert!(gain.abs() < 1e-3, "{gain}");
    assert_eq!(press("Main output: Vocals", &[Key::Space]).2, Vocals);
}
