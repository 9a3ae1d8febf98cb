//! Fetches a wheel: from where an earlier try stopped.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::StatusCode;
use reqwest::header::RANGE;

use super::wheel::Wheel;
use crate::fault::{Fault, Kind};
use crate::transfer::{self, TransferListener};

/// PyPI's file host; `SEXTET_PYPI` names another with the same files.
const HOST: &str = "https://files.pythonhosted.org";
/// How long the host may be silent.
const PATIENCE: Duration = Duration::from_secs(30);
/// Tries without a single new byte before we give up.
const TRIES: u32 = 4;

/// Fetches `wheel` to a file beside `folder`; what a try that was cut off left there is gone on with.
pub(super) fn fetch(wheel: &Wheel, folder: &Path, listener: &mut dyn TransferListener) -> Result<PathBuf> {
    let beside = folder.parent().unwrap_or(folder);
    let cannot_write = || Fault::new(Kind::Output, format!("cannot write below '{}'", beside.display()));
    fs::create_dir_all(beside).with_context(cannot_write)?;
    let part = beside.join(format!("{}.part", wheel.file()));
    let host = std::env::var("SEXTET_PYPI").ok().filter(|host| !host.is_empty()).unwrap_or_else(|| HOST.to_owned());
    let source = Source { url: format!("{}/{}", host.trim_end_matches('/'), wheel.path), host };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut tries, mut before) = (0, length(&part));
    loop {
        let Err(error) = runtime.block_on(source.add(&part, wheel, listener)) else { return Ok(part) };
        let now = length(&part);
        tries = if now > before { 1 } else { tries + 1 };
        if tries >= TRIES || !error.again {
            return Err(error.fault.into());
        }
        before = now;
        std::thread::sleep(Duration::from_millis(250) * 2_u32.pow(tries));
    }
}

struct Source {
    url: String,
    host: String,
}

/// Why a try failed, and whether another may help.
struct Failed {
    fault: Fault,
    again: bool,
}

impl Source {
    /// One request for what `part` lacks.
    async fn add(
        &self,
        part: &Path,
        wheel: &Wheel,
        listener: &mut dyn TransferListener,
    ) -> std::result::Result<(), Failed> {
        let client = reqwest::Client::builder().connect_timeout(PATIENCE).read_timeout(PATIENCE).build();
        let client = client.map_err(|error| self.lost(&error))?;
        let have = length(part);
        let request = client.get(&self.url);
        let request = if have > 0 { request.header(RANGE, format!("bytes={have}-")) } else { request };
        let mut answer = request.send().await.map_err(|error| self.lost(&error))?;
        let from = match answer.status() {
            StatusCode::PARTIAL_CONTENT => have,
            StatusCode::OK => 0,
            // There is nothing beyond what is here.
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return Ok(()),
            status => return Err(self.refused(status)),
        };
        let opened = OpenOptions::new().append(true).create(true).open(part);
        let mut out =
            opened.and_then(|out| out.set_len(from).map(|()| out)).map_err(|error| unwritable(part, &error))?;
        listener.began(wheel.file(), Some(wheel.bytes));
        let mut done = from;
        listener.moved(done);
        while let Some(piece) = answer.chunk().await.map_err(|error| self.lost(&error))? {
            out.write_all(&piece).map_err(|error| unwritable(part, &error))?;
            done += piece.len() as u64;
            listener.moved(done);
            if listener.cancelled() {
                return Err(Failed { fault: transfer::cancelled(), again: false });
            }
        }
        Ok(())
    }

    fn lost(&self, error: &reqwest::Error) -> Failed {
        let message = format!("cannot fetch from {}: {error}", self.host);
        let help = "check the network and run the same command again: it goes on where it stopped; or fetch the wheel \
                    elsewhere and give it with --from";
        Failed { fault: Fault::new(Kind::Hub, message).help(help), again: true }
    }

    fn refused(&self, status: StatusCode) -> Failed {
        let fault = Fault::new(Kind::Hub, format!("{} answered {status} for {}", self.host, self.url));
        Failed { fault: fault.help("see whether a newer sextet knows where the library is"), again: false }
    }
}

fn unwritable(part: &Path, error: &std::io::Error) -> Failed {
    let fault = Fault::new(Kind::Output, format!("cannot write '{}': {error}", part.display()));
    Failed { fault: fault.help("make room, or choose another data folder with SEXTET_DATA"), again: false }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}
