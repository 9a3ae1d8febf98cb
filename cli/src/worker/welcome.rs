//! The handshake.

use sextet_protocol::worker::{EngineInfo, EngineName, ModelInfo, ModelState, PROTOCOL, Reply, Welcome};

use crate::engine;
use crate::models::{self, CATALOGUE};

/// The answer to a front end of our version.
pub(super) fn welcome() -> Reply {
    let engines = engine::all().into_iter().filter(|engine| engine.built_in);
    let engine = |found: engine::Engine| EngineInfo {
        name: if found.name == "cpu" { EngineName::Cpu } else { EngineName::Tensorrt },
        usable: found.usable,
    };
    let model = |entry: &models::Entry| ModelInfo {
        name: entry.name.clone(),
        about: entry.about.clone(),
        stems: entry.sources.iter().filter_map(|stem| stem.parse().ok()).collect(),
        state: state(entry),
    };
    Reply::Hello(Welcome {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engines: engines.map(engine).collect(),
        models: CATALOGUE.iter().map(model).collect(),
    })
}

fn state(entry: &models::Entry) -> ModelState {
    match models::state(entry) {
        "bundled" => ModelState::Bundled,
        "fetched" => ModelState::Fetched,
        "incomplete" => ModelState::Incomplete,
        _ => ModelState::NotFetched,
    }
}

/// The answer to a front end of another version.
pub(super) fn refusal(found: u32, client: &str) -> Reply {
    let version = env!("CARGO_PKG_VERSION");
    let older = if found > PROTOCOL { "the command" } else { "the plugin" };
    Reply::Refused {
        protocol: PROTOCOL,
        version: version.to_owned(),
        message: format!(
            "sextet {version} speaks version {PROTOCOL} of the worker's protocol, {client} speaks {found}"
        ),
        remedy: format!("install plugin and command of the same release; {older} is the older one"),
    }
}
