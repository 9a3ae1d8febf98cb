//! The clip's lane: its name and place, its waveform, and the transport in it.

use egui::{Align2, FontId, Rect, RichText, Stroke, Ui, UiBuilder, pos2, vec2};

use super::theme::{
    self, CLIP, CONTROLS, GAP, LINE, PANEL, PLAYHEAD, RECORD, ROUND, TEXT, WEAK, WELL,
};
use super::{waveform, words};
use crate::placement::Placement;
use crate::session::{Command, Phase, Remote, View};
use crate::shared_state::SharedState;
use crate::worker::Fault;

/// Height of the lane, in points.
const HEIGHT: f32 = 96.0;
/// Height of the ruler within the lane, in points.
const RULER: f32 = 16.0;
/// Wanted distance of the ruler's marks, in points.
const MARKS: f64 = 90.0;

/// The stretch of the timeline that is shown, which is the clip's, and the transport in it.
pub(super) struct Timeline {
    clip: Option<Placement>,
    /// Position of the transport in seconds; `None` while it stands.
    playhead_s: Option<f64>,
}

impl Timeline {
    pub(super) fn new(view: &View, shared: &SharedState) -> Self {
        let clip = view.clip.as_ref().map(|wave| wave.placement);
        let session_hz = shared.session_hz().map(f64::from);
        let playhead_s = session_hz
            .filter(|_| shared.is_playing())
            .map(|hz| shared.position() as f64 / hz);
        Self { clip, playhead_s }
    }

    /// Returns the clip's area in a lane, which is all of it but a margin.
    pub(super) fn clip_in(&self, lane: Rect) -> Rect {
        lane.shrink2(vec2(2.0, 2.0))
    }

    fn span_s(&self) -> Option<(f64, f64)> {
        let clip = self.clip.filter(|clip| clip.frames > 0)?;
        let rate_hz = f64::from(clip.rate_hz);
        let start = clip.start_frame as f64 / rate_hz;
        Some((start, start + clip.frames as f64 / rate_hz))
    }

    pub(super) fn paint_playhead(&self, ui: &Ui, lane: Rect) {
        let (Some((start, end)), Some(at)) = (self.span_s(), self.playhead_s) else {
            return;
        };
        let area = self.clip_in(lane);
        let x = area.left() + ((at - start) / (end - start)) as f32 * area.width();
        if area.x_range().contains(x) {
            ui.painter()
                .vline(x, lane.y_range(), Stroke::new(1.5, PLAYHEAD));
        }
    }

    /// Paints marks at round times.
    fn paint_ruler(&self, ui: &Ui, ruler: Rect) {
        let Some((start, end)) = self.span_s() else {
            return;
        };

        let area = self.clip_in(ruler);
        let wanted = (end - start) * MARKS / f64::from(area.width().max(1.0));
        let steps = [
            0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0,
            3600.0,
        ];

        let step = steps
            .into_iter()
            .find(|step| *step >= wanted)
            .unwrap_or(7200.0);
        let mut mark = (start / step).ceil();
        while mark * step < end {
            let x = area.left() + ((mark * step - start) / (end - start)) as f32 * area.width();
            ui.painter().vline(
                x,
                ruler.bottom() - 4.0..=ruler.bottom(),
                Stroke::new(1.0, WEAK),
            );

            if x + 44.0 < area.right() {
                let text = words::clock(mark * step);
                ui.painter().text(
                    pos2(x + 4.0, ruler.top()),
                    Align2::LEFT_TOP,
                    text,
                    FontId::proportional(10.5),
                    WEAK,
                );
            }

            mark += 1.0;
        }
    }
}

/// Shows the lane.
pub(super) fn show(ui: &mut Ui, view: &View, timeline: &Timeline, remote: &Remote) {
    let width = ui.available_width();
    let (lane, _) = ui.allocate_exact_size(vec2(width, HEIGHT), egui::Sense::hover());
    ui.painter().rect_filled(lane, ROUND, PANEL);

    let facts = Rect::from_min_size(lane.min, vec2(CONTROLS, HEIGHT)).shrink2(vec2(GAP + 6.0, GAP));
    self::facts(
        &mut ui.new_child(UiBuilder::new().max_rect(facts)),
        view,
        remote,
    );

    let wave = Rect::from_min_max(
        pos2(lane.left() + CONTROLS + 12.0, lane.top() + 4.0),
        lane.max - vec2(4.0, 4.0),
    );
    ui.painter().rect_filled(wave, 4.0, WELL);
    let ruler = Rect::from_min_size(wave.min, vec2(wave.width(), RULER));

    let body = Rect::from_min_max(pos2(wave.left(), wave.top() + RULER), wave.max);
    ui.painter()
        .hline(body.x_range(), body.top(), Stroke::new(1.0, LINE));

    match &view.clip {
        Some(clip) if !clip.overview.bins.is_empty() => {
            let colour = if view.phase == Phase::Capturing {
                RECORD
            } else {
                CLIP
            };

            let full = waveform::full_height(Some(&clip.overview));
            waveform::paint(
                &ui.painter_at(body),
                timeline.clip_in(body),
                &clip.overview,
                full,
                colour,
            );

            timeline.paint_ruler(ui, ruler);
        }
        _ => {
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
    }

    timeline.paint_playhead(ui, wave);
}

/// Shows the clip's name and its place on the timeline.
fn facts(ui: &mut Ui, view: &View, remote: &Remote) {
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
    ui.label(
        RichText::new(format!(
            "{length}{}{}",
            words::BETWEEN,
            words::rate(clip.rate_hz)
        ))
        .small()
        .color(WEAK),
    );

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
        let start = words::clock(clip.start_frame as f64 / rate_hz);
        ui.label(
            RichText::new(format!("Starts at {start}"))
                .small()
                .color(WEAK),
        );

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
    });
}
