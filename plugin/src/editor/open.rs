//! The panel that opens a file as the clip.

use egui::{Context, Modal, RichText};

use super::dialog::{PathField, Want};
use super::theme::WEAK;
use crate::session::{Command, Remote};

/// The panel that asks for a file.
#[derive(Default)]
pub(super) struct OpenPanel {
    is_open: bool,
    path: PathField,
}

impl OpenPanel {
    pub(super) fn open(&mut self) {
        self.is_open = true;
    }

    pub(super) fn show(&mut self, context: &Context, remote: &Remote) {
        if !self.is_open {
            return;
        }

        let modal = Modal::new(egui::Id::unique("open")).show(context, |ui| {
            ui.heading("Open a file");
            ui.label(
                RichText::new("It becomes the clip, from the beginning of the timeline on.")
                    .color(WEAK),
            );
            ui.add_space(4.0);
            let entered = self.path.show(ui, Want::Song, "Path of an audio file");

            ui.add_space(6.0);
            ui.horizontal(|ui| {
                let path = self.path.path();
                let open = ui
                    .add_enabled(path.is_some(), egui::Button::new("Open"))
                    .clicked()
                    || entered;

                if let (true, Some(path)) = (open, path) {
                    remote.send(Command::Open(path));
                    self.is_open = false;
                }

                if ui.button("Close").clicked() {
                    self.is_open = false;
                }
            });
        });

        if modal.should_close() {
            self.is_open = false;
        }
    }
}
