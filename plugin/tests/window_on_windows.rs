//! Test of the editor in a window of Windows. Under Wine the window is one of an X server's, which
//! is asked for what it shows.
#![cfg(windows)]

use std::path::Path;

use sextet_plugin_testing::clap_host::Host;
use sextet_plugin_testing::screen::Screen;
use sextet_plugin_testing::waveforms;
use sextet_plugin_testing::window::Window;
use sextet_protocol::Stem;

/// Size of a new editor, in points, which are pixels here.
const SIZE: (usize, usize) = (1020, 640);
/// Least number of pixels of a waveform.
const LEAST: usize = 6000;

#[test]
fn the_editor_opens_in_a_window_and_shows_its_stems() {
    let host = waveforms::host();
    // Twice: a host closes and opens it as it likes.
    for round in 0..2 {
        let window = Window::open("Sextet", SIZE.0 as i32, SIZE.1 as i32);
        let (width, height) = host.open_editor(&window);
        assert_eq!((width as usize, height as usize), SIZE);

        look(&host, &window, round);
        host.close_editor();
        window.handle_messages();
    }
}

/// Looks at the window, where an X server has it.
fn look(host: &Host, window: &Window, round: usize) {
    let Ok(display) = std::env::var("DISPLAY") else {
        println!("no X server shows this window: opened, not looked at");
        for _ in 0..100 {
            window.handle_messages();
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(host.status().starts_with("ready"), "{}", host.status());
        return;
    };

    // Windows programs reach it by TCP alone.
    let screen = Screen::connect(&format!("localhost{display}"));
    let picture = screen.editor_under_wine(SIZE, LEAST, || window.handle_messages());
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("editor-windows.ppm");
    picture.write(&place);

    for stem in Stem::ALL {
        println!(
            "round {round}: {stem} has {} pixels",
            picture.pixels_of(stem)
        );
    }
}
