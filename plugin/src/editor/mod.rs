//! The editor: shows [`View`](crate::session::View) and the parameters, with the buttons that
//! change them.

mod clip;
mod dialog;
mod gain;
mod header;
mod heat;
mod lanes;
mod meter;
mod navigate;
mod open;
mod pictures;
#[cfg(debug_assertions)]
mod places;
mod render;
mod selector;
mod settings;
mod status;
#[cfg(test)]
mod tests;
mod theme;
mod timeline;
mod waveform;
mod window;
mod words;
mod zoom;

use std::sync::Arc;
use std::time::Duration;

use nice_plug::context::gui::GuiContext;
use nice_plug::prelude::ParamSetter;
use nice_plug_egui::baseview::HandlerError;
use nice_plug_egui::{Frame, NiceEguiApp};

use crate::params::SextetParams;
use crate::session::{Command, Phase, Remote, View};
use clip::Canvas;
use header::PanelRequest;
use meter::Meter;
use open::OpenPanel;
use pictures::Pictures;
use render::RenderPanel;
use settings::SettingsPanel;
use timeline::Timeline;
pub(crate) use window::{EditorWindow, ScaledEditor};
use zoom::Zoom;

/// The editor's state, from which every frame is drawn.
pub struct EditorApp {
    params: Arc<SextetParams>,
    remote: Remote,
    context: Option<GuiContext>,
    open: OpenPanel,
    render: RenderPanel,
    settings: SettingsPanel,
    zoom: Zoom,
    pictures: Pictures,
    meter: Meter,
    /// Whether it was noticed that the take is over.
    saw_take_over: bool,
}

impl EditorApp {
    fn new(params: Arc<SextetParams>, remote: Remote) -> Self {
        let (open, render, settings) = (
            OpenPanel::default(),
            RenderPanel::default(),
            SettingsPanel::default(),
        );
        Self {
            params,
            remote,
            context: None,
            open,
            render,
            settings,
            zoom: Zoom::default(),
            pictures: Pictures::default(),
            meter: Meter::default(),
            saw_take_over: false,
        }
    }

    /// Disarms a capture whose take is over, so that hosts do not show it as armed.
    fn disarm(&mut self, setter: &ParamSetter<'_>) {
        let over = self.remote.shared.is_take_over();
        let newly = over && !std::mem::replace(&mut self.saw_take_over, over);
        if newly && self.params.capture.value() {
            header::set_capture(&self.params, setter, false);
        }
    }

    /// Reads the levels, which are drawn again while they fall.
    fn read_meters(&mut self, ui: &egui::Ui) {
        let now_s = ui.input(|input| input.time);
        let peaks = self.remote.shared.meters.take();
        if let Some(seconds) = self.meter.update(&peaks, now_s) {
            let later = Duration::from_secs_f64(seconds);
            ui.ctx().request_repaint_after(later);
        }
    }

    /// Draws the lanes of the clip and the stems, and the main output's choice between them.
    /// Returns the area that is left at the foot.
    fn draw_clip(
        &mut self,
        ui: &mut egui::Ui,
        setter: &ParamSetter<'_>,
        view: &View,
    ) -> egui::Rect {
        let timeline = Timeline::new(view, &self.remote.shared, &mut self.zoom);
        let mut canvas = Canvas {
            view,
            timeline: &timeline,
            zoom: &mut self.zoom,
            pictures: &mut self.pictures,
            meter: &self.meter,
        };

        let wave = Timeline::wave_in(ui.available_rect_before_wrap());
        clip::show(ui, &mut canvas, &self.remote);
        selector::show(ui, &self.params, setter);
        let foot = ui.available_rect_before_wrap();
        let (lanes, foot) = foot.split_top_bottom_at_y(foot.bottom() - 60.0);

        let place = egui::UiBuilder::new().max_rect(lanes);
        lanes::show(&mut ui.new_child(place), &self.params, setter, &mut canvas);

        let total_s = timeline.total_s();
        self.zoom.note(timeline.playhead_in_clip_s(), total_s);
        if self.zoom.shown(total_s) != timeline.shown() && view.phase != Phase::Capturing {
            ui.ctx().request_repaint();
        }
        let pixels = ui.pixels_per_point();
        if let Some(look) = self.pictures.ask(&timeline, wave, pixels) {
            self.remote.send(Command::LookCloser(look));
        }

        foot
    }

    /// Draws a frame. Changes are sent to `host`.
    fn draw(&mut self, ui: &mut egui::Ui, host: &GuiContext) {
        let setter = host.param_setter();
        let view = self.remote.view.get();
        self.disarm(&setter);
        self.read_meters(ui);
        let frame = egui::Frame::new()
            .fill(theme::BACKGROUND)
            .inner_margin(12.0);
        let request = egui::CentralPanel::default().frame(frame).show(ui, |ui| {
            let request = header::show(ui, &self.params, &setter, &view, &self.remote);
            let foot = self.draw_clip(ui, &setter, &view);
            let foot = foot.with_min_y(foot.top() + 8.0);
            let place = egui::UiBuilder::new().max_rect(foot);
            request.or(status::show(&mut ui.new_child(place), &view, &self.remote))
        });

        match request.inner {
            Some(PanelRequest::Open) => self.open.open(),
            Some(PanelRequest::Render) => self.render.open(&self.params),
            Some(PanelRequest::Settings) => self.settings.open(&view, &self.remote),
            None => {}
        }

        // Panels are shown above everything else.
        self.open.show(ui.ctx(), &self.remote);
        self.render.show(ui.ctx(), &self.params, &self.remote);
        self.settings.show(ui.ctx(), &view, &self.remote);
    }
}

impl NiceEguiApp for EditorApp {
    fn build(
        &mut self,
        context: egui::Context,
        host: GuiContext,
        _frame: &mut Frame,
    ) -> Result<(), HandlerError> {
        theme::apply(&context);
        #[cfg(debug_assertions)]
        places::write(&context);
        self.context = Some(host);
        Ok(())
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut Frame) {
        let Some(host) = self.context.clone() else {
            return;
        };
        self.draw(ui, &host);
        // The effects of a click are shown in the next frame, which egui-baseview does not draw by
        // itself.
        if ui.input(|input| !input.events.is_empty()) {
            ui.ctx().request_repaint();
        }
    }

    fn editor_closed(&mut self) {
        self.context = None;
        self.pictures.clear();
        self.saw_take_over = false;
    }
}
