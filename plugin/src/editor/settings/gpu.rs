//! The engine and the GPU: the choice of the engine, and the GPU with what it lacks.

use egui::accesskit::Role;
use egui::{Button, Color32, Label, RichText, Sense, Ui, WidgetInfo, vec2};
use sextet_protocol::worker::{EngineName, Gpu, GpuSetup, GpuState};

use super::super::theme::{ACCENT, GOOD, TROUBLE, WEAK};
use super::super::words;
use super::controls::{cancel_button, main_button, section, send, strong, task, weak};
use crate::saved::Settings;
use crate::session::{Remote, TaskState, UpkeepRequest, UpkeepState, View};

/// Returns the engines that can be chosen, each with its name and description. The GPU's depends on
/// the machine.
fn choices(upkeep: &UpkeepState) -> [(EngineName, &'static str, &'static str); 3] {
    let machine = upkeep.machine.as_ref();
    let on_gpu = machine.and_then(|machine| machine.gpu.engine);
    [
        (
            EngineName::Auto,
            "Fastest",
            "The GPU where it can be used, else the CPU.",
        ),
        (
            EngineName::Cpu,
            "CPU",
            "The CPU, also where there is a GPU.",
        ),
        (
            on_gpu.unwrap_or(EngineName::Cuda),
            "GPU",
            "The GPU. Where it cannot be used, nothing is separated.",
        ),
    ]
}

/// Returns whether an engine computes on the GPU.
fn is_on_gpu(engine: EngineName) -> bool {
    matches!(engine, EngineName::Cuda | EngineName::Tensorrt)
}

/// The panel's part about the engine and the GPU.
#[derive(Default)]
pub(super) struct GpuPart {
    /// Whether the terms of the setup are shown and wait for consent.
    is_asking: bool,
}

impl GpuPart {
    pub(super) fn show(
        &mut self,
        ui: &mut Ui,
        view: &View,
        settings: &mut Settings,
        remote: &Remote,
    ) {
        section(ui, "Engine", |ui| {
            engines(ui, settings, &view.upkeep);
            found(ui, &view.upkeep, settings.engine, remote);
            self.set_up(ui, &view.upkeep, remote);
        });
    }

    fn set_up(&mut self, ui: &mut Ui, upkeep: &UpkeepState, remote: &Remote) {
        if task(ui, &upkeep.set_up, "Cancel setting up the GPU") {
            send(remote, UpkeepRequest::CancelSetUp);
        }

        let setup = upkeep
            .machine
            .as_ref()
            .and_then(|machine| machine.gpu.setup.as_ref());
        match (&upkeep.set_up, setup) {
            (TaskState::Running(_), _) | (_, None) => self.is_asking = false,
            (_, Some(setup)) if self.is_asking => self.ask(ui, setup, remote),
            (TaskState::Failed(_), _) => {
                if ui.add(main_button("Go on setting up the GPU")).clicked() {
                    send(remote, UpkeepRequest::SetUpGpu);
                }
            }
            (TaskState::Idle, Some(setup)) => {
                ui.horizontal(|ui| {
                    self.is_asking = ui.add(main_button("Set up the GPU")).clicked();
                    weak(
                        ui,
                        &format!("{} to be fetched, once", words::bytes(setup.bytes)),
                    );
                });
            }
        }
    }

    /// Shows the terms of the setup, before anything is fetched.
    fn ask(&mut self, ui: &mut Ui, setup: &GpuSetup, remote: &Remote) {
        strong(
            ui,
            &format!(
                "To be fetched: {}, {}",
                setup.what,
                words::bytes(setup.bytes)
            ),
        );

        weak(ui, &setup.licence);
        weak(ui, &format!("It is put into {}", setup.folder.display()));
        ui.horizontal(|ui| {
            if ui.add(main_button("Set up")).clicked() {
                send(remote, UpkeepRequest::SetUpGpu);
                self.is_asking = false;
            }
            self.is_asking &= !cancel_button(ui, "Do not set up the GPU");
        });
    }
}

