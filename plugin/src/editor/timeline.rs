//! The timeline: which stretch of it the lanes show, and the transport in it.

use std::ops::Range;

use egui::{Align2, Color32, FontId, Rect, Stroke, Ui, pos2, vec2};

use super::theme::{ACCENT, CONTROLS, LINE, PLAYHEAD, WEAK};
use super::words;
use super::zoom::{Span, Zoom};
use crate::placement::Placement;
use crate::session::{Phase, View};
use crate::shared_state::SharedState;

/// Wanted distance of the ruler's marks, in points.
const MARKS: f64 = 90.0;
/// Distances of the ruler's marks, in seconds.
const STEPS_S: [f64; 18] = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0,
    1800.0, 3600.0,
];
/// Space left of a lane's waveform, in points: the controls and the meter.
const LEFT: f32 = CONTROLS + 12.0;
/// Space right of it.
const RIGHT: f32 = 4.0;

/// The clip on the timeline, and what the transport does.
pub(super) struct Timeline {
    clip: Option<Placement>,
    /// The stretch of the clip that is shown, from the clip's start on.
    shown: Span,
    /// Whether it is less than the clip.
    is_closer: bool,
    /// Positions on the timeline: of the transport, while it runs, and of its loop.
    playhead_s: Option<f64>,
    loop_s: Option<Span>,
}

impl Timeline {
    pub(super) fn new(view: &View, shared: &SharedState, zoom: &mut Zoom) -> Self {
        let clip = view.clip.as_ref().map(|wave| wave.placement);
        let clip = clip.filter(|clip| clip.frames > 0);
        let session_hz = shared.session_hz().map(f64::from);
        let playhead_s = session_hz
            .filter(|_| shared.is_playing())
            .map(|hz| shared.position() as f64 / hz);
        let loop_s = session_hz
            .zip(shared.loop_stretch())
            .map(|(hz, stretch)| Span {
                start_s: stretch.start as f64 / hz,
                end_s: stretch.end as f64 / hz,
            });

        let mut timeline = Self {
            clip,
            shown: Span::default(),
            is_closer: false,
            playhead_s,
            loop_s,
        };

        // A take is shown whole while it grows.
        let total_s = timeline.total_s();
        let whole = Zoom::default();
        zoom.follow(timeline.playhead_in_clip_s(), total_s);
        let zoom = if view.phase == Phase::Capturing {
            &whole
        } else {
            zoom
        };
        timeline.shown = zoom.shown(total_s);
        timeline.is_closer = zoom.is_closer(total_s);
        timeline
    }

    /// Returns the waveform's area in a lane, without its height's margin.
    pub(super) fn wave_in(lane: Rect) -> Rect {
        Rect::from_x_y_ranges(lane.left() + LEFT..=lane.right() - RIGHT, lane.y_range())
    }

    /// Returns the meter's area in a lane, which is left of the waveform.
    pub(super) fn meter_in(lane: Rect) -> Rect {
        let right = lane.left() + LEFT - 3.0;
        Rect::from_x_y_ranges(right - 8.0..=right, lane.y_range())
    }

    /// Returns the area of the clip in a waveform's area, which is all of it but a margin.
    pub(super) fn clip_in(wave: Rect) -> Rect {
        wave.shrink2(vec2(2.0, 2.0))
    }

    /// Returns the clip's length in seconds; 0 without a clip.
    pub(super) fn total_s(&self) -> f64 {
        self.clip
            .map_or(0.0, |clip| clip.frames as f64 / f64::from(clip.rate_hz))
    }

    pub(super) fn has_clip(&self) -> bool {
        self.clip.is_some()
    }

    pub(super) fn is_closer(&self) -> bool {
        self.is_closer
    }

    /// Returns the stretch that is shown, from the clip's start on.
    pub(super) fn shown(&self) -> Span {
        self.shown
    }

    /// Returns the shown stretch as parts of the clip.
    pub(super) fn shown_parts(&self) -> Range<f64> {
        let total_s = self.total_s();
        if total_s > 0.0 {
            self.shown.start_s / total_s..self.shown.end_s / total_s
        } else {
            0.0..1.0
        }
    }

    /// Returns the shown frames of the clip.
    pub(super) fn shown_frames(&self) -> Range<u64> {
        let Some(clip) = self.clip else { return 0..0 };
        let frame = |time_s: f64| (time_s * f64::from(clip.rate_hz)) as u64;
        frame(self.shown.start_s)..frame(self.shown.end_s).min(clip.frames)
    }

    /// Returns the clip's number of frames.
    pub(super) fn frames(&self) -> u64 {
        self.clip.map_or(0, |clip| clip.frames)
    }

