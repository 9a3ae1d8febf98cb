//! `sextet setup tensorrt`: installs NVIDIA's library for this user, without Python and without a
//! change to the system.

mod download;
mod record;
mod wheel;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use indicatif::HumanBytes;
use sextet_fs::FileLock;
use sextet_protocol::{Folders, Remedy};

use crate::args::SetupCommand;
use crate::fault::{Fault, Kind};
use crate::transfer::{self, Bar, TransferListener};
use crate::{engine, stdio};
use wheel::Wheel;

/// Notice for everyone who fetches the library.
const LICENCE: &str = "\
TensorRT-RTX is NVIDIA's and proprietary; its licence lies beside it as LICENSE.txt,
and using it means that you accept that. Sextet does not ship it.";

/// The download that setting up needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetupOffer {
    /// Name and version, such as `TensorRT-RTX 1.6.1`.
    pub(crate) what: String,
    /// Size of the download in bytes.
    pub(crate) bytes: u64,
    /// Notice about the licence.
    pub(crate) licence: &'static str,
    /// Folder for the libraries.
    pub(crate) folder: PathBuf,
}

/// A library that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// Full version, such as `1.6.1.120`.
    pub(crate) version: String,
    /// Folder of the libraries.
    pub(crate) folder: PathBuf,
}

/// Runs one of the `setup` commands.
pub(crate) fn run(command: SetupCommand) -> Result<()> {
    let SetupCommand::Tensorrt { from, quiet } = command;
    wheel_of_this_system()?;

    if let Some(SetupOffer {
        what,
        bytes,
        licence,
        folder,
    }) = offer().filter(|_| !quiet)
    {
        stdio::err(licence);
        stdio::err(&format!(
            "{what}, {}, for {}",
            HumanBytes(bytes),
            folder.display()
        ));
    }

    let done = set_up(from.as_deref(), &mut Bar::new(quiet))?;
    if !quiet {
        stdio::out(&format!(
            "TensorRT-RTX {} is in {}",
            done.version,
            done.folder.display()
        ));
        stdio::out("see `sextet doctor` for whether it can be used here");
    }

    Ok(())
}

/// Returns what [`set_up`] would fetch; `None` when there is no library for this system or no
/// folder for this user.
pub(crate) fn offer() -> Option<SetupOffer> {
    let wheel = Wheel::of_this_system()?;
    let folder = engine::own_libraries().ok()?;
    Some(SetupOffer {
        what: wheel.title(),
        bytes: wheel.bytes,
        licence: LICENCE,
        folder,
    })
}

/// Installs the library in this user's folder, from the wheel `from` or from a download. An
/// interrupted download is resumed. Waits for a process that is setting up already.
///
/// # Errors
/// When there is no library for this system; when the wheel cannot be fetched, is not the expected
/// file or cannot be unpacked; or when `listener` cancelled.
pub(crate) fn set_up(from: Option<&Path>, listener: &mut dyn TransferListener) -> Result<Done> {
    let wheel = wheel_of_this_system()?;
    let folder = engine::own_libraries()?;
    let _lock = lock_setup(listener)?;

    // A wheel that the user has supplied.
    if let Some(file) = from {
        listener.installing(wheel.file());
        wheel.verify(file, Kind::Input, listener)?;
        wheel.unpack(file, &folder, listener)?;
        record::keep(&folder)?;
        return Ok(Done {
            version: wheel.version,
            folder,
        });
    }

    // A wheel from PyPI.
    listener.planned(1, Some(wheel.bytes));
    let file = download::fetch(&wheel, &folder, listener)?;
    listener.installing(wheel.file());

    if let Err(wrong) = wheel.verify(&file, Kind::Hub, listener) {
        transfer::check(listener)?;
        // Otherwise the next try would resume this file.
        let _ = fs::remove_file(&file);
        return Err(wrong);
    }

    wheel.unpack(&file, &folder, listener)?;
    let _ = fs::remove_file(&file);
    record::keep(&folder)?;

    Ok(Done {
        version: wheel.version,
        folder,
    })
}

/// Waits until no other process sets up. The returned lock keeps them out until it is
/// dropped.
fn lock_setup(listener: &dyn TransferListener) -> Result<FileLock> {
    let folders = Folders::of_user()?;
    let path = folders.cache().join("setup.lock");
    let unwritable = |error: &io::Error| {
        Fault::new(
            Kind::Output,
            format!("cannot write '{}': {error}", path.display()),
        )
        .remedy("make room, or choose another cache folder with SEXTET_CACHE")
    };

    transfer::lock(&path, listener, unwritable)
}

fn wheel_of_this_system() -> Result<Wheel> {
    Wheel::of_this_system().ok_or_else(|| {
        let system = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
        let fault = Fault::new(
            Kind::Engine,
            format!("there is no TensorRT-RTX for {system}"),
        );
        fault.remedy(Remedy::UseCpu).into()
    })
}
