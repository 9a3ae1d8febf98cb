//! The theme: colours, sizes and the looks of widgets.

use egui::{Color32, CornerRadius, FontFamily, FontId, Stroke, TextStyle, Visuals};
use sextet_protocol::Stem;

pub(super) const BACKGROUND: Color32 = Color32::from_rgb(0x12, 0x14, 0x18);
pub(super) const PANEL: Color32 = Color32::from_rgb(0x1a, 0x1d, 0x23);
pub(super) const WELL: Color32 = Color32::from_rgb(0x0d, 0x0f, 0x12);
pub(super) const LINE: Color32 = Color32::from_rgb(0x2b, 0x30, 0x39);
/// Colour around widgets that can be used, so that an empty box is visible.
const EDGE: Color32 = Color32::from_rgb(0x3f, 0x47, 0x54);
pub(super) const BUTTON: Color32 = Color32::from_rgb(0x26, 0x2b, 0x34);
pub(super) const BUTTON_HOVERED: Color32 = Color32::from_rgb(0x32, 0x39, 0x45);
pub(super) const TEXT: Color32 = Color32::from_rgb(0xe8, 0xea, 0xee);
pub(super) const WEAK: Color32 = Color32::from_rgb(0x93, 0x9b, 0xa8);
pub(super) const CLIP: Color32 = Color32::from_rgb(0xb9, 0xc2, 0xd0);
pub(super) const RECORD: Color32 = Color32::from_rgb(0xf0, 0x4f, 0x52);
pub(super) const ACCENT: Color32 = Color32::from_rgb(0x5b, 0x9d, 0xff);
pub(super) const GOOD: Color32 = Color32::from_rgb(0x55, 0xc7, 0x8a);
pub(super) const TROUBLE: Color32 = Color32::from_rgb(0xff, 0x9f, 0x43);
pub(super) const PLAYHEAD: Color32 = Color32::from_rgb(0xff, 0xff, 0xff);

/// Corner radius of panels and wells.
pub(super) const ROUND: CornerRadius = CornerRadius::same(6);
/// Space between parts, in points.
pub(super) const GAP: f32 = 8.0;
/// Width of the controls left of the waveforms, in points.
pub(super) const CONTROLS: f32 = 276.0;

/// Returns a stem's own colour.
pub(super) fn colour(stem: Stem) -> Color32 {
    match stem {
        Stem::Drums => Color32::from_rgb(0xff, 0xb0, 0x3a),
        Stem::Bass => Color32::from_rgb(0xf2, 0x6b, 0x4e),
        Stem::Other => Color32::from_rgb(0xb0, 0x8c, 0xff),
        Stem::Vocals => Color32::from_rgb(0x3f, 0xd4, 0xc4),
        Stem::Guitar => Color32::from_rgb(0x86, 0xd1, 0x5a),
        Stem::Piano => Color32::from_rgb(0x58, 0xab, 0xff),
    }
}

/// Returns a faded colour: `part` of it on the background.
pub(super) fn faded(colour: Color32, part: f32) -> Color32 {
    BACKGROUND.lerp_to_gamma(colour, part)
}

/// Applies the theme to egui.
pub(super) fn apply(context: &egui::Context) {
    context.set_theme(egui::Theme::Dark);
    context.all_styles_mut(|style| {
        style.visuals = visuals();
        style.spacing.item_spacing = egui::vec2(GAP, GAP);
        style.spacing.button_padding = egui::vec2(11.0, 5.0);
        style.spacing.interact_size = egui::vec2(28.0, 26.0);
        style.spacing.combo_width = 90.0;

        style.spacing.menu_margin = egui::Margin::same(14);
        let font = |size| FontId::new(size, FontFamily::Proportional);
        style.text_styles.insert(TextStyle::Body, font(13.5));
        style.text_styles.insert(TextStyle::Button, font(13.5));
        style.text_styles.insert(TextStyle::Small, font(11.5));

        style.text_styles.insert(TextStyle::Heading, font(18.0));
        style.animation_time = 0.0;
    });
}

fn visuals() -> Visuals {
    let mut visuals = Visuals::dark();
    visuals.override_text_color = Some(TEXT);
    visuals.weak_text_color = Some(WEAK);
    visuals.panel_fill = BACKGROUND;
    visuals.window_fill = PANEL;

    visuals.window_stroke = Stroke::new(1.0, LINE);
    visuals.window_corner_radius = CornerRadius::same(10);
    visuals.extreme_bg_color = WELL;
    visuals.text_edit_bg_color = Some(WELL);
    visuals.faint_bg_color = PANEL;

    visuals.selection.bg_fill = ACCENT.gamma_multiply(0.45);
    visuals.selection.stroke = Stroke::new(1.5, ACCENT);

    let widgets = &mut visuals.widgets;
    for (look, fill, border) in [
        (&mut widgets.noninteractive, PANEL, LINE),
        (&mut widgets.inactive, BUTTON, EDGE),
        (
            &mut widgets.hovered,
            BUTTON_HOVERED,
            ACCENT.gamma_multiply(0.6),
        ),
        (&mut widgets.active, BUTTON_HOVERED, ACCENT),
        (&mut widgets.open, BUTTON_HOVERED, EDGE),
    ] {
        look.bg_fill = fill;
        look.weak_bg_fill = fill;
        look.bg_stroke = Stroke::new(1.0, border);
        look.fg_stroke = Stroke::new(1.2, TEXT);
        look.corner_radius = CornerRadius::same(5);
        look.expansion = 0.0;
    }

    // Colour of check boxes, which menus show without a border.
    visuals.widgets.inactive.bg_fill = EDGE;
    visuals
}
