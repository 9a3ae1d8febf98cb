//! The slider for a stem's gain.

use egui::{Color32, EventFilter, Key, Rect, Response, Sense, StrokeKind, Ui, pos2, vec2};
use nice_plug::prelude::{FloatParam, Param, ParamSetter};

use super::theme::{ACCENT, LINE, TEXT, WELL};

/// Step of an arrow key in dB; with shift, a tenth of it.
const STEP_DB: f32 = 1.0;
/// Part of a drag that counts while shift is held.
const FINE: f32 = 0.15;

/// Shows and changes a gain: by dragging, with arrow keys, or back to 0 dB by a double click or the
/// home key.
pub(super) fn slider(
    ui: &mut Ui,
    param: &FloatParam,
    setter: &ParamSetter<'_>,
    colour: Color32,
    width: f32,
) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(width, 22.0), Sense::click_and_drag());
    let value = param.unmodulated_normalized_value();

    if response.drag_started() {
        setter.begin_set_parameter(param);
    }

    if response.dragged() {
        let fine = if ui.input(|input| input.modifiers.shift) {
            FINE
        } else {
            1.0
        };
        let moved = response.drag_delta().x / rect.width() * fine;
        setter.set_parameter_normalized(param, (value + moved).clamp(0.0, 1.0));
    }

    if response.drag_stopped() {
        setter.end_set_parameter(param);
    }

    if let Some(wanted) = wanted(ui, &response, param) {
        setter.begin_set_parameter(param);
        setter.set_parameter(param, wanted);
        setter.end_set_parameter(param);
    }

    paint(ui, rect, &response, param, colour);
    let text = format!("{}: {param}", param.name());
    response.widget_info(|| egui::WidgetInfo::slider(true, f64::from(param.value()), text.clone()));

    response.on_hover_text("Drag, or use the arrow keys; shift is finer. Double-click for 0 dB.")
}

/// Returns the gain in dB that keys and clicks ask for.
fn wanted(ui: &Ui, response: &Response, param: &FloatParam) -> Option<f32> {
    if response.double_clicked() {
        return Some(0.0);
    }

    if !response.has_focus() {
        return None;
    }

    let filter = EventFilter {
        horizontal_arrows: true,
        vertical_arrows: false,
        ..EventFilter::default()
    };

    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    ui.input(|input| {
        let step = if input.modifiers.shift {
            STEP_DB / 10.0
        } else {
            STEP_DB
        };

        let presses = |key| input.num_presses(key) as f32;
        let moved = step * (presses(Key::ArrowRight) - presses(Key::ArrowLeft));
        if input.key_pressed(Key::Home) {
            Some(0.0)
        } else {
            (moved != 0.0).then(|| param.value() + moved)
        }
    })
}

fn paint(ui: &Ui, rect: Rect, response: &Response, param: &FloatParam, colour: Color32) {
    let painter = ui.painter_at(rect.expand(2.0));
    let track = Rect::from_center_size(rect.center(), vec2(rect.width(), 6.0));
    let at = |normalized: f32| track.left() + normalized * track.width();
    let (zero, knob) = (
        at(param.preview_normalized(0.0)),
        at(param.unmodulated_normalized_value()),
    );

    painter.rect_filled(track, 3.0, WELL);
    painter.rect_stroke(track, 3.0, egui::Stroke::new(1.0, LINE), StrokeKind::Inside);

    let filled = Rect::from_x_y_ranges(track.left()..=knob, track.y_range());
    painter.rect_filled(filled, 3.0, colour.gamma_multiply(0.85));
    painter.vline(
        zero,
        track.top() - 4.0..=track.top() - 1.0,
        egui::Stroke::new(1.0, TEXT.gamma_multiply(0.5)),
    );

    painter.circle_filled(
        pos2(knob, track.center().y),
        7.0,
        if response.hovered() {
            Color32::WHITE
        } else {
            TEXT
        },
    );

    if response.has_focus() {
        painter.rect_stroke(
            rect,
            5.0,
            egui::Stroke::new(1.5, ACCENT),
            StrokeKind::Inside,
        );
    }
}
