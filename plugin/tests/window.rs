//! Tests of the editor in a real window, on screens of every density.
#![cfg(target_os = "linux")]

use std::path::Path;

use sextet_plugin_testing::clap_host::Host;
use sextet_plugin_testing::screen::Screen;
use sextet_plugin_testing::{in_a_process_of_its_own, waveforms};
use sextet_protocol::Stem;

/// Size of a new editor, in points.
const SIZE: (usize, usize) = (1020, 640);

#[test]
fn window_has_the_density_of_its_screen() {
    for pixels_per_point in [1, 2] {
        // A process' screen is determined when it starts.
        let screen = Screen::start(pixels_per_point);
        let scale = pixels_per_point.to_string();
        let environment = [
            ("DISPLAY", screen.name.as_ref()),
            ("SEXTET_TEST_SCALE", scale.as_ref()),
        ];

        print!(
            "{}",
            in_a_process_of_its_own("shown_in_a_process_of_its_own", &environment)
        );
    }
}

/// Run by the test above.
#[test]
#[ignore = "the other test runs it, on a screen"]
fn shown_in_a_process_of_its_own() {
    let scale: usize = std::env::var("SEXTET_TEST_SCALE").unwrap().parse().unwrap();
    let screen = Screen::connect(&std::env::var("DISPLAY").unwrap());

    let host = waveforms::host();

    let window = screen.open_window(2400, 1500);
    let size = (SIZE.0 * scale, SIZE.1 * scale);
    assert_eq!(open(&host, window), size);

    // Twice the density has four times the pixels.
    let least = 6000 * scale * scale;
    let picture = screen.editor(size, least);
    picture.write(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("editor-{scale}.ppm")));

    for stem in Stem::ALL {
        println!(
            "{scale} pixels a point: {stem} has {} pixels",
            picture.pixels_of(stem)
        );
    }

    // The size remains after closing and opening again.
    let larger = (1100 * scale, 700 * scale);
    assert!(host.resize_editor(larger.0 as u32, larger.1 as u32));
    screen.editor(larger, least);
    host.close_editor();

    assert_eq!(open(&host, window), larger, "reopened");
    screen.editor(larger, least);
    host.close_editor();
}

/// Opens the editor; returns the size that the host is told while there is no window yet.
fn open(host: &Host, window: u32) -> (usize, usize) {
    let (width, height) = host.open_editor(window);
    (width as usize, height as usize)
}
