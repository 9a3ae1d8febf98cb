//! The painting of a waveform.

use std::ops::Range;

use egui::{Color32, Mesh, Rect, pos2};

use crate::overview::Overview;

/// Part of the height that the loudest sample takes.
const SCALE: f32 = 0.94;
/// Exponent of a level's height. It shows quiet music larger, so that it is visible beside loud
/// music.
const POWER: f32 = 0.72;
/// Level of the clip below which quiet music is no longer shown larger.
const QUIETEST: f32 = 0.05;

/// Returns the level that is shown at full height, for a clip and its stems alike.
pub(super) fn full_height(clip: Option<&Overview>) -> f32 {
    let [low, high] = clip.map_or([-1.0, 1.0], |clip| clip.between(0.0, 1.0));
    high.max(-low).clamp(QUIETEST, 1.0)
}

/// Draws `parts` of an overview into `rect`, one column per pixel, darker towards its tips. The
/// level `full` is shown at full height.
pub(super) fn mesh(
    rect: Rect,
    pixels_per_point: f32,
    overview: &Overview,
    parts: &Range<f64>,
    full: f32,
    colour: Color32,
) -> Mesh {
    let pixel = 1.0 / pixels_per_point;
    let columns = (rect.width() / pixel) as usize;
    let (middle, half) = (rect.center().y, SCALE * rect.height() / 2.0);
    let tip = colour.gamma_multiply(0.72);

    let mut mesh = Mesh::default();
    mesh.reserve_vertices(6 * columns);
    mesh.reserve_triangles(4 * columns);

    // A column is a rectangle above the middle and one below it.
    let edge =
        |column: usize| parts.start + (parts.end - parts.start) * column as f64 / columns as f64;
    for column in 0..columns {
        let [low, high] = overview.between(edge(column), edge(column + 1));
        let x = rect.left() + column as f32 * pixel;

        // Silence is shown as a line.
        let tall = |level: f32| (level / full).clamp(0.0, 1.0).powf(POWER) * half;
        let top = (middle - tall(high)).min(middle - pixel / 2.0);
        let bottom = (middle + tall(-low)).max(middle + pixel / 2.0);
        let first = mesh.vertices.len() as u32;

        for (y, colour) in [(top, tip), (middle, colour), (bottom, tip)] {
            mesh.colored_vertex(pos2(x, y), colour);
            mesh.colored_vertex(pos2(x + pixel, y), colour);
        }

        for row in [first, first + 2] {
            mesh.add_triangle(row, row + 1, row + 2);
            mesh.add_triangle(row + 1, row + 2, row + 3);
        }
    }

    mesh
}
