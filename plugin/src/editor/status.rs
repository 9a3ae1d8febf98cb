//! The status strip: the current work, its progress, and faults.

use std::time::Duration;

use egui::accesskit::Role;
use egui::{Align, Color32, Layout, Rect, RichText, Ui, WidgetInfo, vec2};
use sextet_protocol::worker::{self, EngineName};

use super::header::PanelRequest;
use super::theme::{self, ACCENT, GOOD, LINE, PANEL, RECORD, ROUND, TEXT, TROUBLE, WEAK, WELL};
use super::words;
use crate::session::{Command, Phase, Remote, TaskState, UpkeepState, View, model_title};
use crate::worker::{Loading, Stage};

/// Height of the strip, in points.
const HEIGHT: f32 = 52.0;
/// Height of a line of text above a bar, which has no buttons in it, in points.
const LINE_HEIGHT: f32 = 17.0;
/// Interval at which a bar that moves by the clock is drawn.
const BY_THE_CLOCK: Duration = Duration::from_millis(100);

/// Shows the strip at the editor's foot.
pub(super) fn show(ui: &mut Ui, view: &View, remote: &Remote) -> Option<PanelRequest> {
    let (strip, _) =
        ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), egui::Sense::hover());
    let trouble = matches!(view.phase, Phase::Failed(_))
        || view
            .notice
            .as_ref()
            .is_some_and(|(_, remedy)| !remedy.is_empty());

    ui.painter().rect_filled(
        strip,
        ROUND,
        if trouble {
            theme::faded(TROUBLE, 0.16)
        } else {
            PANEL
        },
    );

    if trouble {
        ui.painter().rect_filled(
            Rect::from_min_size(strip.min, vec2(4.0, HEIGHT)),
            2.0,
            TROUBLE,
        );
    }

    let inner = strip.shrink2(vec2(14.0, 6.0));
    let place = egui::UiBuilder::new()
        .max_rect(inner)
        .layout(Layout::right_to_left(Align::Center));
    contents(&mut ui.new_child(place), view, remote)
}

fn contents(ui: &mut Ui, view: &View, remote: &Remote) -> Option<PanelRequest> {
    let mut request = None;
    if let Some(job) = &view.background_job {
        background_bar(ui, job, remote);
        return None;
    }

    match (&view.phase, &view.notice) {
        (Phase::Separating(stage), _) => job(ui, view, stage, remote),
        (Phase::Failed(fault), None) => {
            if !fault.can_be_tried_again() {
                request = ui
                    .button("Open file")
                    .clicked()
                    .then_some(PanelRequest::Open);
            } else if ui.button("Try again").clicked() {
                remote.send(Command::Separate);
            }
            two_lines(ui, &fault.to_string(), &fault.remedy(), TEXT);
        }
        (_, Some((text, remedy))) => {
            if ui.button("Close").clicked() {
                remote.send(Command::DismissNotice);
            }
            two_lines(ui, text, remedy, TEXT);
        }
        (Phase::Ready, None) if view.has_gpu_hint => {
            if ui.button("Close").clicked() {
                remote.send(Command::DismissHint);
            }

            request = ui
                .button("Set it up")
                .clicked()
                .then_some(PanelRequest::Settings);
            let (colour, text, _) = calm(&Phase::Ready, view);
            two_lines(
                ui,
                &text,
                "Your NVIDIA GPU, which is faster, is not set up yet.",
                colour,
            );
        }
        (phase, None) => {
            let (dot, text, more) = calm(phase, view);
            let more = settings_progress(&view.upkeep).unwrap_or(more);
            two_lines(ui, &text, &more, dot);
        }
    }

    request
}

