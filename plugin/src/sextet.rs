//! The plugin: the calls of nice-plug, and the path of one block from input to buses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nice_plug::prelude::*;
use nice_plug_egui::RepaintNotifier;

use crate::capture::Input;
use crate::editor::{EditorWindow, ScaledEditor};
use crate::main_bus::MainBus;
use crate::params::{CAPTURE_ID, SextetParams};
use crate::patience::{Lead, Patience};
use crate::playback::{Block, Player};
use crate::saved::SavedField;
use crate::session::{AudioEndpoint, Command, Remote, Session, channel};
use crate::shim::{Fence, is_offline, remember_executor};

const MONO: NonZeroU32 = new_nonzero_u32(1);
const STEREO: NonZeroU32 = new_nonzero_u32(2);
/// Time that an offline render sleeps between checks for stems that are being made.
const OFFLINE_NAP: Duration = Duration::from_millis(1);

/// Returns a layout of the main bus. The stems' buses are stereo in all of them.
const fn layout(input: NonZeroU32, output: NonZeroU32, name: &'static str) -> AudioIOLayout {
    AudioIOLayout {
        main_input_channels: Some(input),
        main_output_channels: Some(output),
        aux_input_ports: &[],
        aux_output_ports: &[STEREO; 6],
        names: PortNames {
            layout: Some(name),
            // nice-plug 0.4.2 gives the main output the main input's name, and JACK refuses a name
            // that is used twice.
            main_input: None,
            main_output: Some("Main"),
            aux_inputs: &[],
            aux_outputs: &["Drums", "Bass", "Other", "Vocals", "Guitar", "Piano"],
        },
    }
}

/// One instance.
pub struct Sextet {
    params: Arc<SextetParams>,
    window: EditorWindow,
    /// The session; `None` where the system gives no thread. The track plays dry then.
    session: Option<Session>,
    audio: Option<Audio>,
}

/// The audio thread's state while the plugin is active.
struct Audio {
    end: AudioEndpoint,
    player: Player,
    main: MainBus,
    /// Whether the instance was activated for an offline render.
    offline: bool,
    lead: Lead,
    /// Number of frames since the beginning, for a render in a host that has no transport.
    elapsed: i64,
    /// Whether the host has a transport.
    has_transport: bool,
}

impl Default for Sextet {
    fn default() -> Self {
        let saved = Arc::new(SavedField::default());
        let repaint = RepaintNotifier::default();
        let session = Session::start(saved.clone(), repaint.clone()).ok();
        Self {
            params: Arc::new(SextetParams::new(saved, repaint)),
            window: EditorWindow::default(),
            session,
            audio: None,
        }
    }
}

impl Plugin for Sextet {
    const NAME: &'static str = "Sextet";
    const VENDOR: &'static str = "Sextet";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[
        layout(STEREO, STEREO, "Six stems"),
        layout(MONO, STEREO, "Six stems of a mono track"),
        layout(MONO, MONO, "Six stems of a mono track, mono main output"),
    ];
    const SAMPLE_ACCURATE_AUTOMATION: bool = true;
    /// Points of automation in a block; more are thinned.
    const INPUT_EVENT_CAPACITY: usize = 2_048;

    type SysExMessage = ();
    type BackgroundTask = Fence;
    type Editor = ScaledEditor;

    fn task_executor(&mut self) -> TaskExecutor<Self> {
        Box::new(Fence::pass)
    }

    fn params(&self) -> Arc<dyn Params> {
        self.params.clone()
    }

    fn editor(&mut self, executor: AsyncExecutor<Self>) -> Option<Self::Editor> {
        remember_executor(&executor);
        let session = self.session.as_ref()?;
        self.window
            .editor(self.params.clone(), session.remote().clone())
    }

    /// Removes the capture's parameter from the state, so that a project that was saved while
    /// capture was armed does not begin to capture when it is played.
    fn filter_state(state: &mut PluginState) {
        state.params.remove(CAPTURE_ID);
    }

    fn activate(
        &mut self,
        layout: &AudioIOLayout,
        config: &BufferConfig,
        context: &mut impl ActivateContext<Self>,
    ) -> bool {
        context.set_latency_samples(0);
        let Some(session) = &self.session else {
            return true;
        };

        let session_hz = config.sample_rate.round() as u32;
        let remote = session.remote();
        remote.shared.set_session_hz(session_hz);
        let (end, endpoint) = channel(session_hz, remote.thread(), &remote.shared);

        remote.send(Command::Activate(Box::new(endpoint)));
        let offline = config.process_mode == ProcessMode::Offline;
        self.audio = Some(Audio {
            end,
            player: Player::new(config.sample_rate),
            main: MainBus::new(layout, config.max_buffer_size as usize),
            offline,
            lead: Lead::new(config.sample_rate),
            elapsed: 0,
            has_transport: false,
        });

        true
    }

    fn reset(&mut self) {
        if let Some(audio) = &mut self.audio {
            audio.player.reset();
            audio.lead.reset();
            audio.elapsed = 0;
        }
    }

    fn process(
        &mut self,
        buffer: &mut Buffer,
        aux: &mut AuxiliaryBuffers,
        context: &mut impl ProcessContext<Self>,
    ) -> ProcessStatus {
        let (Some(audio), Some(session)) = (&mut self.audio, &self.session) else {
            silence(aux);
            return ProcessStatus::Normal;
        };

        let transport = context.transport();
        let frames = buffer.samples();
        let offline = is_offline().unwrap_or(audio.offline);
        let position = audio.position(transport, frames, offline);
        let patience = audio.patience(position, frames, offline);
        let loop_stretch = transport.loop_range_samples();
        let loop_start = loop_stretch.map(|(start, _)| start);
        let Audio {
            end, player, main, ..
        } = audio;

        let Some(sides) = main.sides(buffer) else {
            silence(aux);
            return ProcessStatus::Normal;
        };
        let Some(mut block) = block_of(sides, aux, position, loop_start, patience) else {
            silence(aux);
            return ProcessStatus::Normal;
        };

        // Pass the input to the recorder.
        let remote = session.remote();
        let [left, right] = &block.main;
        let input = Input {
            left,
            right,
            position,
            patience,
        };
        end.record(self.params.capture.value(), &input, &remote.shared);

        // Wait in a render until the stems are there, then play them.
        if offline {
            wait_for_stems(end, remote, position);
        }
        player.play(end.deck(), &self.params.levels(), &mut block);
        let is_heard = remote.shared.meters.measure(&block);
        main.fold(buffer);

        // Show transport and levels in the editor.
        let shared = &remote.shared;
        let is_changed = [
            shared.transport(position),
            shared.set_loop(loop_stretch),
            is_heard,
        ];
        if is_changed.contains(&true) {
            shared.repaint.request_repaint();
        }

        ProcessStatus::KeepAlive
    }

    fn stop_processing(&mut self) {
        self.end_take();
    }

    fn deactivate(&mut self) {
        self.end_take();
        self.audio = None;
        if let Some(session) = &self.session {
            session.remote().shared.transport(None);
            session.remote().thread().unpark();
        }
    }
}

