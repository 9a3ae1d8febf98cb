//! The selector of the main output: dry, one stem or the mix.

use egui::accesskit::Role;
use egui::{Button, Color32, RichText, Ui, WidgetInfo, vec2};
use nice_plug::prelude::{EnumParam, ParamSetter};

use super::theme::{self, BACKGROUND, CLIP, TEXT, WEAK};
use crate::params::{MainOutput, Outside, SextetParams, title};

/// Shows one button for each choice, in a row as wide as the editor.
pub(super) fn show(ui: &mut Ui, params: &SextetParams, setter: &ParamSetter<'_>) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.label(RichText::new("Main output").color(WEAK));
        ui.add_space(6.0);
        let outside_width = 176.0;

        let count = MainOutput::ALL.len() as f32;
        let width = ((ui.available_width() - outside_width) / count - 4.0).clamp(52.0, 110.0);
        for choice in MainOutput::ALL {
            let (name, colour) = appearance(choice);
            let chosen = params.output.value() == choice;
            let text = RichText::new(name).color(if chosen { BACKGROUND } else { TEXT });

            let mut button = Button::new(text).min_size(vec2(width, 26.0));
            if chosen {
                button = button.fill(colour);
            }

            let response = ui.add(button);
            response.widget_info(|| {
                WidgetInfo::selected(
                    Role::RadioButton,
                    true,
                    chosen,
                    format!("Main output: {name}"),
                )
            });

            if response.clicked() && !chosen {
                set(setter, &params.output, choice);
            }
        }

        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            outside(ui, params, setter)
        });
    });
}

/// Shows the choice of the signal before and after the clip.
fn outside(ui: &mut Ui, params: &SextetParams, setter: &ParamSetter<'_>) {
    let silent = params.outside.value() == Outside::Silence;
    let text = if silent { "Silence" } else { "Dry" };
    let response = ui
        .button(text)
        .on_hover_text("What the main output plays before and after the clip.");

    response.widget_info(|| {
        WidgetInfo::labeled(Role::Button, true, format!("Outside the clip: {text}"))
    });
    if response.clicked() {
        set(
            setter,
            &params.outside,
            if silent {
                Outside::Dry
            } else {
                Outside::Silence
            },
        );
    }

    ui.label(RichText::new("Outside the clip").color(WEAK));
}

fn appearance(choice: MainOutput) -> (&'static str, Color32) {
    match (choice, choice.stem()) {
        (_, Some(stem)) => (title(stem), theme::colour(stem)),
        (MainOutput::Dry, _) => ("Dry", CLIP),
        _ => ("Mix", TEXT),
    }
}

fn set<T: nice_plug::prelude::Enum + PartialEq + 'static>(
    setter: &ParamSetter<'_>,
    param: &EnumParam<T>,
    value: T,
) {
    setter.begin_set_parameter(param);
    setter.set_parameter(param, value);
    setter.end_set_parameter(param);
}
