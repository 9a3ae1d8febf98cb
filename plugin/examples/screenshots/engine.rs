//! Pictures of the first separation on a GPU, and of the hint that there is one. A stand-in worker
//! reports the progress.

use std::time::Duration;

use serde_json::json;
use sextet_protocol::worker::GpuState;

use crate::clip::Made;
use crate::stage::{BLOCK, Studio};
use crate::stand_in::{self, Script, Separation};
use sextet_plugin_testing::clap_host::Host;

pub(crate) fn pictures(studio: &Studio, made: &Made) {
    let here = stand_in::this_machine();
    let [ready, idle] =
        [GpuState::Ready, GpuState::ToBeSetUp].map(|state| stand_in::with_gpu(&here, state));

    let key = serde_json::from_value(made.key()).unwrap();
    for (name, machine, separation, shown) in [
        (
            "building-engine",
            &ready,
            Separation::Building,
            "Building the engine",
        ),
        (
            "compiling-engine",
            &ready,
            Separation::Compiling,
            "The GPU compiles",
        ),
        (
            "waiting",
            &ready,
            Separation::Waiting,
            "Waiting for another",
        ),
        ("gpu-hint", &idle, Separation::Done(key), "Your NVIDIA GPU"),
    ] {
        stand_in::play(&Script {
            separation,
            ..Script::of(machine.clone())
        });
        let mut host = Host::new();
        host.activate(made.rate_hz, BLOCK as u32);
        assert!(host.load(&made.project(false, &json!({ "automatic": false }))));
        let stage = studio.stage(host, 1.0);
        stage.wait_to_show("Ready to separate");
        stage.press("Separate", shown);
        // The waveforms of existing stems are drawn as the scan of their files goes on.
        std::thread::sleep(Duration::from_secs(6));
        stage.picture(name);
        stage.close();
    }
}
