//! The name, what one can do, and what it is done with.

use egui::{Align, Button, Layout, Rect, RichText, Ui, pos2, vec2};
use nice_plug::prelude::ParamSetter;
use sextet_protocol::Stem;
use sextet_protocol::worker::EngineName;

use super::theme::{self, ACCENT, BACKGROUND, RECORD, TEXT, WEAK};
use crate::params::SextetParams;
use crate::saved::Settings;
use crate::session::{Command, Phase, Remote, View};

/// What was asked for that the header does not do itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Open,
    Render,
}

/// Shows the row at the editor's head.
pub(super) fn show(
    ui: &mut Ui,
    params: &SextetParams,
    setter: &ParamSetter<'_>,
    view: &View,
    remote: &Remote,
) -> Option<Asked> {
    let mut asked = None;
    ui.horizontal(|ui| {
        wordmark(ui);
        capture(ui, params, setter, view);
        if ui.button("Open file").clicked() {
            asked = Some(Asked::Open);
        }
        if ui.add_enabled(view.can_undo, Button::new("Undo")).on_hover_text("The clip before this one.").clicked() {
            remote.tell(Command::Undo);
        }
        if ui.add_enabled(view.can_redo, Button::new("Redo")).clicked() {
            remote.tell(Command::Redo);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            settings(ui, view, remote);
            if ui.add_enabled(view.has_stems, Button::new("Render to files")).clicked() {
                asked = Some(Asked::Render);
            }
            if let Some(folder) = &view.rendered
                && ui.button("Show files").on_hover_text(folder.display().to_string()).clicked()
            {
                reveal(folder.clone());
            }
            separate(ui, view, remote);
        });
    });
    asked
}

/// Six bars, one a stem, and the name.
fn wordmark(ui: &mut Ui) {
    let (rect, _) = ui.allocate_exact_size(vec2(122.0, 30.0), egui::Sense::hover());
    let heights = [0.55, 0.9, 0.7, 1.0, 0.6, 0.8];
    for (number, (stem, height)) in Stem::ALL.into_iter().zip(heights).enumerate() {
        let x = rect.left() + 5.0 * number as f32;
        let tall = height * 20.0;
        let bar = Rect::from_min_size(pos2(x, rect.center().y - tall / 2.0), vec2(3.0, tall));
        ui.painter().rect_filled(bar, 1.5, theme::colour(stem));
    }
    let place = pos2(rect.left() + 38.0, rect.center().y);
    ui.painter().text(place, egui::Align2::LEFT_CENTER, "Sextet", egui::FontId::proportional(22.0), TEXT);
}

/// Arms and disarms; a capture that is over is disarmed.
fn capture(ui: &mut Ui, params: &SextetParams, setter: &ParamSetter<'_>, view: &View) {
    let armed = params.capture.value();
    let rolling = view.phase == Phase::Capturing;
    let (text, tip) = match (armed, rolling) {
        (_, true) => ("Stop capture", "Keeps what was captured so far."),
        (true, false) => ("Armed", "Play the clip: it is captured until the transport stops."),
        (false, false) => ("Capture", "Arms the capture: play the clip once."),
    };
    let text = RichText::new(text).color(if armed || rolling { BACKGROUND } else { TEXT });
    let mut button = Button::new(text).min_size(vec2(96.0, 26.0));
    if armed || rolling {
        button = button.fill(RECORD);
    }
    if ui.add(button).on_hover_text(tip).clicked() {
        setter.begin_set_parameter(&params.capture);
        setter.set_parameter(&params.capture, !armed);
        setter.end_set_parameter(&params.capture);
    }
}

fn separate(ui: &mut Ui, view: &View, remote: &Remote) {
    let can = matches!(view.phase, Phase::Captured | Phase::Ready | Phase::Failed(_)) && view.clip.is_some();
    let text = RichText::new("Separate").color(if can { BACKGROUND } else { WEAK });
    let mut button = Button::new(text);
    if can && view.phase != Phase::Ready {
        button = button.fill(ACCENT);
    } else if can {
        button = Button::new("Separate again");
    }
    if ui.add_enabled(can, button).clicked() {
        remote.tell(Command::Separate);
    }
}

/// Engine, model, and how captures are taken.
fn settings(ui: &mut Ui, view: &View, remote: &Remote) {
    let mut settings = view.settings.clone();
    ui.menu_button("Settings", |ui| {
        ui.set_min_width(250.0);
        ui.checkbox(&mut settings.automatic, "Separate as soon as there is a clip");
        ui.checkbox(&mut settings.extend, "Captures extend the clip");
        ui.separator();
        ui.label(RichText::new("Engine").color(WEAK));
        ui.horizontal(|ui| {
            for (engine, name) in
                [(EngineName::Auto, "Fastest"), (EngineName::Cpu, "CPU"), (EngineName::Tensorrt, "TensorRT")]
            {
                ui.selectable_value(&mut settings.engine, engine, name);
            }
        });
        ui.label(RichText::new("Model").color(WEAK));
        models(ui, view, &mut settings);
        ui.separator();
        if ui.add_enabled(view.clip.is_some(), Button::new("Remove the clip")).clicked() {
            remote.tell(Command::Clear);
            ui.close();
        }
    });
    if settings != view.settings {
        remote.tell(Command::Settings(settings));
    }
}

/// The models that the command has named so far, and any other by name or path.
fn models(ui: &mut Ui, view: &View, settings: &mut Settings) {
    for model in &view.models {
        let name = if model.ready { model.name.clone() } else { format!("{} (not fetched)", model.name) };
        ui.radio_value(&mut settings.model, model.name.clone(), name).on_hover_text(&model.about);
    }
    let mut text = settings.model.clone();
    let field = egui::TextEdit::singleline(&mut text).hint_text("Name or path of a model");
    if ui.add(field).changed() {
        settings.model = text;
    }
}

/// Shows a folder in the desktop's file manager, which may take its time.
fn reveal(folder: std::path::PathBuf) {
    // Nothing depends on it: a desktop without a file manager shows nothing.
    let _ = std::thread::Builder::new().name("sextet reveal".to_owned()).spawn(move || opener::open(folder));
}
