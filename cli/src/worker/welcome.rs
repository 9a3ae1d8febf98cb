//! The handshake.

use sextet_protocol::worker::{EngineName, PROTOCOL, Reply, Welcome};

use super::machine;

/// Returns the answer to a front end of the same protocol version. It does not inspect the GPU,
/// which would take up to a second.
pub(super) fn welcome() -> Reply {
    let tensorrt = cfg!(feature = "tensorrt").then_some(EngineName::Tensorrt);
    Reply::Hello(Welcome {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        engines: [EngineName::Cpu, EngineName::Cuda]
            .into_iter()
            .chain(tensorrt)
            .collect(),
        models: machine::models(),
    })
}

/// Returns the answer to a front end of another version.
pub(super) fn refusal(found: u32, client: &str) -> Reply {
    let version = env!("CARGO_PKG_VERSION");
    let older = if found > PROTOCOL {
        "the command"
    } else {
        "the plugin"
    };

    Reply::Refused {
        protocol: PROTOCOL,
        version: version.to_owned(),
        message: format!(
            "sextet {version} speaks version {PROTOCOL} of the worker's protocol, {client} speaks {found}"
        ),
        remedy: format!("install plugin and command of the same release; {older} is the older one"),
    }
}
