//! The choice of files and folders: typed, or in the system's dialog, which runs on a thread of its
//! own.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};

use egui::accesskit::Role;
use egui::{Ui, WidgetInfo, vec2};
use percent_encoding::percent_decode_str;
use sextet_protocol::{AUDIO_EXTENSIONS, FFMPEG_EXTENSIONS};

/// A field for a path that is typed or chosen.
#[derive(Default)]
pub(super) struct PathField {
    pub(super) text: String,
    request: Option<Receiver<Option<PathBuf>>>,
}

/// The kind of path that the system's dialog asks for.
#[derive(Clone, Copy)]
pub(super) enum Want {
    Song,
    Folder,
    Captures,
    Checkpoint,
}

/// Extensions of the files that hold a model.
const CHECKPOINTS: [&str; 7] = ["safetensors", "yaml", "yml", "th", "pt", "pth", "ckpt"];

impl PathField {
    /// Shows the field and its button; returns true when the return key was pressed in it.
    pub(super) fn show(&mut self, ui: &mut Ui, want: Want, hint: &str) -> bool {
        if let Some(answer) = self
            .request
            .as_ref()
            .and_then(|request| request.try_recv().ok())
        {
            self.request = None;
            if let Some(path) = answer {
                self.text = path.display().to_string();
            }
        }
        ui.horizontal(|ui| {
            let field = egui::TextEdit::singleline(&mut self.text)
                .hint_text(hint)
                .margin(vec2(8.0, 5.0))
                .desired_width(340.0);
            let response = ui.add(field);

            let can = self.request.is_none();
            let browse = ui.add_enabled(can, egui::Button::new("Browse"));
            // The settings have two fields.
            let name = match want {
                Want::Captures => "Browse for a folder of captures",
                _ => "Browse",
            };
            browse.widget_info(|| WidgetInfo::labeled(Role::Button, can, name));
            if browse.clicked() {
                self.ask(want, ui.ctx().clone());
            }

            response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter))
        })
        .inner
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        let text = pasted(&self.text);
        (!text.is_empty()).then(|| PathBuf::from(text.as_ref()))
    }

    fn ask(&mut self, want: Want, context: egui::Context) {
        let (answer, request) = mpsc::channel();
        let dialog = rfd::FileDialog::new();
        let run = move || {
            let path = match want {
                // A file that is named is read whatever its extension.
                Want::Song => dialog
                    .set_title("Open a song")
                    .add_filter("Audio", &[AUDIO_EXTENSIONS, FFMPEG_EXTENSIONS].concat())
                    .add_filter("All files", &["*"])
                    .pick_file(),
                Want::Checkpoint => dialog
                    .set_title("Add a checkpoint")
                    .add_filter("Checkpoints and bags", &CHECKPOINTS)
                    .pick_file(),
                Want::Captures => dialog.set_title("A folder of captures").pick_folder(),
                Want::Folder => dialog.set_title("Render into").pick_folder(),
            };

            // Ignore the error: the editor may be closed by now.
            let _ = answer.send(path);
            context.request_repaint();
        };

        if std::thread::Builder::new()
            .name("sextet dialog".to_owned())
            .spawn(run)
            .is_ok()
        {
            self.request = Some(request);
        }
    }
}

/// Returns a path that was typed, or what file managers put into the clipboard in its place: the
/// file's address, or its path in quotation marks. Of several files it is the first.
fn pasted(text: &str) -> Cow<'_, str> {
    let line = text.trim().lines().next().unwrap_or_default().trim();
    let quoted = ['"', '\''].iter().find_map(|&mark| {
        line.strip_prefix(mark)
            .and_then(|rest| rest.strip_suffix(mark))
    });
    let path = quoted.unwrap_or(line);

    let Some(address) = path.strip_prefix("file://") else {
        return Cow::Borrowed(path);
    };
    let address = address.strip_prefix("localhost").unwrap_or(address);
    let has_drive = address.as_bytes().get(2) == Some(&b':');
    let address = address
        .strip_prefix('/')
        .filter(|_| has_drive)
        .unwrap_or(address);
    percent_decode_str(address).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn paths_are_what_was_typed_or_pasted() {
        let cases = [
            ("/home/me/song.wav", "/home/me/song.wav"),
            ("  /home/me/a song.wav \n", "/home/me/a song.wav"),
            ("\"/home/me/a song.wav\"", "/home/me/a song.wav"),
            ("'C:\\songs\\one.wav'", "C:\\songs\\one.wav"),
            ("file:///home/me/a%20song.wav", "/home/me/a song.wav"),
            (
                "file:///home/me/caf%C3%A9.wav\r\nfile:///b.wav",
                "/home/me/café.wav",
            ),
            ("file://localhost/home/me/song.wav", "/home/me/song.wav"),
            ("file:///C:/songs/one.wav", "C:/songs/one.wav"),
            // A file may be called that.
            ("100%25.wav", "100%25.wav"),
            ("it's.wav", "it's.wav"),
            ("", ""),
        ];
        each_case(cases, |(text, path)| assert_eq!(pasted(text), path));
    }
}
