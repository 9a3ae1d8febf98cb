//! The header: the name, the buttons for the clip, and the settings.

use egui::{Button, Rect, RichText, Ui, pos2, vec2};
use nice_plug::prelude::ParamSetter;
use sextet_protocol::Stem;
use sextet_protocol::worker::EngineName;

use super::theme::{self, ACCENT, BACKGROUND, RECORD, TEXT, WEAK};
use crate::params::SextetParams;
use crate::session::{Command, Phase, Remote, View, model_title};

/// A request that the header does not carry out itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Open,
    Render,
    Settings,
}

/// Shows the header.
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
        capture(ui, params, setter, view, remote);

        if ui.button("Open file").clicked() {
            asked = Some(Asked::Open);
        }

        if ui
            .add_enabled(view.can_undo, Button::new("Undo"))
            .on_hover_text("The clip before this one.")
            .clicked()
        {
            remote.tell(Command::Undo);
        }
        if ui.add_enabled(view.can_redo, Button::new("Redo")).clicked() {
            remote.tell(Command::Redo);
        }

        to_the_right(ui, |ui| {
            separate(ui, view, remote);
            if let Some(folder) = &view.rendered
                && ui
                    .button("Show files")
                    .on_hover_text(folder.display().to_string())
                    .clicked()
            {
                reveal(folder.clone());
            }
            if ui
                .add_enabled(view.has_stems, Button::new("Render to files"))
                .clicked()
            {
                asked = Some(Asked::Render);
            }
            if ui.button("Settings").clicked() {
                asked = Some(Asked::Settings);
            }
        });
    });

    asked
}

/// Shows widgets at the row's right end but ordered from left to right, which is the order in which
/// Tab goes through them.
fn to_the_right(ui: &mut Ui, contents: impl FnOnce(&mut Ui)) {
    let id = ui.scope_id().with("to the right");
    let known: Option<f32> = ui.data(|data| data.get_temp(id));
    ui.add_space((ui.available_width() - known.unwrap_or(0.0)).max(0.0));
    let width = ui.scope(contents).response.rect.width();
    if known != Some(width) {
        ui.data_mut(|data| data.insert_temp(id, width));
        ui.ctx()
            .request_discard("the row's right end is as wide as it is only now");
    }
}

/// Paints the name and six bars, one for each stem.
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
    ui.painter().text(
        place,
        egui::Align2::LEFT_CENTER,
        "Sextet",
        egui::FontId::proportional(22.0),
        TEXT,
    );
}

/// Shows the button that arms and disarms the capture. It tells whether something will be captured,
/// which differs from the parameter: the parameter stays on until the host learns that the take is
/// over.
fn capture(
    ui: &mut Ui,
    params: &SextetParams,
    setter: &ParamSetter<'_>,
    view: &View,
    remote: &Remote,
) {
    let armed = params.capture.value() && !remote.link.is_take_over();
    let rolling = view.phase == Phase::Capturing;
    let (text, tip) = match (armed, rolling) {
        (_, true) => ("Stop capture", "Keeps what was captured so far."),
        (true, false) => (
            "Armed",
            "Play the clip: it is captured until the transport stops.",
        ),
        (false, false) => ("Capture", "Arms the capture: play the clip once."),
    };

    let text = RichText::new(text).color(if armed || rolling { BACKGROUND } else { TEXT });
    let mut button = Button::new(text).min_size(vec2(96.0, 26.0));
    if armed || rolling {
        button = button.fill(RECORD);
    }

    if ui.add(button).on_hover_text(tip).clicked() {
        let arm = !armed && !rolling;
        if arm && remote.link.is_take_over() {
            remote.link.arm_again();
        }
        set_capture(params, setter, arm);
    }
}

/// Switches the capture's parameter on or off.
pub(super) fn set_capture(params: &SextetParams, setter: &ParamSetter<'_>, on: bool) {
    setter.begin_set_parameter(&params.capture);
    setter.set_parameter(&params.capture, on);
    setter.end_set_parameter(&params.capture);
}

fn separate(ui: &mut Ui, view: &View, remote: &Remote) {
    let can = match &view.phase {
        Phase::Captured | Phase::Ready => view.clip.is_some(),
        Phase::Failed(fault) => view.clip.is_some() && fault.can_be_tried_again(),
        _ => false,
    };

    let text = RichText::new("Separate").color(if can { BACKGROUND } else { WEAK });
    let mut button = Button::new(text);
    if can && view.phase != Phase::Ready {
        button = button.fill(ACCENT);
    } else if can && view.is_made_otherwise {
        button = Button::new(RichText::new("Separate again").color(BACKGROUND)).fill(ACCENT);
    } else if can {
        button = Button::new("Separate again");
    }

    if ui
        .add_enabled(can, button)
        .on_hover_text(settings_tip(view))
        .clicked()
    {
        remote.tell(Command::Separate);
    }
}

/// Returns the model and the engine of the next separation, in words.
fn settings_tip(view: &View) -> String {
    let engine = match view.settings.engine {
        EngineName::Auto => "the fastest engine",
        EngineName::Cpu => "the CPU",
        EngineName::Cuda | EngineName::Tensorrt => "the GPU",
    };
    format!(
        "With {} on {engine}: see Settings.",
        model_title(&view.settings.model)
    )
}

/// Shows a folder in the desktop's file manager, which may take its time.
fn reveal(folder: std::path::PathBuf) {
    // Ignore the error: nothing depends on it. A desktop without a file manager shows nothing.
    let _ = std::thread::Builder::new()
        .name("sextet reveal".to_owned())
        .spawn(move || opener::open(folder));
}
