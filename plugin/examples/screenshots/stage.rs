//! A plugin on a screen: finds its widgets by their accessible names, and takes pictures of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sextet_plugin_testing::clap_host::Host;
use sextet_plugin_testing::project;
use sextet_plugin_testing::screen::Screen;

/// Number of frames of a block.
pub(crate) const BLOCK: usize = 1024;
/// Time limit after which a thing that is not shown never will be.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Environment variable that names the file into which the editor of a debug build writes its
/// widgets' places.
const PLACES_VARIABLE: &str = "SEXTET_EDITOR_PLACES";
/// Time within which a changed editor is drawn again.
const DRAWN: Duration = Duration::from_millis(400);
/// Time within which the result of a click is shown.
const ANSWER: Duration = Duration::from_secs(5);
const CLICKS: usize = 5;
/// Number of colours of a picture, which keeps it small.
const COLOURS: &str = "200";

/// A screen, a window on it, and the folder of the pictures.
pub(crate) struct Studio {
    screen: Screen,
    window: u32,
    folder: PathBuf,
    places: PathBuf,
    /// Beginning of the names of the wanted pictures.
    only: Option<String>,
}

impl Studio {
    /// Starts a screen. Must be called before anything else, because it sets variables of this
    /// process.
    pub(crate) fn new(folder: PathBuf, only: Option<String>) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        let screen = Screen::start(1);
        let places = project::folders().cache().join("places.txt");

        std::fs::create_dir_all(project::folders().cache()).unwrap();

        // SAFETY: there is no other thread yet.
        unsafe {
            std::env::set_var("DISPLAY", &screen.name);
            std::env::set_var(PLACES_VARIABLE, &places);
        }

        let window = screen.open_window(2200, 1400);
        Self {
            screen,
            window,
            folder,
            places,
            only,
        }
    }

    /// Returns whether no picture of a clip is wanted.
    pub(crate) fn wants_only_settings(&self) -> bool {
        self.only
            .as_ref()
            .is_some_and(|only| only.starts_with("setting"))
    }

    /// Returns whether the picture of this name is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.starts_with(only))
    }

    /// Starts a plugin with its editor open, at a number of pixels per point.
    pub(crate) fn stage(&self, host: Host, pixels_per_point: f64) -> Stage<'_> {
        let _ = std::fs::remove_file(&self.places);
        self.screen.set_density(pixels_per_point);
        let (width, height) = host.open_editor(self.window);

        let stage = Stage {
            studio: self,
            host,
            pixels_per_point,
            size: (width, height),
        };

        stage.wait_to_show("Capture");
        stage
    }
}

/// A plugin with its editor open.
pub(crate) struct Stage<'a> {
    studio: &'a Studio,
    pub(crate) host: Host,
    pixels_per_point: f64,
    /// Size of the editor in pixels.
    size: (u32, u32),
}

/// The place of a widget, in points.
struct Place {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    can_be_used: bool,
    name: String,
}

impl Place {
    fn parse(line: &str) -> Self {
        let mut fields = line.splitn(6, '\t');
        let mut field = || {
            fields
                .next()
                .unwrap_or_else(|| panic!("a place is not '{line}'"))
        };

        let mut number = || field().parse().unwrap();
        let (left, top, right, bottom) = (number(), number(), number(), number());
        Self {
            left,
            top,
            right,
            bottom,
            can_be_used: field() == "on",
            name: field().to_owned(),
        }
    }
}

