//! The editor: shows [`View`](crate::session::View) and the parameters, with the buttons that
//! change them.

mod clip;
mod dialog;
mod gain;
mod header;
mod lanes;
mod open;
#[cfg(debug_assertions)]
mod places;
mod render;
mod selector;
mod settings;
mod status;
#[cfg(test)]
mod tests;
mod theme;
mod waveform;
mod window;
mod words;

use std::sync::Arc;

use nice_plug::context::gui::GuiContext;
use nice_plug::prelude::ParamSetter;
use nice_plug_egui::baseview::HandlerError;
use nice_plug_egui::{Frame, NiceEguiApp};

use crate::params::SextetParams;
use crate::session::Remote;
use clip::Timeline;
use header::PanelRequest;
use open::OpenPanel;
use render::RenderPanel;
use settings::SettingsPanel;
pub(crate) use window::{EditorWindow, ScaledEditor};

/// The editor's state, from which every frame is drawn.
pub struct EditorApp {
    params: Arc<SextetParams>,
    remote: Remote,
    context: Option<GuiContext>,
    open: OpenPanel,
    render: RenderPanel,
    settings: SettingsPanel,
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

    /// Draws a frame. Changes are sent to `host`.
    fn draw(&mut self, ui: &mut egui::Ui, host: &GuiContext) {
        let setter = host.param_setter();
        let view = self.remote.view.get();
        let timeline = Timeline::new(&view, &self.remote.shared);

        self.disarm(&setter);
        let frame = egui::Frame::new()
            .fill(theme::BACKGROUND)
            .inner_margin(12.0);
        let request = egui::CentralPanel::default().frame(frame).show(ui, |ui| {
            let request = header::show(ui, &self.params, &setter, &view, &self.remote);
            clip::show(ui, &view, &timeline, &self.remote);
            selector::show(ui, &self.params, &setter);
            let foot = ui.available_rect_before_wrap();
            let (lanes, foot) = foot.split_top_bottom_at_y(foot.bottom() - 60.0);

            let place = |rect| egui::UiBuilder::new().max_rect(rect);
            lanes::show(
                &mut ui.new_child(place(lanes)),
                &self.params,
                &setter,
                &view,
                &timeline,
            );

            let foot = foot.with_min_y(foot.top() + 8.0);
            request.or(status::show(
                &mut ui.new_child(place(foot)),
                &view,
                &self.remote,
            ))
        });

        match request.inner {
            Some(PanelRequest::Open) => self.open.open(),
            Some(PanelRequest::Render) => self.render.open(),
            Some(PanelRequest::Settings) => self.settings.open(&view, &self.remote),
            None => {}
        }

        // Panels are shown above everything else.
        self.open.show(ui.ctx(), &self.remote);
        self.render.show(ui.ctx(), &self.remote);
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
        self.saw_take_over = false;
    }
}
