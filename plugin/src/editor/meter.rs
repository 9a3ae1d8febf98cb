//! The level meter of a lane.

use egui::{Color32, Rect, Ui};

use super::theme::{LINE, RECORD, WELL};
use crate::meters::{FLOOR, Peaks};

/// Levels at the bottom and at the top, in dB.
const BOTTOM_DB: f32 = -60.0;
const TOP_DB: f32 = 6.0;
/// Speed at which a level falls, in dB per second.
const FALL_DB: f32 = 26.0;
/// Seconds after which falling levels are drawn again.
const INTERVAL_S: f64 = 1.0 / 30.0;

/// The levels that are shown.
#[derive(Default)]
pub(super) struct Meter {
    levels: Peaks,
    at_s: f64,
}

impl Meter {
    /// Raises the levels to the peaks since the last call, and lets the others fall. Returns the
    /// seconds after which they have to be drawn again, if they are still falling.
    pub(super) fn update(&mut self, peaks: &Peaks, now_s: f64) -> Option<f64> {
        let passed_s = (now_s - self.at_s).max(0.0) as f32;
        let fall = 10.0_f32.powf(-FALL_DB * passed_s / 20.0);
        self.at_s = now_s;

        let mut is_moving = false;
        let levels = self.levels.as_flattened_mut().iter_mut();
        for (level, &peak) in levels.zip(peaks.as_flattened()) {
            *level = peak.max(*level * fall);
            is_moving |= *level > FLOOR;
        }

        is_moving.then_some(INTERVAL_S)
    }

    /// Paints a lane's two bars. What is above full scale is red.
    pub(super) fn paint(&self, ui: &Ui, lane: usize, rect: Rect, colour: Color32) {
        let rect = rect.shrink2(egui::vec2(0.0, 3.0));
        let width = (rect.width() - 1.0) / 2.0;
        let height_of = |level: f32| rect.height() * part_of(level);
        let full = height_of(1.0);

        for (side, &level) in self.levels[lane].iter().enumerate() {
            let left = rect.left() + side as f32 * (width + 1.0);
            let bar = |from: f32, to: f32| {
                Rect::from_x_y_ranges(
                    left..=left + width,
                    rect.bottom() - to..=rect.bottom() - from,
                )
            };

            ui.painter().rect_filled(bar(0.0, rect.height()), 1.0, WELL);
            let height = height_of(level);
            if height > 0.0 {
                ui.painter()
                    .rect_filled(bar(0.0, height.min(full)), 1.0, colour);
            }
            if height > full {
                ui.painter().rect_filled(bar(full, height), 1.0, RECORD);
            }
        }

        let y = rect.bottom() - full;
        ui.painter()
            .hline(rect.x_range(), y, egui::Stroke::new(1.0, LINE));
    }
}

/// Returns the part of the height that a level takes.
fn part_of(level: f32) -> f32 {
    let decibels = 20.0 * level.max(f32::MIN_POSITIVE).log10();
    ((decibels - BOTTOM_DB) / (TOP_DB - BOTTOM_DB)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_jump_up_and_fall_until_nothing_is_left() {
        let mut meter = Meter::default();
        let mut peaks = Peaks::default();
        assert_eq!(meter.update(&peaks, 0.0), None, "silence is not drawn");

        peaks[2][1] = 1.0;
        assert!(meter.update(&peaks, 1.0).is_some());
        assert_eq!(meter.levels[2], [0.0, 1.0]);

        let silence = Peaks::default();
        assert!(meter.update(&silence, 1.5).is_some());
        let fallen_db = -20.0 * meter.levels[2][1].log10();
        assert!((fallen_db - FALL_DB / 2.0).abs() < 0.01, "{fallen_db}");
        assert_eq!(meter.update(&silence, 5.0), None, "it comes to rest");
    }

    #[test]
    fn heights_are_decibels() {
        let cases = [
            (0.0, 0.0),
            (0.001, 0.0),
            (1.0, 60.0 / 66.0),
            (f32::INFINITY, 1.0),
        ];
        sextet_cases::each_case(cases, |(level, part)| {
            assert!((part_of(level) - part).abs() < 1e-4, "{}", part_of(level));
        });
    }
}
