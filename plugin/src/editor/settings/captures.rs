//! The captures: where they are kept, how much room they take, and the clip's, which a project
//! takes along.

use std::time::SystemTime;

use egui::accesskit::Role;
use egui::{Align, Button, ComboBox, Label, Layout, RichText, Ui, WidgetInfo};
use sextet_protocol::Fingerprint;

use super::super::dialog::{PathField, Want};
use super::super::theme::{TEXT, TROUBLE, WEAK};
use super::super::words;
use super::controls::{section, weak};
use crate::captures::{CaptureInfo, CaptureList};
use crate::saved::Settings;
use crate::session::{Command, Remote, View};

/// Limits that are offered, in bytes.
const LIMITS: [Option<u64>; 6] = [
    Some(5_000_000_000),
    Some(20_000_000_000),
    Some(50_000_000_000),
    Some(100_000_000_000),
    Some(500_000_000_000),
    None,
];
/// Number of captures that are listed at first.
const FEW: usize = 5;

/// The part's state.
#[derive(Default)]
pub(super) struct CapturesPart {
    folder: PathField,
    /// The capture that *Delete* was pressed for, which asks once more.
    doubtful: Option<Fingerprint>,
    shows_all: bool,
}

impl CapturesPart {
    pub(super) fn show(
        &mut self,
        ui: &mut Ui,
        view: &View,
        settings: &mut Settings,
        remote: &Remote,
    ) {
        section(ui, "Captures", |ui| {
            place(ui, settings);
            self.folder.show(ui, Want::Captures, "A folder");
            self.uses_of_folder(ui, view, settings, remote);

            if let Some(list) = &view.captures {
                ui.add_space(4.0);
                room(ui, list, remote);
                self.list(ui, list, remote);
            }
        });
    }

    /// Shows what can be done with the folder that was named.
    fn uses_of_folder(
        &mut self,
        ui: &mut Ui,
        view: &View,
        settings: &mut Settings,
        remote: &Remote,
    ) {
        let folder = self.folder.path().filter(|folder| folder.is_absolute());
        let text = folder.as_ref().and_then(|folder| folder.to_str());
        let text = text.map(str::to_owned);
        let has_clip = view.clip.is_some();

        ui.horizontal(|ui| {
            let keep = Button::new("Keep new captures there");
            if ui.add_enabled(text.is_some(), keep).clicked() {
                settings.captures = text;
            }

            let collect = Button::new("Collect the clip");
            let tip = "Copies the clip's capture and its stems there, to take along.";
            let collect = ui.add_enabled(folder.is_some() && has_clip, collect);
            if collect.on_hover_text(tip).clicked()
                && let Some(folder) = folder.clone()
            {
                remote.send(Command::Collect(folder));
            }

            let find = Button::new("Look for its capture");
            let tip = "Finds the clip's capture there, whatever it is called.";
            let find = ui.add_enabled(folder.is_some() && has_clip, find);
            if find.on_hover_text(tip).clicked()
                && let Some(folder) = folder
            {
                remote.send(Command::FindCapture(folder));
            }
        });
    }

    fn list(&mut self, ui: &mut Ui, list: &CaptureList, remote: &Remote) {
        let shown = if self.shows_all {
            list.captures.len()
        } else {
            FEW
        };
        for capture in list.captures.iter().take(shown) {
            self.capture(ui, capture, remote);
        }

        if list.captures.len() > FEW {
            let text = if self.shows_all {
                "Show fewer".to_owned()
            } else {
                format!("Show all {}", list.captures.len())
            };
            if ui.button(RichText::new(text).small()).clicked() {
                self.shows_all = !self.shows_all;
            }
        }
    }

    fn capture(&mut self, ui: &mut Ui, capture: &CaptureInfo, remote: &Remote) {
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if capture.is_in_use {
                    ui.label(RichText::new("in use").small().color(WEAK));
                } else {
                    self.delete(ui, capture, remote);
                }

                let used = SystemTime::now().duration_since(capture.used);
                let facts = [
                    words::bytes(capture.bytes),
                    format!("used {}", words::ago(used.unwrap_or_default())),
                ];
                ui.label(
                    RichText::new(facts.join(words::BETWEEN))
                        .small()
                        .color(WEAK),
                );
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(Label::new(RichText::new(&capture.name).color(TEXT)).truncate());
                });
            });
        });
    }

    /// Shows the button that deletes a capture, which cannot be undone: it has to be pressed twice.
    fn delete(&mut self, ui: &mut Ui, capture: &CaptureInfo, remote: &Remote) {
        let is_doubtful = self.doubtful == Some(capture.audio);
        let (text, colour) = if is_doubtful {
            ("Really delete", TROUBLE)
        } else {
            ("Delete", TEXT)
        };

        let button = ui.button(RichText::new(text).small().color(colour));
        let digits = capture.audio.to_string();
        let name = format!("{text} {} ({})", capture.name, &digits[..8]);
        button.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));

        if button.clicked() && is_doubtful {
            remote.send(Command::DeleteCapture(capture.audio));
            self.doubtful = None;
        } else if button.clicked() {
            self.doubtful = Some(capture.audio);
        }
    }
}

/// Shows where new captures go.
fn place(ui: &mut Ui, settings: &mut Settings) {
    let Some(folder) = settings.captures.clone() else {
        weak(
            ui,
            "New captures go to your own folder. Keep them beside the project to move it to another computer.",
        );
        return;
    };

    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if ui.button("Back to your folder").clicked() {
                settings.captures = None;
            }
            let text = RichText::new(format!("New captures go to {folder}")).color(TEXT);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(text).truncate()).on_hover_text(folder);
            });
        });
    });
}

/// Shows the room that the captures take, and the limit of it.
fn room(ui: &mut Ui, list: &CaptureList, remote: &Remote) {
    ui.horizontal(|ui| {
        let count = list.captures.len();
        let noun = if count == 1 { "capture" } else { "captures" };
        let taken = format!(
            "{count} {noun} in your folder, {}",
            words::bytes(list.bytes())
        );
        ui.label(RichText::new(taken).color(TEXT));

        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let said =
                |limit: Option<u64>| limit.map_or_else(|| "no limit".to_owned(), words::bytes);
            let mut limit = list.limit_bytes;
            let choice = ComboBox::from_id_salt("limit of captures")
                .selected_text(said(limit))
                .show_ui(ui, |ui| {
                    for offered in LIMITS {
                        ui.selectable_value(&mut limit, offered, said(offered));
                    }
                });

            let name = format!("Limit of the captures: {}", said(limit));
            let choice = choice.response;
            choice.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, &name));
            choice.on_hover_text(
                "Beyond it, captures that no open project uses go, those used longest ago first.",
            );
            if limit != list.limit_bytes {
                remote.send(Command::LimitCaptures(limit));
            }
            ui.label(RichText::new("Limit").color(WEAK));
        });
    });
}
