//! Tests of the editor without a window: its display, its controls, and their accessibility.

mod keyboard;
mod panel;
mod scale;
mod truth;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use nice_plug::context::PluginApi;
use nice_plug::context::gui::{GuiContext, GuiContextInner};
use nice_plug::params::internals::ParamPtr;
use nice_plug::prelude::PluginState;
use nice_plug_egui::RepaintNotifier;
use sextet_protocol::{Fingerprint, Stem};

use super::{EditorApp, theme};
use crate::capture::Input;
use crate::params::SextetParams;
use crate::saved::{SavedClip, SavedField, SavedState, Settings};
use crate::session::{AudioEndpoint, Command, Phase, Session, View, channel};
use crate::test_folders::TestFolders;
use crate::worker::Launcher;
use sextet_plugin_testing::entry;

const SESSION_HZ: u32 = 48_000;
const BLOCK: usize = 512;
/// Time limit for the session: its threads are slow on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host that applies the editor's changes late: they wait until they are
/// [delivered](SlowHost::deliver).
struct SlowHost {
    /// Owner of the parameters that the changes point to.
    _params: Arc<SextetParams>,
    changes: Mutex<Vec<(ParamPtr, f32)>>,
}

impl SlowHost {
    fn deliver(&self) {
        for (param, value) in self.changes.lock().unwrap().drain(..) {
            // SAFETY: every pointer is to one of `self._params`, which is still here.
            unsafe { param._internal_set_normalized_value(value) };
        }
    }
}

impl GuiContextInner for SlowHost {
    fn plugin_api(&self) -> PluginApi {
        PluginApi::Clap
    }
    unsafe fn raw_begin_set_parameter(&self, _param: ParamPtr) {}
    unsafe fn raw_set_parameter_normalized(&self, param: ParamPtr, normalized: f32) {
        self.changes.lock().unwrap().push((param, normalized));
    }
    unsafe fn raw_end_set_parameter(&self, _param: ParamPtr) {}
    fn get_state(&self) -> PluginState {
        unimplemented!("the editor asks for no state")
    }
    fn set_state(&self, _state: PluginState) {
        unimplemented!("the editor sets no state")
    }
    fn request_restart(&self) {}
}

/// An instance without its framework: session, editor, and the audio thread's end of the lines.
struct EditorFixture {
    harness: Harness<'static, EditorApp>,
    host: Arc<SlowHost>,
    params: Arc<SextetParams>,
    saved: Arc<SavedField>,
    session: Session,
    end: AudioEndpoint,
    home: TestFolders,
}

impl EditorFixture {
    /// Starts an instance with no clip that separates nothing automatically.
    fn new() -> Self {
        Self::sized(egui::vec2(1020.0, 640.0), 1.0)
    }

    fn sized(points: egui::Vec2, pixels_per_point: f32) -> Self {
        let home = TestFolders::new();
        let saved = Arc::new(SavedField::default());
        let repaint = RepaintNotifier::default();
        let launcher = Launcher::new(home.folders.clone());
        let session = Session::start_at(saved.clone(), Ok(launcher), repaint.clone()).unwrap();

        let params = Arc::new(SextetParams::new(saved.clone(), repaint));
        let host = Arc::new(SlowHost {
            _params: params.clone(),
            changes: Mutex::default(),
        });
        let remote = session.remote().clone();
        let app = EditorApp::new(params.clone(), remote.clone());

        let context = GuiContext::new(host.clone());
        let harness = Harness::builder()
            .with_size(points)
            .with_pixels_per_point(pixels_per_point)
            // A panel that opens takes some frames, and the session may have something new to show
            // in each of them.
            .with_max_steps(30)
            .with_context_setup(theme::apply)
            .build_ui_state(move |ui, app: &mut EditorApp| app.draw(ui, &context), app);

        remote.shared.set_session_hz(SESSION_HZ);
        let (end, endpoint) = channel(SESSION_HZ, remote.thread(), &remote.shared);
        remote.send(Command::Activate(Box::new(endpoint)));

        let fixture = Self {
            harness,
            host,
            params,
            saved,
            session,
            end,
            home,
        };

        fixture.load(None);
        fixture
    }

    /// Starts an instance with a clip of a second whose stems are in the cache.
    fn ready(points: egui::Vec2, pixels_per_point: f32) -> Self {
        let mut fixture = Self::sized(points, pixels_per_point);
        let wave = |stem: Stem, side: usize, frame: u64| {
            ((frame % (50 + 7 * stem as u64)) as f32 - side as f32) / 400.0
        };
        let frames = u64::from(SESSION_HZ);

        let key = entry::make(&fixture.home.folders, SESSION_HZ, frames, wave);
        fixture.load(Some(clip(Some(key))));
        fixture.wait("stems and their waveforms", |view| {
            view.phase == Phase::Ready && view.stems.iter().all(Option::is_some)
        });

        fixture
    }

    /// Loads a state as a host loads a project.
    fn load(&self, clip: Option<SavedClip>) {
        let settings = Settings {
            automatic: false,
            ..Settings::default()
        };
        self.session
            .remote()
            .send(Command::Load(Box::new(SavedState {
                clip,
                settings,
                ..SavedState::default()
            })));
    }

    fn view(&self) -> Arc<View> {
        self.session.remote().view.get()
    }

    /// Waits until the session's view satisfies `is_so`, and draws it.
    fn wait(&mut self, what: &str, is_so: impl Fn(&View) -> bool) {
        let begun = Instant::now();
        while !is_so(&self.view()) {
            assert!(
                begun.elapsed() < PATIENCE,
                "{what}: {:?}",
                self.view().phase
            );
            std::thread::sleep(Duration::from_millis(2));
        }

        self.harness.run();
    }

    /// Plays one block of a constant value, or none while the transport stands.
    fn block(&mut self, position: Option<i64>, value: f32) {
        let side = [value; BLOCK];
        let input = Input {
            left: &side,
            right: &side,
            position,
            patience: crate::patience::Patience::Unlimited,
        };

        self.end.record(
            self.params.capture.value(),
            &input,
            &self.session.remote().shared,
        );
    }

    /// Plays ten blocks of a constant value and stops.
    fn pass(&mut self, value: f32) {
        for block in 0..10 {
            self.block(Some(block * BLOCK as i64), value);
        }
        self.block(None, 0.0);
    }

    /// Clicks the control of this name, and draws the result.
    fn click(&mut self, label: &str) {
        self.harness.run();
        self.harness.get_by_label(label).click();
        self.harness.run();
    }

    fn shows(&self, label: &str) -> bool {
        self.harness.query_all_by_label(label).next().is_some()
    }

    /// Returns whether the control of this name can be used. It must exist.
    fn can(&self, label: &str) -> bool {
        !self
            .harness
            .get_by_label(label)
            .accesskit_node()
            .is_disabled()
    }
}

/// Returns a clip of a second whose capture does not exist.
fn clip(key: Option<Fingerprint>) -> SavedClip {
    let (audio, frames) = (Fingerprint::of(b"a capture"), u64::from(SESSION_HZ));
    SavedClip {
        audio,
        start_frame: 0,
        frames,
        rate_hz: SESSION_HZ,
        name: "Chorus".to_owned(),
        key,
        silenced: crate::capture::Silenced::default(),
        file: None,
    }
}