/// Returns the text that is shown while nothing is going on or wrong.
fn calm(phase: &Phase, view: &View) -> (Color32, String, String) {
    let engine = view
        .engine
        .clone()
        .map_or_else(String::new, |engine| format!("Separated with {engine}"));
    let engine = if view.differs_from_settings {
        format!("{engine}. Chosen now: {}.", chosen(view))
    } else {
        engine
    };

    match phase {
        Phase::Capturing => (
            RECORD,
            "Capturing".to_owned(),
            "Stop the transport when the clip has been played.".to_owned(),
        ),
        Phase::Keeping => (RECORD, "Keeping the capture".to_owned(), String::new()),
        Phase::Captured => (
            TEXT,
            "Ready to separate".to_owned(),
            after(&view.silenced, "Press Separate to make its stems."),
        ),
        Phase::Ready => (
            GOOD,
            "Stems follow the timeline".to_owned(),
            after(&view.silenced, &engine),
        ),
        _ => (
            WEAK,
            "No clip yet".to_owned(),
            "The track plays dry until there are stems.".to_owned(),
        ),
    }
}

/// Returns one sentence after another, which may be empty.
fn after(first: &str, second: &str) -> String {
    if first.is_empty() {
        second.to_owned()
    } else {
        format!("{first} {second}")
    }
}

/// Returns the model and the engine of the next separation. The engine is told only if it was
/// chosen by name.
fn chosen(view: &View) -> String {
    let model = model_title(&view.settings.model);
    match view.settings.engine {
        EngineName::Auto => model,
        EngineName::Cpu => format!("{model} on the CPU"),
        EngineName::Cuda | EngineName::Tensorrt => format!("{model} on the GPU"),
    }
}

/// Returns the progress of the work in the settings.
fn settings_progress(upkeep: &UpkeepState) -> Option<String> {
    let (what, task) = match (&upkeep.set_up, &upkeep.fetch) {
        (task @ TaskState::Running(_), _) => ("Setting up the GPU".to_owned(), task),
        (_, task) => (format!("Fetching {}", upkeep.fetched_model), task),
    };
    let TaskState::Running(stage) = task else {
        return None;
    };
    let (_, _, rest) = progress(stage);
    Some(format!("{what}{}{rest}", words::BETWEEN))
}

fn two_lines(ui: &mut Ui, text: &str, more: &str, colour: Color32) {
    ui.with_layout(
        Layout::top_down(Align::LEFT).with_main_align(Align::Center),
        |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.add_space(if more.is_empty() { 10.0 } else { 3.0 });
            ui.add(egui::Label::new(RichText::new(text).color(colour)).truncate())
                .on_hover_text(text);
            if !more.is_empty() {
                ui.add(egui::Label::new(RichText::new(more).small().color(WEAK)).truncate())
                    .on_hover_text(more);
            }
        },
    );
}

/// Shows a separation: its stage, its progress, the time left, and a cancel button.
fn job(ui: &mut Ui, view: &View, stage: &Stage, remote: &Remote) {
    if ui.button("Cancel").clicked() {
        remote.send(Command::Cancel);
    }

    let (text, part, left) = progress(stage);
    if matches!(
        stage,
        Stage::Loading(Loading {
            usual_s: Some(_),
            ..
        })
    ) {
        // The stage reports no progress, so the bar moves by the clock.
        ui.ctx().request_repaint_after(BY_THE_CLOCK);
    }

    ui.with_layout(Layout::top_down(Align::LEFT), |ui| {
        ui.spacing_mut().item_spacing.y = 6.0;
        ui.spacing_mut().interact_size.y = LINE_HEIGHT;
        ui.add_space(4.0);

        ui.horizontal(|ui| {
            ui.label(RichText::new(text).color(TEXT));
            ui.label(RichText::new(left).color(WEAK));
            let engine = view.engine.as_deref().unwrap_or_default();
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.add(egui::Label::new(RichText::new(engine).small().color(WEAK)).truncate());
            });
        });

        bar(ui, part);
    });
}

/// Returns the part of the loading that is done: counted, or estimated by its usual duration, in
/// which case the part never reaches 1.
fn loaded(loading: &Loading) -> Option<f32> {
    if loading.total > 0 {
        return Some(loading.done as f32 / loading.total as f32);
    }
    let usual_s = loading.usual_s.filter(|&usual_s| usual_s > 0.0)?;
    Some(words::part_of_usual(
        loading.since.elapsed().as_secs_f64() / usual_s,
    ))
}

