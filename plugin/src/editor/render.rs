//! The panel that renders stems to files.

use egui::{Context, Modal, RichText, Ui};
use sextet_protocol::Stem;
use sextet_protocol::worker::{RenderBits, RenderFormat};

use super::dialog::{PathField, Want};
use super::theme::{self, WEAK};
use super::words;
use crate::params::title;
use crate::session::{Command, Remote, RenderRequest};

/// The panel's state.
pub(super) struct RenderPanel {
    is_open: bool,
    folder: PathField,
    stems: [bool; Stem::ALL.len()],
    format: RenderFormat,
    bits: RenderBits,
    at_session_rate: bool,
}

/// Shows a button for one of several values.
fn choice<T: PartialEq>(ui: &mut Ui, value: &mut T, of: T, text: impl Into<String>) {
    let button = egui::Button::selectable(*value == of, text.into()).frame_when_inactive(true);
    if ui.add(button).clicked() {
        *value = of;
    }
}

impl Default for RenderPanel {
    fn default() -> Self {
        Self {
            is_open: false,
            folder: PathField::default(),
            stems: [true; Stem::ALL.len()],
            format: RenderFormat::Wav,
            bits: RenderBits::Int24,
            at_session_rate: true,
        }
    }
}

impl RenderPanel {
    pub(super) fn open(&mut self) {
        self.is_open = true;
    }

    pub(super) fn show(&mut self, context: &Context, remote: &Remote) {
        if !self.is_open {
            return;
        }

        let modal = Modal::new(egui::Id::unique("render")).show(context, |ui| {
            ui.heading("Render stems to files");
            ui.add_space(4.0);
            self.folder.show(ui, Want::Folder, "Folder to write to");
            self.choose_stems(ui);
            self.choose_format(ui, remote);

            ui.add_space(6.0);
            ui.horizontal(|ui| {
                let order = self.order(remote);
                if ui
                    .add_enabled(order.is_some(), egui::Button::new("Render"))
                    .clicked()
                    && let Some(order) = order
                {
                    remote.send(Command::Render(order));
                    self.is_open = false;
                }
                if ui.button("Close").clicked() {
                    self.is_open = false;
                }
            });
        });

        if modal.should_close() {
            self.is_open = false;
        }
    }

    fn choose_stems(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            for (stem, chosen) in Stem::ALL.into_iter().zip(&mut self.stems) {
                ui.checkbox(
                    chosen,
                    RichText::new(title(stem)).color(theme::colour(stem)),
                );
            }
        });
    }

    fn choose_format(&mut self, ui: &mut Ui, remote: &Remote) {
        ui.horizontal(|ui| {
            ui.label(RichText::new("Format").color(WEAK));
            choice(ui, &mut self.format, RenderFormat::Wav, "WAV");
            choice(ui, &mut self.format, RenderFormat::Flac, "FLAC");
            ui.separator();
            choice(ui, &mut self.bits, RenderBits::Int16, "16 bit");

            choice(ui, &mut self.bits, RenderBits::Int24, "24 bit");

            // FLAC has no floating point.
            if self.format == RenderFormat::Wav {
                choice(ui, &mut self.bits, RenderBits::Float32, "32 bit float");
            } else if self.bits == RenderBits::Float32 {
                self.bits = RenderBits::Int24;
            }
        });

        let clip_hz = remote
            .view
            .get()
            .clip
            .as_ref()
            .map(|wave| wave.placement.rate_hz);

        if let (Some(session_hz), Some(clip_hz)) = (remote.shared.session_hz(), clip_hz)
            && session_hz != clip_hz
        {
            ui.horizontal(|ui| {
                ui.label(RichText::new("Rate").color(WEAK));
                let session = format!("{} (session)", words::rate(session_hz));
                choice(ui, &mut self.at_session_rate, true, session);
                choice(
                    ui,
                    &mut self.at_session_rate,
                    false,
                    format!("{} (clip)", words::rate(clip_hz)),
                );
            });
        }
    }

    /// Returns the order to render; `None` while something is missing.
    fn order(&self, remote: &Remote) -> Option<RenderRequest> {
        let folder = self.folder.path().filter(|folder| folder.is_absolute())?;
        let stems: Vec<Stem> = Stem::ALL
            .into_iter()
            .zip(self.stems)
            .filter_map(|(stem, on)| on.then_some(stem))
            .collect();

        let rate_hz = remote.shared.session_hz().filter(|_| self.at_session_rate);
        let (format, bits) = (self.format, self.bits);
        (!stems.is_empty()).then_some(RenderRequest {
            folder,
            stems,
            mixes: Vec::new(),
            format,
            bits: Some(bits),
            rate_hz,
        })
    }
}
