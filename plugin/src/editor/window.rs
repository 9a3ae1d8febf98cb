//! The window of nice-plug, whose size is remembered while it is closed.

use std::error::Error;
use std::sync::{Arc, OnceLock};

use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::NativeSize;
use nice_plug::editor::{HostMethods, ParentWindowHandle, SizeConstraints, SpawnedEditor};
use nice_plug::prelude::{Editor, ResizeHint, TrackInfo};
use nice_plug_egui::baseview::dpi::LogicalSize;
use nice_plug_egui::{EguiEditor, EguiEditorState, EguiNiceSettings, create_egui_editor};

use super::EditorApp;
use crate::params::SextetParams;
use crate::session::Remote;

/// Size of a new editor, in points.
pub(super) const SIZE: LogicalSize<f32> = LogicalSize::new(1020.0, 640.0);
/// Smallest size, in points. Below it, parts would overlap.
pub(super) const MIN_SIZE: LogicalSize<f32> = LogicalSize::new(820.0, 540.0);

/// The part of the window's state that outlives it.
pub(crate) struct EditorWindow {
    state: Arc<EguiEditorState>,
}

impl Default for EditorWindow {
    fn default() -> Self {
        Self {
            state: EguiEditorState::from_size(SIZE, 1.0),
        }
    }
}

impl EditorWindow {
    /// Creates the editor for nice-plug.
    pub(crate) fn editor(&self, params: Arc<SextetParams>, remote: Remote) -> Option<ScaledEditor> {
        let resize_hint = ResizeHint {
            can_resize: true,
            can_resize_horizontally: true,
            can_resize_vertically: true,
            size_constraints: SizeConstraints::min_logical_size(MIN_SIZE),
            ..ResizeHint::NON_RESIZABLE
        };

        let settings = EguiNiceSettings {
            title: "Sextet".to_owned(),
            resize_hint,
            ..EguiNiceSettings::default()
        };

        let repaint = remote.shared.repaint.clone();
        let editor = create_egui_editor(
            self.state.clone(),
            repaint,
            settings,
            EditorApp::new(params, remote),
        )?;

        Some(ScaledEditor {
            editor,
            state: self.state.clone(),
            pixels_per_point: OnceLock::new(),
        })
    }
}

/// The editor of nice-plug, which tells hosts its size in pixels before there is a window.
///
/// nice-plug's own answer takes a point for a pixel until the window has been resized once. A host
/// that asks first, as VST3 hosts do, would make room for half the window on a screen of twice the
/// density.
pub struct ScaledEditor {
    editor: EguiEditor<EditorApp>,
    state: Arc<EguiEditorState>,
    pixels_per_point: OnceLock<Option<f64>>,
}

impl Editor for ScaledEditor {
    type Handle = <EguiEditor<EditorApp> as Editor>::Handle;

    fn spawn(
        &self,
        parent: Option<ParentWindowHandle>,
        wait_for_parent: bool,
        fallback_scale_factor: Option<f64>,
        context: GuiContext,
        host: Option<HostMethods>,
    ) -> Result<SpawnedEditor<Self::Handle>, Box<dyn Error>> {
        self.editor.spawn(
            parent,
            wait_for_parent,
            fallback_scale_factor,
            context,
            host,
        )
    }

    fn size(&self) -> NativeSize<u32> {
        match self.pixels_per_point.get_or_init(system_scale) {
            Some(scale) => NativeSize::from_size(self.state.logical_size().into(), *scale),
            None => self.editor.size(),
        }
    }

    fn resize_hint(&self) -> ResizeHint {
        self.editor.resize_hint()
    }

    fn track_info_updated(&self, info: TrackInfo) {
        self.editor.track_info_updated(info);
    }
}

/// Returns the number of pixels per point that the desktop sets (`Xft.dpi`), with which baseview
/// opens windows.
#[cfg(target_os = "linux")]
fn system_scale() -> Option<f64> {
    let (connection, _) = x11rb::connect(None).ok()?;
    let database = x11rb::resource_manager::new_from_default(&connection).ok()?;
    let dots_per_inch: f64 = database.get_value("Xft.dpi", "").ok().flatten()?;
    (dots_per_inch > 0.0).then_some(dots_per_inch / 96.0)
}

/// Returns `None`: macOS counts in points, and on Windows the window's own screen tells the scale
/// once it is open.
#[cfg(not(target_os = "linux"))]
fn system_scale() -> Option<f64> {
    None
}
