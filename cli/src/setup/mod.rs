//! `sextet setup tensorrt`: NVIDIA's library for this user, without Python and without a change to the system.

mod download;
mod record;
mod wheel;

use anyhow::Result;

use crate::args::SetupCommand;
use crate::fault::{Fault, Kind};
use crate::{computing, say};
use wheel::Wheel;

/// What everybody who fetches the library is told.
const LICENCE: &str = "\
TensorRT-RTX is NVIDIA's and proprietary; its licence lies beside it as LICENSE.txt,
and using it means that you accept that. Sextet does not ship it.";

/// Runs one of the `setup` commands.
pub(crate) fn run(command: SetupCommand) -> Result<()> {
    let SetupCommand::Tensorrt { from, quiet } = command;
    let Some(wheel) = Wheel::of_this_system() else {
        let system = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
        let fault = Fault::new(Kind::Engine, format!("there is no TensorRT-RTX for {system}"));
        return Err(fault.help("use the CPU engine, which needs nothing").into());
    };
    if !quiet {
        say::err(LICENCE);
    }
    let folder = computing::own_libraries()?;
    match from {
        Some(file) => {
            wheel.verify(&file, Kind::Input)?;
            wheel.unpack(&file, &folder)?;
        }
        None => {
            let file = download::fetch(&wheel, &folder, quiet)?;
            if let Err(wrong) = wheel.verify(&file, Kind::Hub) {
                // The next try would go on with it.
                let _ = std::fs::remove_file(&file);
                return Err(wrong);
            }
            wheel.unpack(&file, &folder)?;
            let _ = std::fs::remove_file(&file);
        }
    }
    record::keep(&folder)?;
    if !quiet {
        say::out(&format!("TensorRT-RTX {} is in {}", wheel.version, folder.display()));
        say::out("see `sextet doctor` for whether it can be used here");
    }
    Ok(())
}
