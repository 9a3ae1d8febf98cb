//! The painting of a spectrogram: the louder, the brighter, in the lane's colour.

use std::ops::Range;

use egui::{Color32, ColorImage};

use super::theme::WELL;
use crate::closeup::CloseUp;
use crate::spectrogram::{BANDS, Column};

/// Level from which colours go on to white.
const BRIGHT: f32 = 0.72;
/// Exponent of the brightness, which keeps quiet noise dark.
const CONTRAST: f32 = 1.5;

/// Draws a lane's spectrogram: `parts` of the clip, one column per pixel. Where there is a close-up
/// of the stretch, it is drawn, else that of the whole clip. `None` before anything was read.
pub(super) fn image(
    lane: usize,
    whole: Option<&CloseUp>,
    near: Option<&CloseUp>,
    frames: u64,
    parts: &Range<f64>,
    columns: usize,
    colour: Color32,
) -> Option<ColorImage> {
    let colours = colours(colour);
    let sources: Vec<Source<'_>> = [near, whole]
        .into_iter()
        .flatten()
        .filter_map(|closeup| Source::of(closeup, lane, frames))
        .collect();
    if sources.is_empty() || columns == 0 {
        return None;
    }

    let mut pixels = vec![WELL; columns * BANDS];
    let edge =
        |column: usize| parts.start + (parts.end - parts.start) * column as f64 / columns as f64;
    for column in 0..columns {
        let read = sources
            .iter()
            .find_map(|source| source.column(edge(column), edge(column + 1)));
        let Some(levels) = read else { continue };

        // The lowest band is at the bottom.
        for (row, &level) in levels.iter().rev().enumerate() {
            pixels[row * columns + column] = colours[usize::from(level)];
        }
    }

    Some(ColorImage::new([columns, BANDS], pixels))
}

/// A close-up that has a spectrogram of the lane.
struct Source<'a> {
    closeup: &'a CloseUp,
    lane: usize,
    /// The close-up's stretch, as parts of the clip.
    parts: Range<f64>,
}

impl<'a> Source<'a> {
    fn of(closeup: &'a CloseUp, lane: usize, frames: u64) -> Option<Self> {
        closeup.lanes[lane].as_ref()?.spectrogram.as_ref()?;
        let part = |frame: u64| frame as f64 / frames.max(1) as f64;
        let stretch = &closeup.stretch.frames;
        Some(Self {
            closeup,
            lane,
            parts: part(stretch.start)..part(stretch.end),
        })
    }

    /// Returns the levels between two parts of the clip. `None` where nothing was read yet.
    fn column(&self, from: f64, to: f64) -> Option<Column> {
        let length = self.parts.end - self.parts.start;
        let within = |part: f64| (part - self.parts.start) / length;
        let (from, to) = (within(from), within(to));
        if from < -1e-9 || to > 1.0 + 1e-9 {
            return None;
        }

        let lane = self.closeup.lanes[self.lane].as_ref()?;
        let column = lane.spectrogram.as_ref()?.between(from, to);
        column.iter().any(|&level| level > 0).then_some(column)
    }
}

/// Returns the colour of every level.
fn colours(colour: Color32) -> [Color32; 256] {
    std::array::from_fn(|level| {
        let level = (level as f32 / 255.0).powf(CONTRAST);
        if level < BRIGHT {
            WELL.lerp_to_gamma(colour, level / BRIGHT)
        } else {
            colour.lerp_to_gamma(Color32::WHITE, 0.8 * (level - BRIGHT) / (1.0 - BRIGHT))
        }
    })
}
