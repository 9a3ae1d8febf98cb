//! An invisible screen, by Xvfb: opens windows on it, and reads its contents back.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sextet_protocol::Stem;
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::present::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{
    AtomEnum, ConnectionExt as _, CreateWindowAux, ImageFormat, PropMode, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::project;

/// Names that window managers register and that JUCE expects.
const OF_WINDOW_MANAGERS: [&str; 5] = [
    "WM_PROTOCOLS",
    "WM_STATE",
    "WM_CHANGE_STATE",
    "_NET_WM_WINDOW_TYPE",
    "_NET_WM_STATE",
];
/// Density of a desktop by default.
const USUAL_DOTS_PER_INCH: f64 = 96.0;

/// A running X server, and this process' connection to it.
pub struct Screen {
    /// The server, if this process has started it.
    server: Option<Child>,
    connection: RustConnection,
    root: Window,
    /// Name by which other programs find it, as `DISPLAY`.
    pub name: String,
}

impl Screen {
    /// Starts a screen with a number of pixels per point.
    pub fn start(pixels_per_point: u32) -> Self {
        let mut xvfb = Command::new("Xvfb");
        xvfb.args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "2400x1500x24",
            "-nolisten",
            "tcp",
        ]);

        let started = xvfb
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();

        let mut server = started
            .unwrap_or_else(|error| panic!("Xvfb: {error}; `sudo apt install xvfb` brings it"));
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap())
            .read_line(&mut number)
            .unwrap();

        let mut screen = Self::connect(&format!(":{}", number.trim()));
        screen.server = Some(server);
        screen.set_density(f64::from(pixels_per_point));

        for name in OF_WINDOW_MANAGERS {
            screen
                .connection
                .intern_atom(false, name.as_bytes())
                .unwrap()
                .reply()
                .unwrap();
        }

        screen
    }

    /// Sets the number of pixels per point for windows that are opened from now on.
    pub fn set_density(&self, pixels_per_point: f64) {
        let desktop = format!("Xft.dpi:\t{}\n", USUAL_DOTS_PER_INCH * pixels_per_point);
        let (resources, text) = (AtomEnum::RESOURCE_MANAGER, AtomEnum::STRING);
        let (connection, root) = (&self.connection, self.root);
        connection
            .change_property8(PropMode::REPLACE, root, resources, text, desktop.as_bytes())
            .unwrap();
        connection.sync().unwrap();
    }

    /// Connects to a screen that another process has started.
    pub fn connect(name: &str) -> Self {
        let (connection, screen) = x11rb::connect(Some(name)).unwrap();
        let root = connection.setup().roots[screen].root;
        Self {
            server: None,
            connection,
            root,
            name: name.to_owned(),
        }
    }

    /// Opens an empty window.
    pub fn open_window(&self, width: u16, height: u16) -> Window {
        let window = self.connection.generate_id().unwrap();
        let screen = &self.connection.setup().roots[0];
        let aux = CreateWindowAux::new().background_pixel(screen.black_pixel);

        let (depth, class, visual) = (
            screen.root_depth,
            WindowClass::INPUT_OUTPUT,
            screen.root_visual,
        );

        self.connection
            .create_window(
                depth, window, self.root, 0, 0, width, height, 0, class, visual, &aux,
            )
            .unwrap();

        self.connection.map_window(window).unwrap().check().unwrap();
        window
    }

    /// Returns the window with this title, at any depth of the tree of windows.
    fn find(&self, title: &str) -> Option<Window> {
        self.below(self.root, title)
    }

    fn below(&self, window: Window, title: &str) -> Option<Window> {
        let children = self
            .connection
            .query_tree(window)
            .ok()?
            .reply()
            .ok()?
            .children;
        children.into_iter().find_map(|child| {
            let name = self.connection.get_property(
                false,
                child,
                AtomEnum::WM_NAME,
                AtomEnum::STRING,
                0,
                64,
            );

            // A window may be closed during the query.
            let is_it = name
                .ok()?
                .reply()
                .is_ok_and(|name| name.value == title.as_bytes());
            if is_it {
                Some(child)
            } else {
                self.below(child, title)
            }
        })
    }

    /// Returns the editor's window, once there is one.
    ///
    /// # Panics
    /// When that does not come about.
    pub fn editor_window(&self) -> Window {
        let mut found = None;
        project::until("the editor's window", Duration::from_secs(60), || {
            found = self.find("Sextet");
            found.map(|_| ()).ok_or_else(|| "not there".to_owned())
        });
        found.unwrap()
    }

    /// Starts to count the frames of a window.
    pub fn count_frames(&self, window: Window) -> FrameCount {
        let (connection, _) = x11rb::connect(Some(&self.name)).unwrap();
        let id = connection.generate_id().unwrap();
        let mask = present::EventMask::COMPLETE_NOTIFY;
        connection
            .present_select_input(id, window, mask)
            .unwrap()
            .check()
            .unwrap();
        FrameCount { connection }
    }

    /// Returns a picture of the editor once its window has this size and shows six waveforms, each
    /// of `least` pixels or more.
    ///
    /// # Panics
    /// When that does not come about.
    pub fn editor(&self, size: (usize, usize), least: usize) -> Picture {
        let mut shown = None;
        project::until("the editor's window", Duration::from_secs(60), || {
            let picture = self
                .find("Sextet")
                .and_then(|window| self.picture(window))
                .ok_or("not there")?;
            let found = (picture.width, picture.height);
            let missing = Stem::ALL
                .into_iter()
                .find(|stem| picture.pixels_of(*stem) < least);

            match missing {
                _ if found != size => Err(format!("{found:?} pixels, not {size:?}")),
                Some(stem) => Err(format!(
                    "without {stem}: {} pixels",
                    picture.pixels_of(stem)
                )),
                None => {
                    shown = Some(picture);
                    Ok(())
                }
            }
        });

        shown.unwrap()
    }

    /// As [`editor`](Self::editor), for an editor under Wine, and does `work` between two looks.
    /// Wine draws it beyond the screen's corner, in a window without a title, and the picture lacks
    /// the first row and column, which are not on the screen.
    ///
    /// # Panics
    /// When that does not come about.
    pub fn editor_under_wine(
        &self,
        size: (usize, usize),
        least: usize,
        work: impl Fn(),
    ) -> Picture {
        let mut shown = None;
        project::until("the editor's window", Duration::from_secs(60), || {
            work();
            let windows = self.of_size(self.root, size);
            let mut pictures = windows.iter().filter_map(|&window| self.inner(window));
            let full = |picture: &Picture| {
                Stem::ALL
                    .into_iter()
                    .all(|stem| picture.pixels_of(stem) >= least)
            };
            shown = pictures.find(full);
            match shown {
                Some(_) => Ok(()),
                None => Err(format!("in none of {} windows of its size", windows.len())),
            }
        });

        shown.unwrap()
    }

    /// Returns the windows below `window` that have this size.
    fn of_size(&self, window: Window, size: (usize, usize)) -> Vec<Window> {
        let tree = self.connection.query_tree(window).ok();
        let tree = tree.and_then(|tree| tree.reply().ok());
        let children = tree.map(|tree| tree.children).unwrap_or_default();

        let is_it = |window: Window| {
            let found = self.connection.get_geometry(window).ok()?.reply().ok()?;
            Some((found.width.into(), found.height.into()) == size)
        };
        let mut found = Vec::new();
        for child in children {
            found.extend(is_it(child).filter(|&is| is).map(|_| child));
            found.extend(self.of_size(child, size));
        }
        found
    }

    /// Returns a picture of a whole window; `None` while it reaches over the screen's edge or is
    /// not shown.
    fn picture(&self, window: Window) -> Option<Picture> {
        let size = self.connection.get_geometry(window).ok()?.reply().ok()?;
        self.part(window, 0, size.width, size.height)
    }

    /// Returns a picture of a window without its first row and column.
    fn inner(&self, window: Window) -> Option<Picture> {
        let size = self.connection.get_geometry(window).ok()?.reply().ok()?;
        self.part(window, 1, size.width - 1, size.height - 1)
    }

    /// Returns a picture of a part of a window; `first` is its first row and column.
    fn part(&self, window: Window, first: i16, width: u16, height: u16) -> Option<Picture> {
        let all = !0;
        let form = ImageFormat::Z_PIXMAP;
        let image = self
            .connection
            .get_image(form, window, first, first, width, height, all)
            .ok()?;

        let pixels = image.reply().ok()?.data;

        // A pixel has four bytes: blue, green, red and an unused one.
        let pixels = pixels
            .chunks_exact(4)
            .map(|pixel| [pixel[2], pixel[1], pixel[0]])
            .collect();
        Some(Picture {
            width: width.into(),
            height: height.into(),
            pixels,
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// A count of the frames that a window draws. baseview asks the server for the time of each
/// (`Present`), and the server tells all who listen.
pub struct FrameCount {
    connection: RustConnection,
}

impl FrameCount {
    /// Returns the number of frames since the last call, or since the start.
    pub fn take(&self) -> usize {
        // A reply to this comes after all events before it.
        self.connection.sync().unwrap();
        let events = std::iter::from_fn(|| self.connection.poll_for_event().unwrap());
        let is_frame = |event: &Event| matches!(event, Event::PresentCompleteNotify(done) if done.kind == present::CompleteKind::NOTIFY_MSC);
        events.filter(is_frame).count()
    }
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A picture of a screen's contents.
pub struct Picture {
    pub width: usize,
    pub height: usize,
    /// Red, green and blue of each pixel, row by row.
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// Returns the number of pixels in one of the editor's stem colours, full or darker: that
    /// stem's waveform, mostly.
    pub fn pixels_of(&self, stem: Stem) -> usize {
        let colour: [f32; 3] = match stem {
            Stem::Drums => [255.0, 176.0, 58.0],
            Stem::Bass => [242.0, 107.0, 78.0],
            Stem::Other => [176.0, 140.0, 255.0],
            Stem::Vocals => [63.0, 212.0, 196.0],
            Stem::Guitar => [134.0, 209.0, 90.0],
            Stem::Piano => [88.0, 171.0, 255.0],
        };

        let is_shade_of = |pixel: &[u8; 3]| {
            let pixel = pixel.map(f32::from);
            let part = dot(pixel, colour) / dot(colour, colour);
            (0.55..1.05).contains(&part)
                && pixel
                    .iter()
                    .zip(colour)
                    .all(|(is, full)| (is - part * full).abs() < 8.0)
        };

        self.pixels
            .iter()
            .filter(|pixel| is_shade_of(pixel))
            .count()
    }

    /// Writes the picture as a portable pixmap, for people to look at.
    pub fn write(&self, path: &Path) {
        let mut file = format!("P6\n{} {}\n255\n", self.width, self.height).into_bytes();
        file.extend(self.pixels.as_flattened());
        std::fs::write(path, file).unwrap();
    }
}
