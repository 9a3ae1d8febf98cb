//! What the hosts' tests share.
#![allow(dead_code, unreachable_pub, reason = "every test uses a part of it")]

pub mod clap_host;
pub mod entry;
pub mod project;

use std::path::PathBuf;

/// The plugin as it is shipped: the library that hosts load.
pub fn library() -> PathBuf {
    let name = format!("{}sextet_plugin{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().join(name);
    assert!(path.is_file(), "{} is not built", path.display());
    path
}

/// Names of the output buses, in their order.
pub const BUSES: [&str; 7] = ["Main", "Drums", "Bass", "Other", "Vocals", "Guitar", "Piano"];

/// The channels of the seven buses.
pub type Heard = [[Vec<f32>; 2]; 7];

/// Level of a difference against full scale, in dB.
pub fn db(value: f64) -> f64 {
    20.0 * value.max(1e-12).log10()
}