/// Shows the choice of the engine.
fn engines(ui: &mut Ui, settings: &mut Settings, upkeep: &UpkeepState) {
    ui.horizontal(|ui| {
        for (engine, name, what) in choices(upkeep) {
            let both_on_gpu = is_on_gpu(engine) && is_on_gpu(settings.engine);
            let chosen = settings.engine == engine || both_on_gpu;
            let response = ui
                .add(Button::selectable(chosen, name).frame_when_inactive(true))
                .on_hover_text(what);
            response.widget_info(|| {
                WidgetInfo::selected(Role::RadioButton, true, chosen, format!("Engine: {name}"))
            });

            if response.clicked() {
                settings.engine = engine;
            }
        }
    });
}

/// Shows the state of the GPU, or of the search for it.
fn found(ui: &mut Ui, upkeep: &UpkeepState, engine: EngineName, remote: &Remote) {
    match (&upkeep.machine, &upkeep.inspection) {
        (Some(machine), _) => facts(ui, &machine.gpu, engine),
        (None, TaskState::Running(_)) => weak(ui, "Looking for a GPU"),
        (None, look) => {
            task(ui, look, "");
            if ui.button("Look for a GPU").clicked() {
                send(remote, UpkeepRequest::Inspect);
            }
        }
    }
}

/// Shows the GPU's state as a dot and a sentence, and its parts below.
fn facts(ui: &mut Ui, gpu: &Gpu, engine: EngineName) {
    ui.horizontal_top(|ui| {
        let (dot, _) = ui.allocate_exact_size(vec2(12.0, 18.0), Sense::hover());
        ui.painter()
            .circle_filled(dot.center(), 4.5, colour(gpu.state));
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 3.0;
            strong(ui, &gpu.message);
            weak(ui, &parts(gpu).join(words::BETWEEN));

            if let Some((text, colour)) = at_odds(gpu, engine) {
                ui.add(Label::new(RichText::new(text).color(colour)).wrap());
            }

            // The setup is described beside its button.
            if gpu.setup.is_none() {
                weak(ui, &gpu.remedy);
            }
        });
    });
}

/// Returns the effect of the chosen engine on this GPU, where it differs from the GPU's own
/// sentence.
fn at_odds(gpu: &Gpu, engine: EngineName) -> Option<(&'static str, Color32)> {
    match (gpu.state, engine) {
        (GpuState::Ready, EngineName::Cpu) => {
            Some(("The CPU is chosen, so the GPU is not used.", WEAK))
        }
        (GpuState::Ready, EngineName::Tensorrt) if gpu.engine != Some(engine) => Some((
            "TensorRT was chosen before and is used, which may have to be set up: choose GPU to do without it.",
            WEAK,
        )),
        (GpuState::Ready, EngineName::Cuda) if gpu.engine != Some(engine) => Some((
            "CUDA kernels are chosen, which do not run on this GPU: choose Fastest or GPU.",
            TROUBLE,
        )),
        (GpuState::Ready, _) | (_, EngineName::Auto | EngineName::Cpu) => None,
        (_, EngineName::Cuda | EngineName::Tensorrt) => Some((
            "The GPU is chosen, so nothing can be separated now: choose Fastest or CPU.",
            TROUBLE,
        )),
    }
}

/// Returns the names of GPU, driver and library.
fn parts(gpu: &Gpu) -> Vec<String> {
    let driver = gpu.driver.iter().map(|driver| format!("Driver {driver}"));
    gpu.devices
        .iter()
        .cloned()
        .chain(driver)
        .chain(gpu.library.clone())
        .collect()
}

/// Returns the colour of a state. A machine without a GPU has no fault.
fn colour(state: GpuState) -> Color32 {
    match state {
        GpuState::Ready => GOOD,
        GpuState::ToBeSetUp => ACCENT,
        GpuState::Unusable => TROUBLE,
        GpuState::NoGpu => WEAK,
    }
}
