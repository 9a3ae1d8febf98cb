//! The clip's lane: its name and place, its waveform, and the transport in it.

use std::sync::Arc;

use egui::{Align2, FontId, Rect, RichText, Stroke, StrokeKind, Ui, UiBuilder, pos2, vec2};

use super::meter::Meter;
use super::pictures::{Lane, Pictures};
use super::theme::{
    self, ACCENT, CLIP, CONTROLS, GAP, LINE, PANEL, RECORD, ROUND, TEXT, WEAK, WELL,
};
use super::timeline::Timeline;
use super::zoom::Zoom;
use super::{navigate, waveform, words};
use crate::overview::Overview;
use crate::session::{Command, Phase, Remote, View};
use crate::worker::Fault;

/// Height of the lane, in points.
const HEIGHT: f32 = 96.0;
/// Height of the ruler within the lane, in points.
const RULER: f32 = 16.0;
/// Clip, timeline and textures that the lanes are drawn with.
pub(super) struct Canvas<'a> {
    pub(super) view: &'a View,
    pub(super) timeline: &'a Timeline,
    pub(super) zoom: &'a mut Zoom,
    pub(super) pictures: &'a mut Pictures,
    pub(super) meter: &'a Meter,
}

/// Shows the lane.
pub(super) fn show(ui: &mut Ui, canvas: &mut Canvas<'_>, remote: &Remote) {
    let (view, timeline) = (canvas.view, canvas.timeline);
    let width = ui.available_width();
    let (lane, _) = ui.allocate_exact_size(vec2(width, HEIGHT), egui::Sense::hover());
    ui.painter().rect_filled(lane, ROUND, PANEL);

    let facts = Rect::from_min_size(lane.min, vec2(CONTROLS, HEIGHT)).shrink2(vec2(GAP + 6.0, GAP));
    self::facts(
        &mut ui.new_child(UiBuilder::new().max_rect(facts)),
        canvas,
        remote,
    );

    let wave = Timeline::wave_in(lane.shrink2(vec2(0.0, 4.0)));
    ui.painter().rect_filled(wave, 4.0, WELL);
    canvas
        .meter
        .paint(ui, 0, Timeline::meter_in(lane), theme::CLIP);

    let ruler = Rect::from_min_size(wave.min, vec2(wave.width(), RULER));
    let body = Rect::from_min_max(pos2(wave.left(), wave.top() + RULER), wave.max);
    ui.painter()
        .hline(body.x_range(), body.top(), Stroke::new(1.0, LINE));

    match &view.clip {
        Some(clip) if !clip.overview.bins.is_empty() => {
            self::wave(ui, canvas, body, &clip.overview);
            timeline.paint_ruler(ui, ruler);
            timeline.paint_shown_part(ui, ruler);
        }
        _ => hint(ui, view, body),
    }

    timeline.paint_loop(ui, wave, Some(ruler));
    timeline.paint_playhead(ui, wave);
    let response = navigate::area(ui, wave, 0, timeline, canvas.zoom);
    if response.has_focus() {
        let line = Stroke::new(1.5, ACCENT);
        ui.painter()
            .rect_stroke(wave, 4.0, line, StrokeKind::Inside);
    }
}

fn wave(ui: &Ui, canvas: &mut Canvas<'_>, body: Rect, overview: &Arc<Overview>) {
    let colour = if canvas.view.phase == Phase::Capturing {
        RECORD
    } else {
        CLIP
    };
    let full = waveform::full_height(Some(overview));
    let lane = Lane {
        number: 0,
        wave: body,
        overview,
        colour,
        is_heard: true,
    };
    canvas
        .pictures
        .paint(ui, canvas.view, canvas.timeline, full, &lane);

    if canvas.pictures.is_waiting(&canvas.view.closeups) {
        ui.painter().text(
            body.right_top() + vec2(-6.0, 4.0),
            Align2::RIGHT_TOP,
            "Reading",
            FontId::proportional(10.5),
            WEAK,
        );
    }
}

/// Says in place of a waveform why there is none.
fn hint(ui: &Ui, view: &View, body: Rect) {
    let hint = match view.phase {
        Phase::Capturing => "Listening",
        Phase::Empty => "Arm Capture and play the clip once, or open a file",
        Phase::Failed(Fault::Missing { .. }) => "The capture of this clip is gone",
        _ => "",
    };
    ui.painter().text(
        body.center(),
        Align2::CENTER_CENTER,
        hint,
        FontId::proportional(14.0),
        WEAK,
    );
}

/// Shows the clip's name and its place on the timeline.
fn facts(ui: &mut Ui, canvas: &mut Canvas<'_>, remote: &Remote) {
    let view = canvas.view;
    ui.spacing_mut().item_spacing.y = 3.0;
    let capturing = view.phase == Phase::Capturing;
    let Some(clip) = view.clip.as_ref().map(|wave| wave.placement) else {
        ui.label(RichText::new("No clip").size(15.0).color(TEXT));
        ui.label(
            RichText::new("The track plays as it is.")
                .small()
                .color(WEAK),
        );
        return;
    };

    let name = if capturing {
        "Capturing"
    } else {
        view.name.as_str()
    };

    let colour = if capturing { RECORD } else { TEXT };
    ui.add(egui::Label::new(RichText::new(name).size(15.0).color(colour)).truncate());
    let rate_hz = f64::from(clip.rate_hz);

    let length = words::clock(clip.frames as f64 / rate_hz);
    let mut facts = vec![length, words::rate(clip.rate_hz)];
    if !capturing {
        let start = words::clock(clip.start_frame as f64 / rate_hz);
        facts.push(format!("starts at {start}"));
    }
    let facts = RichText::new(facts.join(words::BETWEEN)).small();
    ui.add(egui::Label::new(facts.color(WEAK)).truncate());

    if capturing {
        if view.lost_frames > 0 {
            let lost = format!(
                "{} frames were lost: the disk is too slow",
                view.lost_frames
            );
            ui.label(RichText::new(lost).small().color(theme::TROUBLE));
        }
        return;
    }

    ui.horizontal(|ui| {
        move_here(ui, remote);
        navigate::buttons(ui, canvas.timeline, canvas.zoom, canvas.pictures);
    });
}

/// Shows the button that moves the clip to the transport.
fn move_here(ui: &mut Ui, remote: &Remote) {
    let session_hz = remote.shared.session_hz();
    let here = egui::Button::new(RichText::new("Move here").small());
    let tip = "Moves the clip's start to where the transport was last.";
    if ui
        .add_enabled(session_hz.is_some(), here)
        .on_hover_text(tip)
        .clicked()
    {
        remote.send(Command::MoveClip(remote.shared.position()));
    }
}
