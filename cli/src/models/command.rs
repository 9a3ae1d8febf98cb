//! `sextet model`: list, info, path and remove. Fetch and export have files of their own.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use sextet_protocol::Remedy;
use sextet_separator::Model;

use super::cache;
use super::catalogue::{CATALOGUE, Entry, Hub};
use super::open::open_with;
use super::{export, fetch};
use crate::args::ModelCommand;
use crate::fault::{Fault, Kind};
use crate::stdio;
use crate::unfinished::Unfinished;

/// Runs one of the `model` commands.
pub(crate) fn run(command: ModelCommand, unfinished: &Unfinished) -> Result<()> {
    match command {
        ModelCommand::List { json } => list(json),
        ModelCommand::Info { model, config } => info(&model, config.as_deref()),
        ModelCommand::Fetch { name, yes, quiet } => fetch::fetch(find(&name)?, yes, quiet),
        ModelCommand::Path { name } => path(find(&name)?),
        ModelCommand::Remove { name } => remove(find(&name)?),
        ModelCommand::Export(args) => export::run(&args, unfinished),
    }
}

/// Returns the model of the catalogue that is called `name`.
///
/// # Errors
/// When the catalogue has no such model.
pub(crate) fn find(name: &str) -> Result<&'static Entry> {
    Entry::find(name).ok_or_else(|| {
        let names: Vec<_> = CATALOGUE.iter().map(|entry| entry.name.as_str()).collect();
        let fault = Fault::new(Kind::Model, format!("the catalogue has no model '{name}'"));
        fault
            .remedy(format!("name one of {}", names.join(", ")))
            .into()
    })
}

/// Returns in a word whether the model can be used right now.
pub(crate) fn state(entry: &Entry) -> &'static str {
    match &entry.hub {
        None => "bundled",
        Some(hub) => {
            let files = cache::files(hub);
            let here = files.iter().flatten().count();
            if here == files.len() {
                "fetched"
            } else if here > 0 {
                "incomplete"
            } else {
                "not fetched"
            }
        }
    }
}

/// Whether the model can be used right now.
pub(crate) fn is_here(entry: &Entry) -> bool {
    matches!(state(entry), "bundled" | "fetched")
}

fn list(json: bool) -> Result<()> {
    if json {
        let entry = |entry: &Entry| {
            serde_json::json!({
                "name": entry.name, "about": entry.about, "sources": entry.sources, "state": state(entry),
                "hub": entry.hub.as_ref().map(Hub::id),
            })
        };
        stdio::out(&serde_json::Value::from_iter(CATALOGUE.iter().map(entry)).to_string());
        return Ok(());
    }

    for entry in CATALOGUE.iter() {
        let stems = entry.sources.len();
        stdio::out(&format!(
            "{:<12}  {stems} stems  {:<11}  {}",
            entry.name,
            state(entry),
            entry.about
        ));
    }

    Ok(())
}

fn info(named: &Path, config: Option<&Path>) -> Result<()> {
    let entry = named.to_str().and_then(Entry::find);
    let mut text = String::new();
    if let Some(entry) = entry {
        writeln!(text, "name        {}", entry.name)?;
        writeln!(text, "about       {}", entry.about)?;
        writeln!(
            text,
            "licence     {}",
            entry.licence.as_deref().unwrap_or("unsettled upstream")
        )?;

        writeln!(text, "state       {}", state(entry))?;
        if let Some(hub) = &entry.hub {
            writeln!(
                text,
                "hub         {} ({})",
                hub.id(),
                hub.files().join(", ")
            )?;
            for checkpoint in &hub.checkpoints {
                let sha256 = checkpoint
                    .sha256
                    .as_deref()
                    .unwrap_or("unknown before it is fetched");
                writeln!(text, "sha256      {} {sha256}", checkpoint.file())?;
            }
        }
    }

    if entry.is_none_or(is_here) {
        describe(&open_with(named, config)?, &mut text)?;
    }

    stdio::out(text.trim_end());
    Ok(())
}

/// Adds facts from the checkpoint itself to `text`.
fn describe(model: &Model, text: &mut String) -> Result<()> {
    let sources: Vec<_> = model.sources().iter().map(|stem| stem.name()).collect();
    let segment = model.segment_frames();
    writeln!(text, "stems       {}", sources.join(", "))?;

    writeln!(
        text,
        "parameters  {:.2} million",
        model.parameters() as f64 / 1e6
    )?;

    writeln!(
        text,
        "segment     {segment} frames, {:.2} s",
        segment as f64 / 44_100.0
    )?;

    writeln!(text, "hash        {}", model.hash())?;
    Ok(())
}

fn path(entry: &Entry) -> Result<()> {
    if entry.hub.is_none() {
        let fault = Fault::new(
            Kind::Model,
            format!("{} is inside the command and has no file", entry.name),
        );
        return Err(fault
            .remedy("use it as it is: `sextet separate SONG`")
            .into());
    }

    let Some(paths) = cache::found(entry) else {
        let fault = Fault::new(
            Kind::Model,
            format!("the model '{}' is not on this machine", entry.name),
        );
        return Err(fault
            .remedy(Remedy::FetchModel {
                name: entry.name.clone(),
            })
            .into());
    };

    paths
        .iter()
        .for_each(|path| stdio::out(&path.display().to_string()));
    Ok(())
}

fn remove(entry: &Entry) -> Result<()> {
    let Some(hub) = &entry.hub else {
        let fault = Fault::new(
            Kind::Model,
            format!("{} is inside the command and cannot be removed", entry.name),
        );
        return Err(fault
            .remedy("only fetched models can be removed: see `sextet model list`")
            .into());
    };

    let folder = cache::repository_folder(hub);
    if !folder.exists() {
        stdio::out(&format!(
            "{} is not on this machine: there is nothing to remove",
            entry.name
        ));
        return Ok(());
    }

    let failed = || {
        Fault::new(
            Kind::Output,
            format!("cannot remove '{}'", folder.display()),
        )
    };

    std::fs::remove_dir_all(&folder).with_context(failed)?;
    let _ = std::fs::remove_dir_all(cache::lock_folder(hub));
    stdio::out(&format!("removed {}", folder.display()));

    Ok(())
}
