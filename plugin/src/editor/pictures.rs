//! The lanes' pictures: waveforms and spectrograms as they were drawn last. They are drawn again
//! only if what they show has changed, so that a moving playhead costs nothing but itself.

use std::ops::Range;
use std::sync::Arc;

use egui::{Color32, Mesh, Rect, Shape, TextureHandle, TextureOptions, Ui, pos2};

use super::heat;
use super::timeline::Timeline;
use super::waveform;
use crate::closeup::{CloseUp, CloserLook, LANES, Stretch};
use crate::overview::{BIN_FRAMES, Overview};
use crate::session::{CloseUps, View};

/// Most columns of a close-up.
const COLUMNS: f64 = 8192.0;
/// Columns that a close-up has for every pixel, so that zooming in a little needs no other.
const FINER: f64 = 1.5;
/// Columns for every pixel above which a coarser close-up is read.
const TOO_FINE: f64 = 6.0;
/// Part of a pixel's brightness that is left in a lane that is not heard.
const FADED: u8 = 96;

/// Place, stretch and data that a lane's picture is drawn from.
#[derive(Clone)]
struct Look {
    rect: Rect,
    pixels_per_point: f32,
    parts: Range<f64>,
    colour: Color32,
    source: Source,
}

/// The data of a picture.
#[derive(Clone)]
enum Source {
    Waveform {
        overview: Arc<Overview>,
        near: Option<Arc<CloseUp>>,
        full: f32,
    },
    Spectrogram {
        whole: Option<Arc<CloseUp>>,
        near: Option<Arc<CloseUp>>,
    },
}

impl PartialEq for Look {
    fn eq(&self, other: &Self) -> bool {
        let frame = |look: &Self| {
            let parts = (look.parts.start, look.parts.end);
            (look.rect, look.pixels_per_point, parts, look.colour)
        };
        frame(self) == frame(other) && self.source == other.source
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Waveform {
                    overview,
                    near,
                    full,
                },
                Self::Waveform {
                    overview: other,
                    near: other_near,
                    full: other_full,
                },
            ) => Arc::ptr_eq(overview, other) && same(near, other_near) && full == other_full,
            (
                Self::Spectrogram { whole, near },
                Self::Spectrogram {
                    whole: other,
                    near: other_near,
                },
            ) => same(whole, other) && same(near, other_near),
            _ => false,
        }
    }
}

fn same(one: &Option<Arc<CloseUp>>, other: &Option<Arc<CloseUp>>) -> bool {
    one.as_ref().map(Arc::as_ptr) == other.as_ref().map(Arc::as_ptr)
}

/// A drawn picture.
enum Picture {
    Mesh(Arc<Mesh>),
    Texture(TextureHandle),
}

/// A lane as it is to be shown.
pub(super) struct Lane<'a> {
    /// 0 is the clip's.
    pub(super) number: usize,
    /// The waveform's area.
    pub(super) wave: Rect,
    pub(super) overview: &'a Arc<Overview>,
    pub(super) colour: Color32,
    pub(super) is_heard: bool,
}

/// The pictures, and what was asked for to draw them better.
#[derive(Default)]
pub(super) struct Pictures {
    /// Whether spectrograms are shown instead of waveforms.
    pub(super) spectrograms: bool,
    lanes: [Option<(Look, Picture)>; LANES],
    asked: CloserLook,
}

impl Pictures {
    /// Forgets what was drawn, which belongs to a window.
    pub(super) fn clear(&mut self) {
        self.lanes = Default::default();
    }

    /// Paints a lane.
    pub(super) fn paint(
        &mut self,
        ui: &Ui,
        view: &View,
        timeline: &Timeline,
        full: f32,
        lane: &Lane<'_>,
    ) {
        let rect = Timeline::clip_in(lane.wave);
        if lane.overview.bins.is_empty() || rect.width() < 1.0 {
            return;
        }

        let look = Look {
            rect,
            pixels_per_point: ui.pixels_per_point(),
            parts: timeline.shown_parts(),
            colour: self.drawn_colour(view, lane),
            source: self.source(&view.closeups, timeline, full, lane),
        };

        let kept = &mut self.lanes[lane.number];
        if kept.as_ref().is_none_or(|(drawn, _)| *drawn != look) {
            *kept = draw(ui, lane.number, &look, timeline.frames()).map(|picture| (look, picture));
        }

        let painter = ui.painter_at(lane.wave);
        match kept {
            Some((_, Picture::Mesh(mesh))) => {
                painter.add(Shape::Mesh(mesh.clone()));
            }
            Some((_, Picture::Texture(texture))) => {
                let all = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
                let tint = if lane.is_heard {
                    Color32::WHITE
                } else {
                    Color32::from_gray(FADED)
                };
                painter.image(texture.id(), rect, all, tint);
            }
            None => {}
        }
    }

    /// Returns the colour that a picture is drawn in. Spectrograms are faded when they are painted.
    fn drawn_colour(&self, view: &View, lane: &Lane<'_>) -> Color32 {
        if lane.is_heard || self.shows_spectrogram(&view.closeups) {
            lane.colour
        } else {
            super::theme::faded(lane.colour, 0.28)
        }
    }

