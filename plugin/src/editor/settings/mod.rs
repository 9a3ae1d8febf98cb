//! The settings: the handling of clips, the engine, and the models.

mod captures;
mod controls;
mod gpu;
mod models;

use egui::style::ScrollStyle;
use egui::{Button, Context, Modal, ScrollArea, Ui};

use super::dialog::PathField;
use crate::saved::Settings;
use crate::session::{Command, Remote, UpkeepRequest, View};
use captures::CapturesPart;
use controls::{section, send};
use gpu::GpuPart;

/// Width of the panel's contents, in points.
const WIDTH: f32 = 640.0;
/// Height of everything around the part that scrolls, in points.
const AROUND: f32 = 132.0;
/// Height of the part that scrolls where there is room, in points. It does not depend on the
/// contents, so that nothing moves under the pointer.
const HEIGHT: f32 = 560.0;

/// The panel's state.
#[derive(Default)]
pub(super) struct SettingsPanel {
    is_open: bool,
    /// Whether the machine was inspected.
    has_looked: bool,
    gpu: GpuPart,
    captures: CapturesPart,
    checkpoint: PathField,
}

impl SettingsPanel {
    /// Opens the panel. The machine is inspected the first time.
    pub(super) fn open(&mut self, view: &View, remote: &Remote) {
        self.is_open = true;
        if !std::mem::replace(&mut self.has_looked, true) && view.upkeep.machine.is_none() {
            send(remote, UpkeepRequest::Inspect);
        }
        remote.send(Command::ListCaptures);
        if view.has_gpu_hint {
            remote.send(Command::DismissHint);
        }
    }

    pub(super) fn show(&mut self, context: &Context, view: &View, remote: &Remote) {
        if !self.is_open {
            return;
        }

        let mut settings = view.settings.clone();
        let modal = Modal::new(egui::Id::unique("settings")).show(context, |ui| {
            ui.set_width(WIDTH);
            ui.heading("Settings");
            let height = (ui.ctx().content_rect().height() - AROUND).min(HEIGHT);

            // A visible scroll bar shows that there is more.
            ui.spacing_mut().scroll = ScrollStyle::thin();
            ScrollArea::vertical()
                .max_height(height)
                .auto_shrink(false)
                .show(ui, |ui| {
                    clips(ui, &mut settings);
                    self.gpu.show(ui, view, &mut settings, remote);
                    models::show(ui, view, &mut settings, &mut self.checkpoint, remote);
                    self.captures.show(ui, view, &mut settings, remote);
                    follow_focus(ui);
                });

            self.foot(ui, view, remote);
        });

        if modal.should_close() {
            self.is_open = false;
        }

        if settings != view.settings {
            remote.send(Command::Settings(settings));
        }
    }

    fn foot(&mut self, ui: &mut Ui, view: &View, remote: &Remote) {
        ui.horizontal(|ui| {
            if ui.button("Close").clicked() {
                self.is_open = false;
            }

            if ui
                .add_enabled(view.clip.is_some(), Button::new("Remove the clip"))
                .clicked()
            {
                remote.send(Command::Clear);
                self.is_open = false;
            }
        });
    }
}

/// Shows the handling of clips.
fn clips(ui: &mut Ui, settings: &mut Settings) {
    section(ui, "Clips", |ui| {
        ui.horizontal(|ui| {
            ui.checkbox(
                &mut settings.automatic,
                "Separate as soon as there is a clip",
            );
            ui.add_space(16.0);
            ui.checkbox(&mut settings.extend, "Captures extend the clip");
        });
    });
}

/// Scrolls to the widget that has the keyboard's focus.
fn follow_focus(ui: &Ui) {
    let focused = ui
        .memory(|memory| memory.focused())
        .and_then(|id| ui.ctx().read_response(id));
    if let Some(response) = focused.filter(egui::Response::gained_focus) {
        ui.scroll_to_rect(response.rect.expand(12.0), None);
    }
}
