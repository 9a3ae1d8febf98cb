//! Tests of the editor on screens of every density, and in all possible sizes.

use egui::accesskit::Action;

use super::*;
use crate::editor::window;

/// Returns every control's name and place, in points.
fn places(fixture: &EditorFixture) -> Vec<(String, egui::Rect)> {
    let root = fixture.harness.root();
    let controls = root
        .children_recursive()
        .filter(|node| node.accesskit_node().data().supports_action(Action::Focus));
    controls
        .map(|node| {
            (
                node.accesskit_node().label().unwrap_or_default(),
                node.rect(),
            )
        })
        .collect()
}

/// Returns the number of columns of all waveforms: a column is one pixel wide, at any density.
fn columns(fixture: &EditorFixture) -> usize {
    let meshes = fixture
        .harness
        .output()
        .shapes
        .iter()
        .filter_map(|clipped| match &clipped.shape {
            egui::Shape::Mesh(mesh) => Some(mesh.vertices.len() / 6),
            _ => None,
        });
    meshes.sum()
}

#[test]
fn controls_lie_side_by_side_within_the_window_in_every_size_and_on_every_screen() {
    let mut cases = 0;
    for size in [
        window::MIN_SIZE,
        window::SIZE,
        egui_size(1360.0, 860.0),
        egui_size(2000.0, 1200.0),
    ] {
        let points = egui::vec2(size.width, size.height);
        let mut plain: Option<(Vec<(String, egui::Rect)>, usize)> = None;
        for pixels in [1.0, 1.25, 1.5, 2.0, 3.0] {
            let mut fixture = EditorFixture::ready(points, pixels);
            fixture.session.remote().shared.transport(Some(0));
            fixture.harness.run();

            let places = places(&fixture);
            assert_eq!(places.len(), 40, "at {points} and {pixels}: {places:?}");

            let window = egui::Rect::from_min_size(egui::Pos2::ZERO, points);
            for (number, (name, rect)) in places.iter().enumerate() {
                let told = format!("{name} at {points} and {pixels}: {rect}");
                assert!(window.contains_rect(*rect), "{told}");
                for (other, place) in &places[number + 1..] {
                    let shared = rect.intersect(*place);
                    assert!(
                        shared.width() <= 0.0 || shared.height() <= 0.0,
                        "{told} lies over {other}: {place}"
                    );
                }
            }

            let columns = columns(&fixture);
            let (at_one, columns_at_one) = plain.get_or_insert_with(|| (places.clone(), columns));

            for ((name, rect), (_, other)) in places.iter().zip(at_one.iter()) {
                let moved = (rect.min - other.min)
                    .abs()
                    .max((rect.max - other.max).abs());
                assert!(
                    moved.max_elem() <= 2.0,
                    "{name} at {points} and {pixels}: {rect}, not {other}"
                );
            }

            let finer = columns as f32 / *columns_at_one as f32;
            assert!(
                (finer - pixels).abs() < 0.02,
                "at {pixels} pixels a point a waveform is {finer} times as fine"
            );
            cases += 1;
        }
    }

    println!("{cases} windows");
}

fn egui_size(width: f32, height: f32) -> nice_plug_egui::baseview::dpi::LogicalSize<f32> {
    nice_plug_egui::baseview::dpi::LogicalSize::new(width, height)
}