    /// Returns whether spectrograms are wanted that are still being read.
    pub(super) fn is_waiting(&self, closeups: &CloseUps) -> bool {
        let whole = closeups.whole.as_ref();
        self.spectrograms && whole.is_none_or(|whole| !whole.0.is_complete)
    }

    /// Returns whether there are spectrograms to be shown. Until then, waveforms are.
    fn shows_spectrogram(&self, closeups: &CloseUps) -> bool {
        self.spectrograms && closeups.whole.is_some()
    }

    fn source(
        &self,
        closeups: &CloseUps,
        timeline: &Timeline,
        full: f32,
        lane: &Lane<'_>,
    ) -> Source {
        let near = closeups.near.as_ref().map(|near| near.0.clone());
        let near = near.filter(|_| timeline.is_closer());
        if self.shows_spectrogram(closeups) {
            let whole = closeups.whole.as_ref().map(|whole| whole.0.clone());
            return Source::Spectrogram { whole, near };
        }

        let is_of_use = |near: &Arc<CloseUp>| {
            let has_waveform = near.lanes[lane.number]
                .as_ref()
                .is_some_and(|lane| lane.waveform.is_some());
            has_waveform
                && near.stretch.covers(&timeline.shown_frames())
                && near.stretch.column_frames() < BIN_FRAMES as f64
        };
        Source::Waveform {
            overview: lane.overview.clone(),
            near: near.filter(is_of_use),
            full,
        }
    }

    /// Returns what has to be read for what is shown now, if that was not asked for yet.
    pub(super) fn ask(
        &mut self,
        timeline: &Timeline,
        wave: Rect,
        pixels: f32,
    ) -> Option<CloserLook> {
        let columns = f64::from(Timeline::clip_in(wave).width() * pixels).max(1.0);
        let shown = timeline.shown_frames();
        let pixel_frames = (shown.end - shown.start) as f64 / columns;

        let is_needed = timeline.is_closer()
            && !shown.is_empty()
            && (self.spectrograms || pixel_frames < BIN_FRAMES as f64);
        let near = is_needed.then(|| {
            let kept = self.asked.near.clone().filter(|stretch| {
                let finer = pixel_frames / stretch.column_frames();
                stretch.covers(&shown) && (1.0..TOO_FINE).contains(&finer)
            });
            kept.unwrap_or_else(|| around(&shown, pixel_frames, timeline.frames()))
        });

        let look = CloserLook {
            near: near.or_else(|| self.asked.near.clone()),
            spectrograms: self.spectrograms,
        };
        (look != self.asked).then(|| {
            self.asked = look.clone();
            look
        })
    }
}

/// Returns a stretch with half of the shown one on either side, for scrolling.
fn around(shown: &Range<u64>, pixel_frames: f64, frames: u64) -> Stretch {
    let margin = (shown.end - shown.start) / 2;
    let frames = shown.start.saturating_sub(margin)..(shown.end + margin).min(frames);
    let columns = FINER * (frames.end - frames.start) as f64 / pixel_frames.max(f64::MIN_POSITIVE);
    let most = ((frames.end - frames.start) as f64).min(COLUMNS);
    Stretch {
        columns: columns.ceil().clamp(1.0, most.max(1.0)) as usize,
        frames,
    }
}

fn draw(ui: &Ui, lane: usize, look: &Look, frames: u64) -> Option<Picture> {
    match &look.source {
        Source::Waveform {
            overview,
            near,
            full,
        } => {
            let (overview, parts) = near
                .as_ref()
                .and_then(|near| close_waveform(near, lane, &look.parts, frames))
                .unwrap_or((overview, look.parts.clone()));
            let mesh = waveform::mesh(
                look.rect,
                look.pixels_per_point,
                overview,
                &parts,
                *full,
                look.colour,
            );
            Some(Picture::Mesh(Arc::new(mesh)))
        }
        Source::Spectrogram { whole, near } => {
            let columns = (look.rect.width() * look.pixels_per_point).round() as usize;
            let (whole, near) = (whole.as_deref(), near.as_deref());
            let image = heat::image(lane, whole, near, frames, &look.parts, columns, look.colour)?;
            let name = format!("spectrogram {lane}");
            let texture = ui.ctx().load_texture(name, image, TextureOptions::LINEAR);
            Some(Picture::Texture(texture))
        }
    }
}

/// Returns a close-up's waveform of a lane, and the parts of it that are `parts` of the clip.
fn close_waveform<'a>(
    near: &'a CloseUp,
    lane: usize,
    parts: &Range<f64>,
    frames: u64,
) -> Option<(&'a Overview, Range<f64>)> {
    let waveform = near.lanes[lane].as_ref()?.waveform.as_ref()?;
    let stretch = &near.stretch.frames;
    let within = |part: f64| {
        (part * frames as f64 - stretch.start as f64) / (stretch.end - stretch.start) as f64
    };
    Some((waveform, within(parts.start)..within(parts.end)))
}
