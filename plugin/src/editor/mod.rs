//! The editor.
use std::sync::Arc;
use nice_plug_egui::{EguiEditor, EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, create_egui_editor, baseview::dpi::LogicalSize};
use crate::params::SextetParams;
use crate::session::Remote;
/// x
pub struct EditorApp { _params: Arc<SextetParams>, _remote: Remote }
pub(crate) struct EditorWindow { state: Arc<EguiEditorState> }
impl Default for EditorWindow { fn default() -> Self { Self { state: EguiEditorState::from_size(LogicalSize::new(960.0, 640.0), 1.0) } } }
impl EditorWindow {
    pub(crate) fn editor(&self, params: Arc<SextetParams>, remote: Remote) -> Option<EguiEditor<EditorApp>> {
        create_egui_editor(self.state.clone(), remote.link.repaint.clone(), EguiNiceSettings::default(), EditorApp { _params: params, _remote: remote })
    }
}
impl NiceEguiApp for EditorApp { fn ui(&mut self, _: &mut egui::Ui, _: &mut Frame) {} }