impl Stage<'_> {
    /// Returns all widgets that the editor shows.
    fn places(&self) -> Vec<Place> {
        let list = std::fs::read_to_string(&self.studio.places).unwrap_or_default();
        list.lines().map(Place::parse).collect()
    }

    /// Returns the last of the widgets of this name, which is the one in front.
    fn find(&self, name: &str) -> Option<Place> {
        self.places().into_iter().rfind(|place| place.name == name)
    }

    fn find_or_wait(&self, name: &str) -> Place {
        let mut found = None;
        project::until(name, PATIENCE, || {
            found = self.find(name);
            let names = || {
                self.places()
                    .into_iter()
                    .map(|place| place.name)
                    .collect::<Vec<_>>()
                    .join(", ")
            };

            if found.is_some() {
                Ok(())
            } else {
                Err(names())
            }
        });

        found.unwrap()
    }

    /// Waits until a widget is shown whose name contains `part`.
    pub(crate) fn wait_to_show(&self, part: &str) {
        project::until(part, PATIENCE, || {
            let names = || {
                self.places()
                    .into_iter()
                    .map(|place| place.name)
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            if self.shows(part) {
                Ok(())
            } else {
                Err(names())
            }
        });
    }

    /// Scrolls an open panel until the whole widget of this name is visible.
    pub(crate) fn reveal(&self, name: &str) {
        for _ in 0..60 {
            let (target, foot) = (self.find_or_wait(name), self.find_or_wait("Close"));
            if target.bottom < foot.top || target.name == foot.name {
                return;
            }
            self.point((foot.left + foot.right) / 2.0 + 200.0, foot.top - 60.0);
            xdotool(&["click", "5"]);
            std::thread::sleep(Duration::from_millis(120));
        }
        panic!("'{name}' cannot be scrolled to");
    }

    fn shows(&self, part: &str) -> bool {
        self.places().iter().any(|place| place.name.contains(part))
    }

    /// Clicks the widget of this name until one is shown whose name contains `shown`. A machine
    /// that draws slowly may miss a click.
    pub(crate) fn press(&self, name: &str, shown: &str) {
        for _ in 0..CLICKS {
            self.click(name);
            let begun = Instant::now();
            while begun.elapsed() < ANSWER {
                if self.shows(shown) {
                    return;
                }
                std::thread::sleep(DRAWN / 4);
            }
        }
        panic!("'{name}' was clicked on {CLICKS} times, and '{shown}' is not shown");
    }

    /// Clicks the widget of this name.
    fn click(&self, name: &str) {
        self.find_or_wait(name);

        // A widget under the pointer is drawn anew, and may move.
        for nudge in [-2.0, 0.0] {
            std::thread::sleep(DRAWN);
            let place = self.find_or_wait(name);
            assert!(place.can_be_used, "'{name}' cannot be used");
            self.point(
                (place.left + place.right) / 2.0 + nudge,
                (place.top + place.bottom) / 2.0,
            );
        }

        std::thread::sleep(DRAWN);

        // A hand holds a button for a few frames.
        xdotool(&["mousedown", "1"]);
        std::thread::sleep(DRAWN / 4);
        xdotool(&["mouseup", "1"]);
        std::thread::sleep(DRAWN);
    }

    /// Writes into the field of this name.
    pub(crate) fn write(&self, name: &str, text: &str) {
        self.click(name);
        xdotool(&["type", text]);
        std::thread::sleep(DRAWN);
    }

    /// Closes an open panel.
    pub(crate) fn escape(&self) {
        xdotool(&["key", "Escape"]);
        std::thread::sleep(DRAWN);
    }

    /// Moves the pointer to a place in points.
    fn point(&self, x: f64, y: f64) {
        let [x, y] = [x, y].map(|points| (points * self.pixels_per_point).round().to_string());
        xdotool(&[
            "mousemove",
            "--window",
            &self.studio.window.to_string(),
            &x,
            &y,
        ]);
    }

    /// Resizes the editor to a size in points.
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        self.size = [width, height]
            .map(|points| (f64::from(points) * self.pixels_per_point).round() as u32)
            .into();
        assert!(self.host.resize_editor(self.size.0, self.size.1));
        std::thread::sleep(DRAWN);
    }

    /// Takes a picture of the editor under this name.
    pub(crate) fn picture(&self, name: &str) {
        if !self.studio.wants(name) {
            return;
        }

        // Moves the pointer away from all widgets that light up under it.
        self.point(self.size.0 as f64 + 40.0, self.size.1 as f64 + 40.0);
        std::thread::sleep(2 * DRAWN);
        let area = format!("{}x{}+0+0", self.size.0, self.size.1);

        let mut import = Command::new("import");
        import.args([
            "-window",
            &self.studio.window.to_string(),
            "-crop",
            &area,
            "+repage",
            "+dither",
        ]);

        import.args([
            "-colors",
            COLOURS,
            "-strip",
            "-define",
            "png:compression-level=9",
        ]);

        let file = Path::new(&self.studio.folder)
            .join(name)
            .with_extension("png");
        import.arg(format!("PNG8:{}", file.display()));

        assert!(
            import.status().is_ok_and(|status| status.success()),
            "import (of ImageMagick) failed"
        );
        println!("{name}: {}", self.host.status());
    }

    /// Closes the editor.
    pub(crate) fn close(self) {
        self.host.close_editor();
    }
}

/// Plays a stretch of a song in real time.
pub(crate) fn play(
    host: &mut Host,
    song: &[Vec<f32>; 2],
    rate_hz: u32,
    stretch_s: std::ops::Range<f64>,
) {
    let rate_hz = f64::from(rate_hz);
    let (first, last) = (
        (stretch_s.start * rate_hz) as usize,
        (stretch_s.end * rate_hz) as usize,
    );

    let begun = Instant::now();
    for at in (first..last.min(song[0].len())).step_by(BLOCK) {
        let end = (at + BLOCK).min(song[0].len());
        host.play([&song[0][at..end], &song[1][at..end]], Some(at as i64));
        let due = Duration::from_secs_f64((at - first) as f64 / rate_hz);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
}

/// Stops the transport.
pub(crate) fn stop(host: &mut Host) {
    host.play([&[0.0; 64]; 2], None);
}

fn xdotool(words: &[&str]) {
    let told = Command::new("xdotool").args(words).status();
    assert!(
        told.is_ok_and(|status| status.success()),
        "xdotool {words:?} failed"
    );
}
