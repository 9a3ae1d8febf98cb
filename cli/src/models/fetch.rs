//! `sextet model fetch`: a model of the catalogue from the hub, verified and tried.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::Result;

use super::bag::Bag;
use super::catalogue::{Entry, Hub};
use super::hub::Remote;
use super::open::open_bag;
use super::transfer::Transfer;
use crate::fault::{Fault, Kind};
use crate::{say, transfer_bar};

/// What everybody who fetches official weights is told.
const LICENCE: &str = "\
The licence of the official demucs weights is unsettled upstream: the code is
MIT, but its author wrote that the weights are not covered by that and are meant
for scientific purposes (facebookresearch/demucs issues 327 and 418). Sextet does
not ship them; whether you may use them for what you have in mind is yours to
judge.";

/// Fetches `entry`, with the notice about its licence.
pub(super) fn fetch(entry: &Entry, yes: bool, quiet: bool) -> Result<()> {
    let Some(hub) = &entry.hub else {
        if !quiet {
            say::out(&format!("{} is inside the command: there is nothing to fetch", entry.name));
        }
        return Ok(());
    };
    say::err(LICENCE);
    if !yes && !agreed(&entry.name)? {
        return Err(Fault::new(Kind::Interrupted, "nothing was fetched").help("answer `y`, or use --yes").into());
    }
    let paths = fetch_files(hub, quiet)?;
    check_bag(hub, &paths[0])?;
    let model = open_bag(entry, &paths)?;
    if !quiet {
        let parameters = model.parameters() as f64 / 1e6;
        say::out(&format!("{} is here and opens: {parameters:.2} million parameters", entry.name));
        say::out(&format!("use it with: sextet separate -m {} SONG", entry.name));
    }
    Ok(())
}

/// Asks, where somebody can answer.
fn agreed(name: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(true);
    }
    let mut answer = String::new();
    let _ = write!(std::io::stderr(), "Fetch {name}? [y/N] ");
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// All files of the model, in the order of [`Hub::files`].
fn fetch_files(hub: &Hub, quiet: bool) -> Result<Vec<PathBuf>> {
    let remote = Remote::new(hub)?;
    let known = std::iter::once(None).chain(hub.checkpoints.iter().map(|c| c.sha256.as_deref()));
    let fetch_one = |(file, sha256): (String, Option<&str>)| {
        let facts = remote.facts(&file)?;
        let bar = transfer_bar::of(&file, facts.bytes, quiet);
        let transfer = Transfer { remote: &remote, hub, file: &file, sha256 };
        let path = transfer.run(&facts, &mut |done, _| bar.set_position(done))?;
        bar.finish_and_clear();
        if !quiet && file != hub.bag {
            let checked =
                sha256.or(facts.sha256()).map_or("no checksum is known".to_owned(), |sum| format!("SHA-256 {sum}"));
            say::err(&format!("{file}: {checked}"));
        }
        Ok(path)
    };
    hub.files().into_iter().zip(known).map(fetch_one).collect()
}

/// The bag that was fetched says what the catalogue says.
fn check_bag(hub: &Hub, path: &std::path::Path) -> Result<()> {
    if Bag::read(path)?.agrees(hub) {
        return Ok(());
    }
    let message = format!("{} on the hub is not the model that this sextet knows: its {} differs", hub.id(), hub.bag);
    Err(Fault::new(Kind::Hub, message)
        .help("see whether a newer sextet knows it, or use the files with `-m FILE.yaml`")
        .into())
}
