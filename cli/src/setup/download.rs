//! The download of a wheel from PyPI's file host.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sextet_protocol::Remedy;

use super::wheel::Wheel;
use crate::fault::{Fault, Kind};
use crate::transfer::{self, Client, Download, Lost, PATIENCE, Source, TransferListener};

/// PyPI's file host; `SEXTET_PYPI` names another with the same files.
const HOST: &str = "https://files.pythonhosted.org";

/// Fetches `wheel` to a file beside `folder`, and resumes an interrupted download.
pub(super) fn fetch(
    wheel: &Wheel,
    folder: &Path,
    listener: &mut dyn TransferListener,
) -> Result<PathBuf> {
    let beside = folder.parent().unwrap_or(folder);
    let cannot_write = || {
        Fault::new(
            Kind::Output,
            format!("cannot write below '{}'", beside.display()),
        )
    };

    fs::create_dir_all(beside).with_context(cannot_write)?;

    let host = env::var("SEXTET_PYPI")
        .ok()
        .filter(|host| !host.is_empty())
        .unwrap_or_else(|| HOST.to_owned());
    let source = PyPi {
        url: format!("{}/{}", host.trim_end_matches('/'), wheel.path),
        host,
    };
    let part = beside.join(format!("{}.part", wheel.file()));

    listener.began(wheel.file(), Some(wheel.bytes));

    // The length comes from the host; the checksum tells later whether the file is the right one.
    Download {
        client: &Client::new(),
        source: &source,
        part: &part,
        bytes: None,
    }
    .run(listener)?;

    Ok(part)
}

/// A wheel on a host.
struct PyPi {
    url: String,
    host: String,
}

impl Source for PyPi {
    fn url(&self) -> &str {
        &self.url
    }

    fn refused(&self, status: u16) -> Fault {
        Fault::new(
            Kind::Hub,
            format!("{} answered {status} for {}", self.host, self.url),
        )
        .remedy(Remedy::UpdateSextet)
    }

    fn lost(&self, lost: &Lost) -> Fault {
        let why = match lost {
            Lost::Nonsense(why) | Lost::Unreachable(why) | Lost::Cut(why) => why.clone(),
            Lost::Silent => format!("it was silent for {} s", PATIENCE.as_secs()),
            Lost::Cancelled => return transfer::cancelled(),
        };
        Fault::new(Kind::Hub, format!("cannot fetch from {}: {why}", self.host))
            .remedy("check the network and try again: it goes on where it stopped")
    }

    fn unwritable(&self, path: &Path, error: &io::Error) -> Fault {
        Fault::new(
            Kind::Output,
            format!("cannot write '{}': {error}", path.display()),
        )
        .remedy("make room, or choose another data folder with SEXTET_DATA")
    }
}
