//! Moving about the timeline: by wheel, pinch, dragging, keys, and the buttons for it.

use egui::accesskit::Role;
use egui::{Button, EventFilter, Key, Rect, Response, RichText, Sense, Ui, WidgetInfo, vec2};

use super::pictures::Pictures;
use super::theme::{ACCENT, BACKGROUND};
use super::timeline::Timeline;
use super::zoom::Zoom;

/// Factor of a step by key or button.
const STEP: f64 = 1.5;
/// Part of the shown stretch by which an arrow key scrolls; with shift, all of it.
const SCROLL: f64 = 0.125;

/// Moves about by what the user does in the waveform's area of a lane. The clip's lane, which is
/// the one that Tab reaches, also takes keys.
pub(super) fn area(
    ui: &mut Ui,
    wave: Rect,
    lane: usize,
    timeline: &Timeline,
    zoom: &mut Zoom,
) -> Response {
    let takes_keys = lane == 0 && timeline.has_clip();
    let sense = if takes_keys {
        Sense::click_and_drag()
    } else {
        Sense::CLICK | Sense::DRAG
    };
    let response = ui.interact(wave, ui.scope_id().with(("timeline", lane)), sense);
    if !timeline.has_clip() {
        return response;
    }

    let total_s = timeline.total_s();
    let point_s = timeline.shown().length_s() / f64::from(Timeline::clip_in(wave).width().max(1.0));

    if response.double_clicked() {
        zoom.fit();
    }
    if response.dragged() {
        zoom.scroll(-f64::from(response.drag_delta().x) * point_s, total_s);
    }

    if ui.rect_contains_pointer(wave) {
        wheel(ui, wave, timeline, zoom, point_s);
    }
    if takes_keys {
        keys(ui, &response, timeline, zoom);
        response.widget_info(|| WidgetInfo::labeled(Role::ScrollView, true, "Timeline"));
    }

    response
}

/// Scrolls by the wheel, and zooms by a pinch or by the wheel with the control key. A wheel that
/// only goes up and down scrolls as well.
fn wheel(ui: &Ui, wave: Rect, timeline: &Timeline, zoom: &mut Zoom, point_s: f64) {
    let (scrolled, factor, pointer) = ui.input(|input| {
        let scrolled = input.smooth_scroll_delta();
        (
            scrolled.x + scrolled.y,
            input.zoom_delta(),
            input.pointer.hover_pos(),
        )
    });

    let total_s = timeline.total_s();
    if factor != 1.0
        && let Some(pointer) = pointer
    {
        zoom.zoom(
            f64::from(factor),
            timeline.time_at(pointer.x, wave),
            total_s,
        );
    } else if scrolled != 0.0 {
        zoom.scroll(-f64::from(scrolled) * point_s, total_s);
    }
}

fn keys(ui: &Ui, response: &Response, timeline: &Timeline, zoom: &mut Zoom) {
    if !response.has_focus() {
        return;
    }

    let filter = EventFilter {
        horizontal_arrows: true,
        vertical_arrows: true,
        ..EventFilter::default()
    };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));

    let (total_s, length_s) = (timeline.total_s(), timeline.shown().length_s());
    let (presses, is_shifted) = ui.input(|input| {
        let keys = [
            (Key::ArrowLeft, Move::Scroll(-1.0)),
            (Key::ArrowRight, Move::Scroll(1.0)),
            (Key::PageUp, Move::Scroll(-1.0 / SCROLL)),
            (Key::PageDown, Move::Scroll(1.0 / SCROLL)),
            (Key::ArrowUp, Move::Zoom(STEP)),
            (Key::Plus, Move::Zoom(STEP)),
            (Key::Equals, Move::Zoom(STEP)),
            (Key::ArrowDown, Move::Zoom(1.0 / STEP)),
            (Key::Minus, Move::Zoom(1.0 / STEP)),
            (Key::Home, Move::Scroll(f64::NEG_INFINITY)),
            (Key::End, Move::Scroll(f64::INFINITY)),
            (Key::F, Move::Fit),
            (Key::Num0, Move::Fit),
        ];
        let pressed = keys.into_iter().filter(|(key, _)| input.key_pressed(*key));
        let presses: Vec<Move> = pressed.map(|(_, what)| what).collect();
        (presses, input.modifiers.shift)
    });

    let step_s = if is_shifted { 1.0 } else { SCROLL } * length_s;
    for press in presses {
        match press {
            Move::Scroll(steps) => zoom.scroll((steps * step_s).clamp(-total_s, total_s), total_s),
            Move::Zoom(factor) => zoom.zoom(factor, centre_s(timeline), total_s),
            Move::Fit => zoom.fit(),
        }
    }
}

/// Move that a key asks for.
#[derive(Clone, Copy)]
enum Move {
    /// Steps to the right.
    Scroll(f64),
    Zoom(f64),
    Fit,
}

/// Returns the time that keeps its place where no pointer tells it: the playhead's, or the middle.
fn centre_s(timeline: &Timeline) -> f64 {
    let shown = timeline.shown();
    timeline
        .playhead_in_clip_s()
        .filter(|&time_s| shown.contains(time_s))
        .unwrap_or((shown.start_s + shown.end_s) / 2.0)
}

/// Shows the buttons that zoom, and the switch between waveforms and spectrograms.
pub(super) fn buttons(ui: &mut Ui, timeline: &Timeline, zoom: &mut Zoom, pictures: &mut Pictures) {
    let total_s = timeline.total_s();
    ui.spacing_mut().item_spacing.x = 4.0;
    ui.spacing_mut().button_padding.x = 7.0;

    for (text, name, factor, can) in [
        ("\u{2212}", "Zoom out", 1.0 / STEP, timeline.is_closer()),
        ("+", "Zoom in", STEP, true),
    ] {
        if button(ui, text, name, can).clicked() {
            zoom.zoom(factor, centre_s(timeline), total_s);
        }
    }
    if button(ui, "Fit", "Show the whole clip", timeline.is_closer()).clicked() {
        zoom.fit();
    }

    let on = pictures.spectrograms;
    let colour = if on {
        BACKGROUND
    } else {
        ui.visuals().text_color()
    };
    let mut switch = Button::new(RichText::new("Spectrum").small().color(colour));
    if on {
        switch = switch.fill(ACCENT);
    }

    let response = ui
        .add(switch)
        .on_hover_text("Shows spectrograms instead of waveforms: 40 Hz to 16 kHz.");
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, "Spectrograms"));
    if response.clicked() {
        pictures.spectrograms = !on;
    }
}

fn button(ui: &mut Ui, text: &str, name: &str, can: bool) -> Response {
    let button = Button::new(RichText::new(text).small()).min_size(vec2(22.0, 0.0));
    let response = ui.add_enabled(can, button).on_hover_text(name);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, can, name));
    response
}
