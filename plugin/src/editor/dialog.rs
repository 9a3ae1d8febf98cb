//! The choice of files and folders: typed, or in the system's dialog, which runs on a thread of its
//! own.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};

use egui::{Ui, vec2};
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

            let browse = ui.add_enabled(self.request.is_none(), egui::Button::new("Browse"));
            if browse.clicked() {
                self.ask(want, ui.ctx().clone());
            }

            response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter))
        })
        .inner
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        let text = self.text.trim();
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    fn ask(&mut self, want: Want, context: egui::Context) {
        let (answer, request) = mpsc::channel();
        let dialog = rfd::FileDialog::new();
        let run = move || {
            let path = match want {
                Want::Song => dialog
                    .set_title("Open a song")
                    .add_filter("Audio", &[AUDIO_EXTENSIONS, FFMPEG_EXTENSIONS].concat())
                    .pick_file(),
                Want::Checkpoint => dialog
                    .set_title("Add a checkpoint")
                    .add_filter("Checkpoints and bags", &CHECKPOINTS)
                    .pick_file(),
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
