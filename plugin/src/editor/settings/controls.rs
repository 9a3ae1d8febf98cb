//! Parts that the settings' sections share.

use egui::accesskit::Role;
use egui::{Align, Button, Frame, Id, Label, Layout, Margin, Rect, RichText, Ui, WidgetInfo};

use super::super::status;
use super::super::theme::{ACCENT, BACKGROUND, LINE, ROUND, TEXT, TROUBLE, WEAK};
use crate::session::{Command, Remote, TaskState, UpkeepRequest};
use crate::worker::{Fault, Stage};

/// Shows a part of the panel with its title.
pub(super) fn section(ui: &mut Ui, title: &str, contents: impl FnOnce(&mut Ui)) {
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

pub(super) fn strong(ui: &mut Ui, text: &str) {
    ui.add(Label::new(RichText::new(text).color(TEXT)).wrap());
}

pub(super) fn weak(ui: &mut Ui, text: &str) {
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
pub(super) fn main_button(text: &str) -> Button<'_> {
    Button::new(RichText::new(text).color(BACKGROUND)).fill(ACCENT)
}

/// Shows a cancel button; returns true when it is clicked. `what` is its accessible name, for users
/// who do not see its position.
pub(super) fn cancel_button(ui: &mut Ui, what: &str) -> bool {
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
pub(super) fn task(ui: &mut Ui, task: &TaskState, what: &str) -> bool {
    let (cancelled, failed) = match task {
        TaskState::Idle => (false, None),
        TaskState::Running(stage) => (transfer(ui, stage, what), None),
        TaskState::Failed(wrong) => (false, Some(ui.scope(|ui| fault(ui, wrong)).response.rect)),
    };
    reveal(ui, what, failed);
    cancelled
}

/// Scrolls to a part that has just appeared and may be out of sight. `what` identifies it.
pub(super) fn reveal(ui: &Ui, what: &str, place: Option<Rect>) {
    let id = Id::unique("revealed").with(what);
    let was_there = ui.data(|data| data.get_temp(id)).unwrap_or(false);
    if let Some(place) = place.filter(|_| !was_there) {
        ui.scroll_to_rect(place.expand(12.0), None);
        ui.ctx().request_repaint();
    }
    ui.data_mut(|data| data.insert_temp(id, place.is_some()));
}

pub(super) fn send(remote: &Remote, request: UpkeepRequest) {
    remote.send(Command::Upkeep(request));
}