/// Returns the part that is done as far as it is known, else the usual duration.
fn loading_rest(loading: &Loading) -> String {
    if loading.total > 0 {
        return percent(loading.done as f32 / loading.total as f32);
    }

    let left_s = loading
        .usual_s
        .map(|usual_s| usual_s - loading.since.elapsed().as_secs_f64());
    match left_s {
        Some(..0.0) => "longer than usual".to_owned(),
        Some(left_s) => format!("about {}", words::left(left_s)),
        None => String::new(),
    }
}

fn percent(part: f32) -> String {
    format!("{:.0} %", 100.0 * part)
}

/// Returns a stage in words, the part that is done where it is known, and the rest.
pub(super) fn progress(stage: &Stage) -> (String, Option<f32>, String) {
    match stage {
        Stage::Starting => ("Starting".to_owned(), None, String::new()),
        Stage::Queued(reason) => (words::capital(&reason.to_string()), None, String::new()),
        Stage::Loading(loading) => (
            words::capital(&loading.what),
            loaded(loading),
            loading_rest(loading),
        ),
        Stage::Working {
            stage,
            done,
            total,
            speed,
            left_s,
        } => {
            let text = match stage {
                Some(worker::Stage::Reading) => "Reading the clip",
                Some(worker::Stage::Storing) => "Keeping the stems",
                Some(worker::Stage::Writing) => "Writing files",
                Some(worker::Stage::Fetching) => "Fetching",
                Some(worker::Stage::Installing) => "Putting it in its place",
                Some(worker::Stage::Separating) | None => "Separating",
            };

            let part = (*total > 0).then(|| *done as f32 / *total as f32);
            let is_fetching = *stage == Some(worker::Stage::Fetching);
            let counted = match (is_fetching, *total > 0) {
                (true, true) => Some(format!(
                    "{} of {}",
                    words::bytes(*done),
                    words::bytes(*total)
                )),
                (true, false) => Some(words::bytes(*done)),
                (false, _) => part.map(percent),
            };

            let speed = speed
                .filter(|_| !is_fetching)
                .map(|speed| format!("{speed:.1}x real time"));
            let left = left_s.map(words::left);

            let rest: Vec<String> = [counted, left, speed].into_iter().flatten().collect();
            (text.to_owned(), part, rest.join(words::BETWEEN))
        }
    }
}

fn background_bar(ui: &mut Ui, job: &crate::session::BackgroundJob, remote: &Remote) {
    if ui.button("Cancel").clicked() {
        remote.send(Command::CancelBackground(job.kind));
    }
    ui.with_layout(Layout::top_down(Align::LEFT), |ui| {
        ui.spacing_mut().item_spacing.y = 6.0;
        ui.add_space(4.0);
        ui.add(egui::Label::new(RichText::new(&job.what).color(TEXT)).truncate());
        bar(ui, job.part);
    });
}

/// Shows a bar that is filled in part; dimly striped where the part is not known.
pub(super) fn bar(ui: &mut Ui, part: Option<f32>) {
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), 7.0), egui::Sense::hover());
    let told = part.map_or_else(|| "going on".to_owned(), percent);
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, &told));
    ui.painter().rect_filled(rect, 3.5, WELL);

    ui.painter().rect_stroke(
        rect,
        3.5,
        egui::Stroke::new(1.0, LINE),
        egui::StrokeKind::Inside,
    );

    let (width, colour) = match part {
        Some(part) => (part.clamp(0.0, 1.0) * rect.width(), ACCENT),
        None => (rect.width(), theme::faded(ACCENT, 0.35)),
    };
    ui.painter().rect_filled(
        Rect::from_min_size(rect.min, vec2(width, rect.height())),
        3.5,
        colour,
    );
}
