//! `sextet model fetch`: fetches a model of the catalogue from the hub, verifies it and opens it.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use indicatif::HumanBytes;
use sextet_protocol::Remedy;
use sextet_separator::Model;

use super::bag::Bag;
use super::catalogue::{Entry, Hub};
use super::facts::Facts;
use super::hub::Remote;
use super::open::open_bag;
use super::transfer::Transfer;
use crate::fault::{Fault, Kind};
use crate::stdio;
use crate::transfer::{self, Bar, TransferListener};

/// Notice for everyone who fetches official weights.
const LICENCE: &str = "\
The licence of the official demucs weights is unsettled upstream: the code is
MIT, but its author wrote that the weights are not covered by that and are meant
for scientific purposes (facebookresearch/demucs issues 327 and 418). Sextet does
not ship them; whether you may use them for what you have in mind is yours to
judge.";

/// Fetches `entry` after showing the notice about its licence.
pub(super) fn fetch(entry: &Entry, yes: bool, quiet: bool) -> Result<()> {
    if entry.hub.is_none() {
        if !quiet {
            stdio::out(&format!(
                "{} is inside the command: there is nothing to fetch",
                entry.name
            ));
        }
        return Ok(());
    }

    stdio::err(LICENCE);
    if !yes && !agreed(entry)? {
        return Err(Fault::new(Kind::Interrupted, "nothing was fetched")
            .remedy("answer `y`, or use --yes")
            .into());
    }

    let model = fetch_quietly(entry, &mut Bar::new(quiet))?;
    if !quiet {
        let parameters = model.parameters() as f64 / 1e6;
        stdio::out(&format!(
            "{} is here and opens: {parameters:.2} million parameters",
            entry.name
        ));
        stdio::out(&format!(
            "use it with: sextet separate -m {} SONG",
            entry.name
        ));
    }

    Ok(())
}

/// Asks the user for consent if the terminal can answer; otherwise assumes it.
fn agreed(entry: &Entry) -> Result<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(true);
    }

    let Some(Offer { host, bytes, .. }) = offer(entry, &Bar::new(true))? else {
        return Ok(true);
    };

    let size = bytes.map_or_else(String::new, |bytes| format!(", {}", HumanBytes(bytes)));
    let mut answer = String::new();
    let _ = write!(
        std::io::stderr(),
        "Fetch {}{size}, from {host}? [y/N] ",
        entry.name
    );

    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Host, size and licence of a model that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The host that it comes from, such as `huggingface.co`.
    pub(crate) host: String,
    /// Size of all its files in bytes, if the hub tells the size of each.
    pub(crate) bytes: Option<u64>,
    /// Notice about its licence.
    pub(crate) licence: &'static str,
}

/// Asks the hub about host and size of `entry`; `None` for the bundled model. Fetches nothing.
///
/// # Errors
/// When the hub cannot be reached or has no such files, or `listener` cancelled.
pub(crate) fn offer(entry: &Entry, listener: &dyn TransferListener) -> Result<Option<Offer>> {
    let Some(hub) = &entry.hub else {
        return Ok(None);
    };

    let remote = Remote::new(hub);
    let facts = all_facts(hub, &remote, listener)
        .into_iter()
        .collect::<Result<Vec<_>>>()?;

    let bytes = facts.iter().map(|facts| facts.bytes).sum();
    Ok(Some(Offer {
        host: remote.host().to_owned(),
        bytes,
        licence: LICENCE,
    }))
}

/// Fetches `entry`, checks every file and opens it, without messages to the user. Cached files are
/// only checked.
///
/// # Errors
/// When the hub cannot be reached or sends something else, a file cannot be written, the model does
/// not open, or `listener` cancelled.
pub(crate) fn fetch_quietly(entry: &Entry, listener: &mut dyn TransferListener) -> Result<Model> {
    let Some(hub) = &entry.hub else {
        return super::open(Path::new(&entry.name));
    };
    let paths = fetch_files(hub, listener)?;
    transfer::check(listener)?;
    open_bag(entry, &paths)
}

/// Fetches all files of the model, in the order of [`Hub::files`].
fn fetch_files(hub: &Hub, listener: &mut dyn TransferListener) -> Result<Vec<PathBuf>> {
    // Announce the number and size of all files.
    let remote = Remote::new(hub);
    let facts = all_facts(hub, &remote, listener);

    let bytes = facts.iter().map(|facts| facts.as_ref().ok()?.bytes).sum();
    listener.planned(hub.files().len(), bytes);

    let known = std::iter::once(None).chain(
        hub.checkpoints
            .iter()
            .map(|checkpoint| checkpoint.sha256.as_deref()),
    );

    // Fetch and verify one file after the other.
    let mut paths = Vec::new();
    for ((file, facts), sha256) in hub.files().iter().zip(facts).zip(known) {
        let facts = &facts?;
        let path = Transfer {
            remote: &remote,
            hub,
            file,
            sha256,
            facts,
        }
        .run(listener)?;

        let verified = if *file == hub.bag {
            check_bag(hub, &path)?;
            "as the catalogue says".to_owned()
        } else {
            let sha256 = sha256.or(facts.sha256());
            sha256.map_or_else(
                || "no checksum is known".to_owned(),
                |sha256| format!("SHA-256 {sha256}"),
            )
        };

        listener.installed(file, &verified);
        paths.push(path);
    }

    Ok(paths)
}

/// Returns the hub's facts about each file of the model, in the order of [`Hub::files`]. A failure
/// ends the list.
fn all_facts(hub: &Hub, remote: &Remote, listener: &dyn TransferListener) -> Vec<Result<Facts>> {
    let mut all = Vec::new();
    for file in hub.files() {
        let facts = remote.facts(&file, listener);
        let failed = facts.is_err();
        all.push(facts);
        if failed {
            break;
        }
    }

    all
}

/// Checks that the fetched bag agrees with the catalogue.
fn check_bag(hub: &Hub, path: &Path) -> Result<()> {
    if Bag::read(path)?.agrees(hub) {
        return Ok(());
    }

    let message = format!(
        "{} on the hub is not the model that this sextet knows: its {} differs",
        hub.id(),
        hub.bag
    );

    Err(Fault::new(Kind::Hub, message)
        .remedy([Remedy::UpdateSextet, Remedy::OpenModelFiles])
        .into())
}
