//! Tests of the wire format. Messages are read and written with types of the test's own, which know
//! no other fields, so that the format is what docs/worker.md promises.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod machine;
mod replies;
mod requests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sextet_protocol::worker::{
    Checked, EngineName, FailKind, Gpu, GpuSetup, GpuState, JobId, Machine, ModelInfo, ModelState,
    Offer, PROTOCOL, Prepare, Render, RenderBits, RenderFormat, RenderMix, Reply, Request,
    Separate, SeparationOptions, Stage, Sum, Waiting, Welcome, to_line,
};
use sextet_protocol::{Fingerprint, Remedy, Stem};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum WireRequest {
    Hello {
        protocol: u32,
        client: String,
    },
    Separate {
        job: u64,
        song: String,
        model: String,
        engine: String,
        overlap: f64,
        shifts: u32,
        sum: String,
    },
    Import {
        job: u64,
        song: String,
    },
    Render {
        job: u64,
        key: String,
        stems: Vec<String>,
        mixes: Vec<WireMix>,
        folder: String,
        name: String,
        format: String,
        bits: Option<String>,
        rate_hz: Option<u32>,
    },
    Inspect {
        job: u64,
    },
    Prepare {
        job: u64,
        model: String,
        engine: String,
    },
    SetUpGpu {
        job: u64,
        from: Option<String>,
    },
    Offer {
        job: u64,
        model: String,
    },
    Fetch {
        job: u64,
        model: String,
    },
    Check {
        job: u64,
        model: String,
    },
    Cancel {
        job: u64,
    },
    Shutdown {},
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMix {
    name: String,
    levels: BTreeMap<String, f32>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum WireReply {
    Hello {
        protocol: u32,
        version: String,
        engines: Vec<String>,
        models: Vec<WireModel>,
    },
    Refused {
        protocol: u32,
        version: String,
        message: String,
        remedy: String,
    },
    Error {
        message: String,
        remedy: String,
    },
    Queued {
        job: u64,
        reason: String,
    },
    Loading {
        job: u64,
        what: String,
        done: u64,
        total: u64,
        usual_s: Option<f64>,
    },
    Started {
        job: u64,
        key: String,
        model: String,
        engine: String,
        note: Option<String>,
        stems: Vec<String>,
    },
    Progress {
        job: u64,
        stage: String,
        done: u64,
        total: u64,
        speed: Option<f64>,
        seconds_left: Option<f64>,
    },
    Warning {
        job: u64,
        message: String,
    },
    Done {
        job: u64,
        key: String,
        cached: bool,
        seconds: f64,
    },
    Imported {
        job: u64,
        audio: String,
        rate_hz: u32,
        frames: u64,
    },
    Rendered {
        job: u64,
        paths: Vec<String>,
    },
    Inspected {
        job: u64,
        machine: WireMachine,
    },
    Prepared {
        job: u64,
        engine: String,
        note: Option<String>,
    },
    GpuSetUp {
        job: u64,
        gpu: WireGpu,
    },
    Offered {
        job: u64,
        offer: WireOffer,
    },
    Fetched {
        job: u64,
        model: WireModel,
    },
    Checked {
        job: u64,
        checked: WireChecked,
    },
    Cancelled {
        job: u64,
    },
    Failed {
        job: u64,
        kind: String,
        message: String,
        remedy: String,
        remedies: Vec<WireRemedy>,
    },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "type", rename_all = "snake_case")]
enum WireRemedy {
    UseCpu {},
    UpdateDriver { cuda: String },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMachine {
    gpu: WireGpu,
    models: Vec<WireModel>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireGpu {
    state: String,
    devices: Vec<String>,
    driver: Option<String>,
    engine: Option<String>,
    library: Option<String>,
    message: String,
    remedy: String,
    setup: Option<WireSetup>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSetup {
    what: String,
    bytes: u64,
    licence: String,
    folder: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireOffer {
    model: String,
    from: String,
    bytes: Option<u64>,
    licence: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireChecked {
    model: String,
    stems: Vec<String>,
    parameters: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireModel {
    name: String,
    about: String,
    stems: Vec<String>,
    state: String,
}

/// Checks both directions: the crate writes what `wire` says, and reads what `wire` writes.
fn agree<O, W>(ours: &O, wire: &W)
where
    O: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    W: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let line = to_line(ours).unwrap();
    assert!(
        line.ends_with('\n') && line.matches('\n').count() == 1,
        "{line}"
    );
    assert_eq!(&serde_json::from_str::<W>(&line).unwrap(), wire, "{line}");
    assert_eq!(
        &serde_json::from_str::<O>(&serde_json::to_string(wire).unwrap()).unwrap(),
        ours
    );
}

fn key() -> Fingerprint {
    Fingerprint::of(b"stems")
}

fn text(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