    /// Returns the transport's position from the clip's start on, while it runs.
    pub(super) fn playhead_in_clip_s(&self) -> Option<f64> {
        self.playhead_s.map(|time_s| time_s - self.start_s())
    }

    /// Returns the time at a place, from the clip's start on.
    pub(super) fn time_at(&self, x: f32, wave: Rect) -> f64 {
        let area = Self::clip_in(wave);
        let part = f64::from((x - area.left()) / area.width().max(1.0));
        self.shown.start_s + part * self.shown.length_s()
    }

    fn start_s(&self) -> f64 {
        self.clip.map_or(0.0, |clip| {
            clip.start_frame as f64 / f64::from(clip.rate_hz)
        })
    }

    /// Returns the place of a time on the timeline, which may be out of sight.
    fn place_of(&self, time_s: f64, area: Rect) -> f32 {
        let part = (time_s - self.start_s() - self.shown.start_s) / self.shown.length_s();
        area.left() + (part * f64::from(area.width())) as f32
    }

    pub(super) fn paint_playhead(&self, ui: &Ui, wave: Rect) {
        let Some(at_s) = self.playhead_s.filter(|_| self.has_clip()) else {
            return;
        };
        let area = Self::clip_in(wave);
        let x = self.place_of(at_s, area);
        if area.x_range().contains(x) {
            ui.painter()
                .vline(x, wave.y_range(), Stroke::new(1.5, PLAYHEAD));
        }
    }

    /// Paints the ends of the loop, and its stretch in the ruler.
    pub(super) fn paint_loop(&self, ui: &Ui, wave: Rect, ruler: Option<Rect>) {
        let Some(stretch) = self.loop_s.filter(|_| self.has_clip()) else {
            return;
        };
        let area = Self::clip_in(wave);
        let [start, end] =
            [stretch.start_s, stretch.end_s].map(|time_s| self.place_of(time_s, area));

        for x in [start, end] {
            if area.x_range().contains(x) {
                let line = Stroke::new(1.0, ACCENT.gamma_multiply(0.8));
                ui.painter().vline(x, wave.y_range(), line);
            }
        }

        let (left, right) = (start.max(area.left()), end.min(area.right()));
        if let Some(ruler) = ruler.filter(|_| left < right) {
            let band = Rect::from_x_y_ranges(left..=right, ruler.bottom() - 5.0..=ruler.bottom());
            ui.painter()
                .rect_filled(band, 1.0, ACCENT.gamma_multiply(0.55));
        }
    }

    /// Paints which part of the clip is shown, if it is not all of it.
    pub(super) fn paint_shown_part(&self, ui: &Ui, ruler: Rect) {
        if !self.is_closer {
            return;
        }
        let area = Self::clip_in(ruler);
        let parts = self.shown_parts();
        let x = |part: f64| area.left() + part as f32 * area.width();
        let bar = |from: f32, to: f32| {
            Rect::from_x_y_ranges(from..=to.max(from + 4.0), ruler.top()..=ruler.top() + 3.0)
        };

        ui.painter()
            .rect_filled(bar(area.left(), area.right()), 1.5, LINE);
        ui.painter()
            .rect_filled(bar(x(parts.start), x(parts.end)), 1.5, WEAK);
    }

    /// Paints marks at round times.
    pub(super) fn paint_ruler(&self, ui: &Ui, ruler: Rect) {
        if !self.has_clip() {
            return;
        }

        let area = Self::clip_in(ruler);
        let shown = self.shown.moved(self.start_s());
        let wanted_s = shown.length_s() * MARKS / f64::from(area.width().max(1.0));
        let step_s = STEPS_S
            .into_iter()
            .find(|step_s| *step_s >= wanted_s)
            .unwrap_or(7200.0);

        let mut mark = (shown.start_s / step_s).ceil();
        while mark * step_s < shown.end_s {
            let x = self.place_of(mark * step_s, area);
            ui.painter().vline(
                x,
                ruler.bottom() - 4.0..=ruler.bottom(),
                Stroke::new(1.0, WEAK),
            );

            if x + 44.0 < area.right() {
                let text = words::clock_to(mark * step_s, step_s);
                label(ui, pos2(x + 4.0, ruler.top() + 3.0), &text, WEAK);
            }
            mark += 1.0;
        }
    }
}

fn label(ui: &Ui, place: egui::Pos2, text: &str, colour: Color32) {
    let font = FontId::proportional(10.5);
    ui.painter()
        .text(place, Align2::LEFT_TOP, text, font, colour);
}