impl Audio {
    /// Returns the timeline's frame at the block's start; `None` while the transport stands. A
    /// render in a host without a transport begins at 0 and always runs.
    fn position(&mut self, transport: &Transport, frames: usize, offline: bool) -> Option<i64> {
        // A host without a transport always reports that it stands at 0.
        self.has_transport |= transport.playing || transport.pos_samples().unwrap_or(0) != 0;
        let begun = self.elapsed;
        self.elapsed += frames as i64;
        if offline && !self.has_transport {
            return Some(begun);
        }
        transport.pos_samples().filter(|_| transport.playing)
    }

    /// Returns the time that the host gives a block.
    fn patience(&mut self, position: Option<i64>, frames: usize, offline: bool) -> Patience {
        if offline {
            return Patience::Unlimited;
        }
        if position.is_none() {
            self.lead.reset();
            return Patience::None;
        }
        self.lead.patience(frames, Instant::now())
    }
}

impl Sextet {
    /// Ends a running take.
    fn end_take(&mut self) {
        if let (Some(audio), Some(session)) = (&mut self.audio, &self.session) {
            audio.end.end_take(&session.remote().shared);
        }
    }
}

/// Waits in an offline render while stems are being made or loaded.
fn wait_for_stems(end: &mut AudioEndpoint, remote: &Remote, position: Option<i64>) {
    while position.is_some()
        && !end.recorder.is_rolling()
        && end.deck().is_none()
        && remote.shared.is_pending()
    {
        std::thread::sleep(OFFLINE_NAP);
    }
}

/// Returns the host's buffers as a block; `None` if they are not the announced ones. The shims
/// ensure that they are.
fn block_of<'a>(
    main: [&'a mut [f32]; 2],
    aux: &'a mut AuxiliaryBuffers<'_>,
    position: Option<i64>,
    loop_start: Option<i64>,
    patience: Patience,
) -> Option<Block<'a>> {
    let [drums, bass, other, vocals, guitar, piano] = aux.outputs else {
        return None;
    };

    let stems = [
        stereo(drums)?,
        stereo(bass)?,
        stereo(other)?,
        stereo(vocals)?,
        stereo(guitar)?,
        stereo(piano)?,
    ];

    Some(Block {
        main,
        stems,
        position,
        loop_start,
        patience,
    })
}

fn stereo<'a>(buffer: &'a mut Buffer<'_>) -> Option<[&'a mut [f32]; 2]> {
    let [left, right] = buffer.as_slice() else {
        return None;
    };
    Some([left, right])
}

fn silence(aux: &mut AuxiliaryBuffers<'_>) {
    for channel in aux.outputs.iter_mut().flat_map(|bus| bus.as_slice()) {
        channel.fill(0.0);
    }
}

impl ClapPlugin for Sextet {
    const CLAP_ID: &'static str = "dev.sextet.separator";
    const CLAP_DESCRIPTION: Option<&'static str> = Some(
        "Splits a clip into drums, bass, other, vocals, guitar and piano, in its place on the timeline",
    );
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] = &[
        ClapFeature::AudioEffect,
        ClapFeature::Stereo,
        ClapFeature::Utility,
        ClapFeature::Mixing,
    ];
}

impl Vst3Plugin for Sextet {
    const VST3_CLASS_ID: [u8; 16] = *b"SextetSeparator1";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] =
        &[Vst3SubCategory::Fx, Vst3SubCategory::Tools];
}
