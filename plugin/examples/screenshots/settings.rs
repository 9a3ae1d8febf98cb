//! Pictures of the settings on machines of every kind, as a stand-in worker reports them.

use sextet_protocol::worker::GpuState;

use crate::stage::{Stage, Studio};
use crate::stand_in::{self, Script};
use sextet_plugin_testing::clap_host::Host;

/// A picture: its name, the machine, whether it has a network, and the steps before the picture is
/// taken.
struct Scene {
    name: &'static str,
    state: GpuState,
    is_online: bool,
    act: fn(&Stage<'_>),
}

const fn scene(name: &'static str, state: GpuState, act: fn(&Stage<'_>)) -> Scene {
    Scene {
        name,
        state,
        is_online: true,
        act,
    }
}

const SCENES: [Scene; 17] = [
    scene("settings-no-gpu", GpuState::NoGpu, |_| {}),
    scene("settings-old-driver", GpuState::Unusable, |_| {}),
    scene("settings-to-be-set-up", GpuState::ToBeSetUp, |_| {}),
    scene("settings-licence", GpuState::ToBeSetUp, |stage| {
        stage.press("Set up the GPU", "To be fetched")
    }),
    scene("settings-setting-up", GpuState::ToBeSetUp, set_up),
    Scene {
        is_online: false,
        ..scene("settings-set-up-failed", GpuState::ToBeSetUp, set_up)
    },
    scene("settings-ready", GpuState::Ready, |_| {}),
    scene("settings-gpu-insisted", GpuState::NoGpu, |stage| {
        stage.press("Engine: GPU", "is chosen, so")
    }),
    scene("settings-cpu-insisted", GpuState::Ready, |stage| {
        stage.press("Engine: CPU", "is chosen, so")
    }),
    scene("settings-models", GpuState::Ready, |stage| {
        stage.reveal("Add the checkpoint")
    }),
    scene("settings-offer", GpuState::Ready, ask_for_model),
    scene("settings-fetching", GpuState::Ready, fetch),
    Scene {
        is_online: false,
        ..scene("settings-fetch-failed", GpuState::Ready, fetch)
    },
    scene("settings-checkpoint", GpuState::Ready, |stage| {
        add(stage, &named("safetensors"), "a file of yours")
    }),
    scene("settings-pickle", GpuState::Ready, |stage| {
        add(stage, &named("th"), "of PyTorch's")
    }),
    scene("settings-long-path", GpuState::Ready, |stage| {
        add(stage, &long_path("th"), "of PyTorch's")
    }),
    scene("setting-up-behind", GpuState::ToBeSetUp, |stage| {
        set_up(stage);
        stage.escape();
    }),
];

/// Sizes of the editor and pixels per point in which the most crowded states are shown, too.
const SIZES: [(&str, u32, u32, f64); 3] = [
    ("small", 820, 540, 1.0),
    ("small-dense", 820, 540, 1.5),
    ("dense", 1020, 640, 1.5),
];
const CROWDED: [&str; 5] = [
    "settings-licence",
    "settings-set-up-failed",
    "settings-offer",
    "settings-fetch-failed",
    "settings-long-path",
];

pub(crate) fn pictures(studio: &Studio) {
    let here = stand_in::this_machine();
    for scene in &SCENES {
        let script = Script::of(stand_in::with_gpu(&here, scene.state));
        stand_in::play(&Script {
            is_online: scene.is_online,
            ..script
        });
        picture(studio, scene, scene.name, (1020, 640), 1.0);

        for (size, width, height, pixels_per_point) in SIZES {
            if CROWDED.contains(&scene.name) {
                let name = format!("{}-{size}", scene.name);
                picture(studio, scene, &name, (width, height), pixels_per_point);
            }
        }
    }
}

fn picture(
    studio: &Studio,
    scene: &Scene,
    name: &str,
    (width, height): (u32, u32),
    pixels_per_point: f64,
) {
    if !studio.wants(name) {
        return;
    }

    let mut stage = studio.stage(Host::new(), pixels_per_point);
    if (width, height) != (1020, 640) {
        stage.resize(width, height);
    }

    stage.press("Settings", "part of Sextet");
    (scene.act)(&stage);
    stage.picture(name);
    stage.close();
}

fn set_up(stage: &Stage<'_>) {
    stage.press("Set up the GPU", "To be fetched");
    stage.press("Set up", "ting up the GPU");
}

fn ask_for_model(stage: &Stage<'_>) {
    stage.reveal("Fetch htdemucs_6s");
    stage.press("Fetch htdemucs_6s", "huggingface.co");
    stage.reveal("Fetch");
}

fn fetch(stage: &Stage<'_>) {
    ask_for_model(stage);
    stage.press("Fetch", "fetching htdemucs_6s");
}

/// Enters a checkpoint and waits until `told` is shown.
fn add(stage: &Stage<'_>, path: &str, told: &str) {
    stage.reveal("Add the checkpoint");
    stage.write("Path of a .safetensors or .yaml file", path);
    stage.press("Add the checkpoint", told);
}

fn named(kind: &str) -> String {
    format!("/home/you/models/my-band.{kind}")
}

fn long_path(kind: &str) -> String {
    let folder = "/mnt/studio/sessions/2026/the-album-that-took-us-nine-years/stems/experiments/checkpoints/";
    format!("{folder}epoch-0427-of-the-second-attempt-with-more-guitars-and-less-reverb.{kind}")
}
