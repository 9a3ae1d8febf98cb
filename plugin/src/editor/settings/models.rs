//! The models: those of the catalogue, which can be fetched, and the user's checkpoints.

use egui::accesskit::Role;
use egui::{Align, Button, Label, Layout, RadioButton, RichText, Ui, WidgetInfo};
use sextet_protocol::worker::{Checked, ModelInfo, ModelState, Offer};

use super::super::dialog::{PathField, Want};
use super::super::theme::{TEXT, WEAK};
use super::super::words;
use super::controls::{cancel_button, main_button, reveal, section, send, strong, task, weak};
use crate::saved::Settings;
use crate::session::{Remote, TaskState, UpkeepRequest, View, model_title};

/// Indent of a model's second line, which is the width of a radio button's circle.
const INDENT: f32 = 24.0;
/// Space below a model, and between the parts that belong to it.
const BELOW: f32 = 6.0;

pub(super) fn show(
    ui: &mut Ui,
    view: &View,
    settings: &mut Settings,
    checkpoint: &mut PathField,
    remote: &Remote,
) {
    section(ui, "Model", |ui| {
        // A model's lines are closer to each other than to the next model's.
        ui.spacing_mut().item_spacing.y = 1.0;
        let models = view
            .upkeep
            .machine
            .as_ref()
            .map(|machine| machine.models.as_slice())
            .unwrap_or_default();

        for model in models {
            self::model(ui, view, model, settings, remote);
        }

        for checked in &view.upkeep.checkpoints {
            self::checkpoint(ui, checked, settings);
        }

        // The chosen model is shown even before the machine was inspected.
        let chosen = view.settings.model.as_str();
        let known = models
            .iter()
            .map(|model| &model.name)
            .chain(view.upkeep.checkpoints.iter().map(|c| &c.model));

        if known.into_iter().all(|name| name != chosen) {
            ui.radio(true, model_title(chosen)).on_hover_text(chosen);
        }

        add(ui, view, checkpoint, remote);
    });
}

/// Shows a model of the catalogue, and below it the state of its fetch.
fn model(ui: &mut Ui, view: &View, model: &ModelInfo, settings: &mut Settings, remote: &Remote) {
    ui.horizontal(|ui| {
        let chosen = settings.model == model.name;
        let radio = ui.add_enabled(
            model.is_ready() || chosen,
            RadioButton::new(chosen, &model.name),
        );

        if radio.clicked() && model.is_ready() {
            settings.model.clone_from(&model.name);
        }

        ui.add(Label::new(
            RichText::new(stems(model.stems.len())).small().color(WEAK),
        ));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if !model.is_ready() && !is_under_way(view, model) {
                fetch_button(ui, view, model, remote);
            }
            // Progress and faults are shown below.
            let is_told =
                view.upkeep.fetched_model == model.name && view.upkeep.fetch != TaskState::Idle;
            if !is_told {
                ui.label(RichText::new(state(model.state)).small().color(WEAK));
            }
        });
    });
    indented(ui, |ui| {
        weak(ui, &words::capital(&model.about));
        ui.spacing_mut().item_spacing.y = BELOW;
        ui.add_space(BELOW);

        let offer = view
            .upkeep
            .offer
            .as_ref()
            .filter(|offer| offer.model == model.name);

        let place = offer.map(|offer| {
            ui.scope(|ui| self::offer(ui, view, offer, remote))
                .response
                .rect
        });

        reveal(ui, &format!("offer of {}", model.name), place);
        if view.upkeep.asked_model == model.name && task(ui, &view.upkeep.question, "Cancel asking")
        {
            send(remote, UpkeepRequest::CloseQuestion);
        }

        if view.upkeep.fetched_model == model.name {
            let cancel = format!("Cancel fetching {}", model.name);
            if task(ui, &view.upkeep.fetch, &cancel) {
                send(remote, UpkeepRequest::CancelFetch);
            }
        }
    });
}

/// Returns whether the model is asked about, offered or fetched right now, which is shown below it.
fn is_under_way(view: &View, model: &ModelInfo) -> bool {
    let upkeep = &view.upkeep;
    upkeep
        .offer
        .as_ref()
        .is_some_and(|offer| offer.model == model.name)
        || upkeep.asked_model == model.name && upkeep.question.is_running()
        || upkeep.fetched_model == model.name && upkeep.fetch.is_running()
}

