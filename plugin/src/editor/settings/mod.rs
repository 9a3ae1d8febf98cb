//! The settings: the handling of clips, the engine, and the models.

mod gpu;
mod models;

use egui::accesskit::Role;
use egui::style::ScrollStyle;
use egui::{
    Align, Button, Context, Frame, Id, Label, Layout, Margin, Modal, Rect, RichText, ScrollArea,
    Ui, WidgetInfo,
};

use super::dialog::PathField;
use super::status;
use super::theme::{ACCENT, BACKGROUND, LINE, ROUND, TEXT, TROUBLE, WEAK};
use crate::saved::Settings;
use crate::session::{Command, Remote, TaskState, UpkeepRequest, View};
use crate::worker::{Fault, Stage};
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
    checkpoint: PathField,
}

impl SettingsPanel {
    /// Opens the panel. The machine is inspected the first time.
    pub(super) fn open(&mut self, view: &View, remote: &Remote) {
        self.is_open = true;
        if !std::mem::replace(&mut self.has_looked, true) && view.upkeep.machine.is_none() {
            send(remote, UpkeepRequest::Inspect);
        }
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

/// Shows a part of the panel with its title.
fn section(ui: &mut Ui, title: &str, contents: impl FnOnce(&mut Ui)) {
    let frame = Frame::new()
        .fill(BACKGROUND)
        .stroke(egui::Stroke::new(1.0, LINE))
        .corner_radius(ROUND);
    frame
        .inner_margin(Margin::symmetric(14, 10))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = 6.0;
            ui.label(RichText::new(title).size(15.0).color(TEXT));
            contents(ui);
        });
}

fn strong(ui: &mut Ui, text: &str) {
    ui.add(Label::new(RichText::new(text).color(TEXT)).wrap());
}

fn weak(ui: &mut Ui, text: &str) {
    if !text.is_empty() {
        ui.add(Label::new(RichText::new(text).small().color(WEAK)).wrap());
    }
}

/// Shows a fault and its remedy.
fn fault(ui: &mut Ui, fault: &Fault) {
    ui.add(Label::new(RichText::new(fault.to_string()).color(TROUBLE)).wrap());
    weak(ui, &fault.remedy());
}

/// Returns a button for the section's main action.
fn main_button(text: &str) -> Button<'_> {
    Button::new(RichText::new(text).color(BACKGROUND)).fill(ACCENT)
}

/// Shows a cancel button; returns true when it is clicked. `what` is its accessible name, for users
/// who do not see its position.
fn cancel_button(ui: &mut Ui, what: &str) -> bool {
    let cancel = ui.button("Cancel");
    cancel.widget_info(|| WidgetInfo::labeled(Role::Button, true, what));
    cancel.clicked()
}

/// Shows the progress of a stage, and a cancel button named `what`; returns true when that is
/// clicked.
fn transfer(ui: &mut Ui, stage: &Stage, what: &str) -> bool {
    let (text, part, rest) = status::progress(stage);
    let mut cancelled = false;
    ui.horizontal(|ui| {
        ui.label(RichText::new(text).color(TEXT));
        ui.label(RichText::new(rest).color(WEAK));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            cancelled = cancel_button(ui, what);
        });
    });

    status::bar(ui, part);
    cancelled
}

/// Shows the state of something that was asked for; returns true when its cancel button, named
/// `what`, is clicked.
fn task(ui: &mut Ui, task: &TaskState, what: &str) -> bool {
    let (cancelled, failed) = match task {
        TaskState::Idle => (false, None),
        TaskState::Running(stage) => (transfer(ui, stage, what), None),
        TaskState::Failed(wrong) => (false, Some(ui.scope(|ui| fault(ui, wrong)).response.rect)),
    };
    reveal(ui, what, failed);
    cancelled
}

/// Scrolls to a part that has just appeared and may be out of sight. `what` identifies it.
fn reveal(ui: &Ui, what: &str, place: Option<Rect>) {
    let id = Id::unique("revealed").with(what);
    let was_there = ui.data(|data| data.get_temp(id)).unwrap_or(false);
    if let Some(place) = place.filter(|_| !was_there) {
        ui.scroll_to_rect(place.expand(12.0), None);
        ui.ctx().request_repaint();
    }
    ui.data_mut(|data| data.insert_temp(id, place.is_some()));
}

fn send(remote: &Remote, request: UpkeepRequest) {
    remote.send(Command::Upkeep(request));
}
