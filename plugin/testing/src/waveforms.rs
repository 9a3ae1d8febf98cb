//! An instance whose editor has something to show: a clip with stems whose waveforms differ.

use std::time::Duration;

use sextet_protocol::Fingerprint;

use crate::clap_host::Host;
use crate::{entry, project};

const PATIENCE: Duration = Duration::from_secs(60);
const RATE_HZ: u32 = 44_100;
const SECONDS: u64 = 10;

/// Returns an instance with a clip of some seconds and its six stems, each of which fades out from
/// full scale.
pub fn host() -> Host {
    let frames = SECONDS * u64::from(RATE_HZ);
    let key = entry::make(project::folders(), RATE_HZ, frames, |stem, side, frame| {
        let phase = (frame as f32 * (60.0 + stem as usize as f32) / RATE_HZ as f32
            + side as f32 / 4.0)
            .fract();
        phase * (1.0 - frame as f32 / frames as f32)
    });

    let mut host = Host::new();
    host.activate(RATE_HZ, 512);

    assert!(host.load(&project::with_clip(
        Fingerprint::of(b"x"),
        Some(key),
        RATE_HZ,
        frames,
        0
    )));

    host.wait_for("ready", PATIENCE);
    host
}