/// Shows the button that asks for the terms of fetching. An incomplete fetch is resumed without
/// asking again.
fn fetch_button(ui: &mut Ui, view: &View, model: &ModelInfo, remote: &Remote) {
    let failed = view.upkeep.fetched_model == model.name
        && matches!(view.upkeep.fetch, TaskState::Failed(_));
    let begun = failed || model.state == ModelState::Incomplete;
    let text = if begun { "Go on fetching" } else { "Fetch" };
    let can = !view.upkeep.fetch.is_running() && !view.upkeep.question.is_running();

    let button = ui.add_enabled(can, Button::new(text));
    button.widget_info(|| WidgetInfo::labeled(Role::Button, can, format!("{text} {}", model.name)));

    if button.clicked() {
        send(
            remote,
            if failed {
                UpkeepRequest::Fetch(model.name.clone())
            } else {
                UpkeepRequest::Offer(model.name.clone())
            },
        );
    }
}

/// Shows the terms of fetching, before anything is fetched.
fn offer(ui: &mut Ui, view: &View, offer: &Offer, remote: &Remote) {
    let size = offer
        .bytes
        .map_or_else(|| "of unknown size".to_owned(), words::bytes);
    strong(ui, &format!("To be fetched from {}: {size}", offer.from));
    weak(ui, &offer.licence);

    ui.horizontal(|ui| {
        if ui
            .add_enabled(!view.upkeep.fetch.is_running(), main_button("Fetch"))
            .clicked()
        {
            send(remote, UpkeepRequest::Fetch(offer.model.clone()));
        }
        if cancel_button(ui, &format!("Do not fetch {}", offer.model)) {
            send(remote, UpkeepRequest::CloseQuestion);
        }
    });
}

/// Shows a checkpoint that can be used.
fn checkpoint(ui: &mut Ui, checked: &Checked, settings: &mut Settings) {
    ui.horizontal(|ui| {
        let chosen = settings.model == checked.model;
        let radio = ui
            .radio(chosen, model_title(&checked.model))
            .on_hover_text(&checked.model);

        if radio.clicked() {
            settings.model.clone_from(&checked.model);
        }

        let said = format!(
            "{}, {} weights",
            stems(checked.stems.len()),
            words::count(checked.parameters)
        );

        ui.label(RichText::new(said).small().color(WEAK));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(RichText::new("a file of yours").small().color(WEAK));
        });
    });
}

/// Asks for a checkpoint, which is checked before it becomes the model.
fn add(ui: &mut Ui, view: &View, checkpoint: &mut PathField, remote: &Remote) {
    ui.spacing_mut().item_spacing.y = BELOW;
    ui.add_space(BELOW);
    ui.label(RichText::new("Add a checkpoint").color(TEXT));
    let can = checkpoint
        .path()
        .filter(|_| !view.upkeep.question.is_running());

    ui.horizontal(|ui| {
        let entered = checkpoint.show(
            ui,
            Want::Checkpoint,
            "Path of a .safetensors, .th or .yaml file",
        );
        let add = ui.add_enabled(can.is_some(), Button::new("Add"));
        add.widget_info(|| WidgetInfo::labeled(Role::Button, can.is_some(), "Add the checkpoint"));
        if let (true, Some(path)) = (add.clicked() || entered, &can) {
            send(remote, UpkeepRequest::Check(path.display().to_string()));
        }
    });

    let models = view
        .upkeep
        .machine
        .as_ref()
        .map(|machine| machine.models.as_slice())
        .unwrap_or_default();

    let is_of_catalogue = models
        .iter()
        .any(|model| model.name == view.upkeep.asked_model);
    if !is_of_catalogue
        && task(
            ui,
            &view.upkeep.question,
            "Cancel looking at the checkpoint",
        )
    {
        send(remote, UpkeepRequest::CloseQuestion);
    }
}

/// Shows contents below a radio button's text.
fn indented(ui: &mut Ui, contents: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        ui.add_space(INDENT - ui.spacing().item_spacing.x);
        ui.vertical(contents);
    });
}

fn stems(count: usize) -> String {
    format!("{count} stems")
}

fn state(state: ModelState) -> &'static str {
    match state {
        ModelState::Bundled => "part of Sextet",
        ModelState::Fetched => "on this machine",
        ModelState::Incomplete => "fetched in part",
        ModelState::NotFetched => "not fetched",
    }
}
