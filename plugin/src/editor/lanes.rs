//! The six lanes: each stem's name, solo, mute, gain and waveform.

use egui::accesskit::Role;
use egui::{
    Align, Align2, Button, Color32, FontId, Layout, Rect, RichText, Ui, UiBuilder, WidgetInfo,
    pos2, vec2,
};
use nice_plug::prelude::{BoolParam, Param as _, ParamSetter};
use sextet_protocol::Stem;

use super::clip::Canvas;
use super::pictures::Lane;
use super::theme::{self, BACKGROUND, CONTROLS, GAP, PANEL, RECORD, ROUND, TEXT, WEAK, WELL};
use super::timeline::Timeline;
use super::{gain, navigate, waveform};
use crate::params::{MainOutput, SextetParams, title};

/// Shows the lanes in all of the remaining height.
pub(super) fn show(
    ui: &mut Ui,
    params: &SextetParams,
    setter: &ParamSetter<'_>,
    canvas: &mut Canvas<'_>,
) {
    let space = ui.available_rect_before_wrap();
    let count = Stem::ALL.len() as f32;
    let height = ((space.height() - (count - 1.0) * 5.0) / count).max(38.0);
    let heard = heard(params);

    for (number, stem) in Stem::ALL.into_iter().enumerate() {
        let top = space.top() + number as f32 * (height + 5.0);
        let lane = Rect::from_min_size(pos2(space.left(), top), vec2(space.width(), height));
        let colour = theme::colour(stem);

        ui.painter().rect_filled(lane, ROUND, PANEL);
        let mark = Rect::from_min_size(lane.min, vec2(4.0, height));
        ui.painter().rect_filled(mark, 2.0, colour);
        let controls =
            Rect::from_min_size(lane.min, vec2(CONTROLS, height)).shrink2(vec2(GAP, 0.0));

        let place = UiBuilder::new()
            .max_rect(controls.translate(vec2(6.0, 0.0)))
            .id_salt(stem);
        let row = &mut ui.new_child(place.layout(Layout::left_to_right(Align::Center)));
        self::controls(row, params, setter, stem, colour);
        wave(ui, canvas, lane, stem, heard[number]);
    }

    ui.advance_cursor_after_rect(space);
}

/// Shows a stem's level and its waveform, with the transport in it.
fn wave(ui: &mut Ui, canvas: &mut Canvas<'_>, lane: Rect, stem: Stem, is_heard: bool) {
    let (view, timeline, colour) = (canvas.view, canvas.timeline, theme::colour(stem));
    let number = 1 + stem as usize;
    let shade = if is_heard {
        colour
    } else {
        theme::faded(colour, 0.28)
    };
    canvas
        .meter
        .paint(ui, number, Timeline::meter_in(lane), shade);

    let wave = Timeline::wave_in(lane.shrink2(vec2(0.0, 3.0)));
    ui.painter().rect_filled(wave, 4.0, WELL);
    if let Some(overview) = &view.stems[stem as usize] {
        let full = waveform::full_height(view.clip.as_ref().map(|wave| &*wave.overview));
        let lane = Lane {
            number,
            wave,
            overview,
            colour,
            is_heard,
        };
        canvas.pictures.paint(ui, view, timeline, full, &lane);
    } else {
        let line = egui::Stroke::new(1.0, theme::faded(colour, 0.25));
        ui.painter().hline(wave.x_range(), wave.center().y, line);
    }

    timeline.paint_loop(ui, wave, None);
    timeline.paint_playhead(ui, wave);
    navigate::area(ui, wave, number, timeline, canvas.zoom);
}

/// Shows a stem's name, solo, mute and gain.
fn controls(
    ui: &mut Ui,
    params: &SextetParams,
    setter: &ParamSetter<'_>,
    stem: Stem,
    colour: Color32,
) {
    let stem_params = params.stem(stem);
    ui.spacing_mut().item_spacing.x = 6.0;
    text(ui, 50.0, Align2::LEFT_CENTER, title(stem), 14.0, TEXT);
    toggle(ui, &stem_params.solo, setter, "S", colour);
    toggle(ui, &stem_params.mute, setter, "M", RECORD);
    gain::slider(ui, &stem_params.gain, setter, colour, 88.0);
    let decibels = format!("{}", stem_params.gain).replace(" dB", "");
    text(ui, 36.0, Align2::LEFT_CENTER, &decibels, 12.0, WEAK);
}

/// Shows text in a column of fixed width.
fn text(ui: &mut Ui, width: f32, align: Align2, text: &str, size: f32, colour: Color32) {
    let (rect, _) = ui.allocate_exact_size(vec2(width, 20.0), egui::Sense::hover());
    ui.painter().text(
        align.pos_in_rect(&rect),
        align,
        text,
        FontId::proportional(size),
        colour,
    );
}

/// Shows a switch that is labelled with one letter.
fn toggle(ui: &mut Ui, param: &BoolParam, setter: &ParamSetter<'_>, letter: &str, colour: Color32) {
    let on = param.value();
    let text = RichText::new(letter)
        .strong()
        .color(if on { BACKGROUND } else { WEAK });

    let mut button = Button::new(text).min_size(vec2(24.0, 22.0));
    if on {
        button = button.fill(colour);
    }

    let response = ui.add(button).on_hover_text(param.name());

    // A single letter means nothing to users who do not see its position.
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, param.name()));
    if response.clicked() {
        setter.begin_set_parameter(param);
        setter.set_parameter(param, !on);
        setter.end_set_parameter(param);
    }
}

/// Returns the stems that the main output plays.
fn heard(params: &SextetParams) -> [bool; Stem::ALL.len()] {
    match params.output.value() {
        MainOutput::Dry => [true; Stem::ALL.len()],
        MainOutput::Mix => params.mix().map(|level| level > 0.0),
        choice => Stem::ALL.map(|stem| choice.stem() == Some(stem)),
    }
}
