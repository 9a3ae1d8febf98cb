//! The panel that renders stems and mixes of them to files.

use egui::accesskit::Role;
use egui::{ComboBox, Context, Modal, RichText, Ui, WidgetInfo};
use sextet_protocol::Stem;
use sextet_protocol::worker::{RenderBits, RenderFormat, RenderMix};

use super::dialog::{PathField, Want};
use super::theme::{self, WEAK};
use super::words;
use crate::params::{SextetParams, title};
use crate::session::{Command, Remote, RenderRequest, mix_as_heard, mix_without};

/// The panel's state.
pub(super) struct RenderPanel {
    is_open: bool,
    folder: PathField,
    stems: [bool; Stem::ALL.len()],
    /// Whether the mix is written as it is heard.
    as_heard: bool,
    /// Whether the mix without [`left_out`](Self::left_out) is written.
    without: bool,
    left_out: Stem,
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
            as_heard: false,
            without: false,
            left_out: Stem::Vocals,
            format: RenderFormat::Wav,
            bits: RenderBits::Int24,
            at_session_rate: true,
        }
    }
}

impl RenderPanel {
    /// Opens the panel. The stem that the main output plays is the one to be left out.
    pub(super) fn open(&mut self, params: &SextetParams) {
        self.is_open = true;
        if let Some(stem) = params.output.value().stem() {
            self.left_out = stem;
        }
    }

    pub(super) fn show(&mut self, context: &Context, params: &SextetParams, remote: &Remote) {
        if !self.is_open {
            return;
        }

        let modal = Modal::new(egui::Id::unique("render")).show(context, |ui| {
            ui.heading("Render to files");
            ui.add_space(4.0);
            self.folder.show(ui, Want::Folder, "Folder to write to");
            ui.add_enabled_ui(!self.format.is_joined(), |ui| {
                self.choose_stems(ui);
                self.choose_mixes(ui);
            });
            self.choose_format(ui);
            self.choose_bits(ui);
            self.choose_rate(ui, remote);

            ui.add_space(6.0);
            ui.horizontal(|ui| {
                let order = self.order(params, remote);
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

    fn choose_mixes(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            ui.checkbox(&mut self.as_heard, "Mix as heard")
                .on_hover_text("With the gains, mutes and solos of now, without automation.");
            ui.add_space(8.0);
            ui.checkbox(&mut self.without, "Mix without");

            let stems = ComboBox::from_id_salt("left out").selected_text(title(self.left_out));
            let choice = stems.show_ui(ui, |ui| {
                for stem in Stem::ALL {
                    ui.selectable_value(&mut self.left_out, stem, title(stem));
                }
            });
            let name = format!("Stem to leave out: {}", title(self.left_out));
            let choice = choice.response;
            choice.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, &name));
        });
    }

    fn choose_format(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            ui.label(RichText::new("Format").color(WEAK));
            for format in RenderFormat::ALL {
                choice(ui, &mut self.format, format, name(format));
            }
        });

        if self.format.needs_ffmpeg() {
            let what = match self.format {
                RenderFormat::StemMp4 => {
                    "One file with the mix and four stems. ffmpeg has to be installed."
                }
                _ => "ffmpeg has to be installed.",
            };
            ui.label(RichText::new(what).small().color(WEAK));
        }
    }

    fn choose_bits(&mut self, ui: &mut Ui) {
        let possible = self.format.bits();
        if possible.is_empty() {
            return;
        }
        if !possible.contains(&self.bits) {
            self.bits = RenderBits::Int24;
        }

        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            ui.label(RichText::new("Bits").color(WEAK));
            for &bits in possible {
                let text = match bits {
                    RenderBits::Int16 => "16 bit",
                    RenderBits::Int24 => "24 bit",
                    RenderBits::Float32 => "32 bit float",
                };
                choice(ui, &mut self.bits, bits, text);
            }
        });
    }

    fn choose_rate(&mut self, ui: &mut Ui, remote: &Remote) {
        let view = remote.view.get();
        let clip_hz = view.clip.as_ref().map(|wave| wave.placement.rate_hz);
        let Some((session_hz, clip_hz)) = remote.shared.session_hz().zip(clip_hz) else {
            return;
        };
        if session_hz == clip_hz {
            return;
        }

        ui.horizontal(|ui| {
            ui.label(RichText::new("Rate").color(WEAK));
            for (at_session_rate, hz, whose) in
                [(true, session_hz, "session"), (false, clip_hz, "clip")]
            {
                let text = format!("{} ({whose})", words::rate(hz));
                choice(ui, &mut self.at_session_rate, at_session_rate, text);
            }
        });
    }

    /// Returns the order to render; `None` while something is missing.
    fn order(&self, params: &SextetParams, remote: &Remote) -> Option<RenderRequest> {
        let folder = self.folder.path().filter(|folder| folder.is_absolute())?;
        let stems: Vec<Stem> = Stem::ALL
            .into_iter()
            .zip(self.stems)
            .filter_map(|(stem, on)| on.then_some(stem))
            .collect();
        let mixes = self.mixes(params);
        if stems.is_empty() && mixes.is_empty() && !self.format.is_joined() {
            return None;
        }

        let has_bits = self.format.bits().contains(&self.bits);
        Some(RenderRequest {
            folder,
            stems,
            mixes,
            format: self.format,
            bits: has_bits.then_some(self.bits),
            rate_hz: remote.shared.session_hz().filter(|_| self.at_session_rate),
        })
    }

    fn mixes(&self, params: &SextetParams) -> Vec<RenderMix> {
        let as_heard = self.as_heard.then(|| mix_as_heard(params));
        let without = self.without.then(|| mix_without(self.left_out));
        as_heard.into_iter().chain(without).collect()
    }
}

/// Returns a format's name for people.
fn name(format: RenderFormat) -> &'static str {
    match format {
        RenderFormat::Wav => "WAV",
        RenderFormat::Flac => "FLAC",
        RenderFormat::Aiff => "AIFF",
        RenderFormat::Mp3 => "MP3",
        RenderFormat::M4a => "AAC",
        RenderFormat::Opus => "Opus",
        RenderFormat::Alac => "ALAC",
        _ => "Stems",
    }
}
