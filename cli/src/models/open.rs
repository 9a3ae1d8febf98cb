//! Opens the model that `-m` names.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sextet_protocol::Remedy;
use sextet_separator::Model;

use super::bag::Bag;
use super::cache;
use super::catalogue::{CATALOGUE, Entry};
use crate::fault::{Fault, Kind};

/// Opens the model that `named` refers to: a name of the catalogue, a checkpoint, or a bag beside
/// its checkpoints.
///
/// # Errors
/// When there is no such model, it has not been fetched, or it is corrupt or not supported.
pub(crate) fn open(named: &Path) -> Result<Model> {
    open_with(named, None)
}

/// Opens the model that `named` refers to, with the `config` of a checkpoint that needs one.
///
/// # Errors
/// Fails like [`open`], and when what is named has its own configuration.
pub(super) fn open_with(named: &Path, config: Option<&Path>) -> Result<Model> {
    let entry = named.to_str().and_then(Entry::find);
    let extension = named.extension().and_then(|extension| extension.to_str());
    let is_checkpoint = matches!(
        extension,
        Some("safetensors" | "th" | "pt" | "pth" | "ckpt")
    );
    if let Some(config) = config.filter(|_| entry.is_some() || !is_checkpoint) {
        let message = format!(
            "'{}' is no checkpoint; the configuration '{}' is of no use to it",
            named.display(),
            config.display()
        );
        return Err(Fault::new(Kind::Model, message)
            .remedy("leave --config out")
            .into());
    }

    match (entry, extension) {
        (Some(entry), _) => open_entry(entry),
        _ if is_checkpoint => open_checkpoint(named, config),
        (_, Some("yaml" | "yml")) => open_bag_file(named),
        _ if named.exists() => {
            let message = format!(
                "'{}' is no model: expected a checkpoint (.safetensors, .th, .ckpt) or a .yaml file",
                named.display()
            );
            Err(Fault::new(Kind::Model, message)
                .remedy([Remedy::ChooseModel, Remedy::ListModels])
                .into())
        }
        _ => Err(unknown(named).into()),
    }
}

/// Returns the name of the model `named` in output file names and messages.
pub(crate) fn short_name(named: &Path) -> String {
    named
        .file_stem()
        .unwrap_or(named.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn open_entry(entry: &Entry) -> Result<Model> {
    if entry.hub.is_none() {
        return Model::bundled().context("the bundled model");
    }

    let Some(paths) = cache::found(entry) else {
        let message = format!("the model '{}' is not on this machine", entry.name);
        return Err(Fault::new(Kind::Model, message)
            .remedy(Remedy::FetchModel {
                name: entry.name.clone(),
            })
            .into());
    };

    open_bag(entry, &paths)
}

/// Opens a model of the catalogue from `paths`, the files in the order of
/// [`super::catalogue::Hub::files`].
pub(super) fn open_bag(entry: &Entry, paths: &[PathBuf]) -> Result<Model> {
    let checkpoints = entry.hub.iter().flat_map(|hub| &hub.checkpoints);
    let weighed = checkpoints
        .zip(&paths[1..])
        .map(|(checkpoint, path)| (path.clone(), checkpoint.weights.clone()));
    combine(weighed.collect()).map_err(|error| {
        let reason = crate::fault::Report::of(&error).message;
        let name = entry.name.clone();
        Fault::new(Kind::Model, reason)
            .remedy(Remedy::FetchModelAgain { name })
            .into()
    })
}

fn open_bag_file(path: &Path) -> Result<Model> {
    let bag = Bag::read(path)?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let file = |signature: &String| checkpoint_beside(beside, signature);
    let weights = bag.weights.map_or(vec![None; bag.models.len()], |rows| {
        rows.into_iter().map(Some).collect()
    });
    combine(bag.models.iter().map(file).zip(weights).collect())
}

/// Returns the path of the checkpoint `signature` in the folder `beside`: safetensors, or demucs'
/// older form, whose name may have a checksum at its end (`demucs/repo.py`, `LocalRepo`).
fn checkpoint_beside(beside: &Path, signature: &str) -> PathBuf {
    let usual = beside.join(format!("{signature}.safetensors"));
    if usual.exists() {
        return usual;
    }

    let folder = if beside.as_os_str().is_empty() {
        Path::new(".")
    } else {
        beside
    };
    let files = folder.read_dir().into_iter().flatten().flatten();
    let older = files.map(|file| file.path()).find(|path| {
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let plain = name.split('-').next() == Some(signature);
        plain && path.extension().is_some_and(|extension| extension == "th")
    });
    older.unwrap_or(usual)
}

/// Opens a single model, or combines several with their weights.
fn combine(weighed: Vec<(PathBuf, Option<Vec<f32>>)>) -> Result<Model> {
    let alone = weighed.len() == 1 && weighed[0].1.is_none();
    let (mut models, mut rows) = (Vec::new(), Vec::new());

    for (path, weights) in weighed {
        let model = open_checkpoint(&path, None)?;
        rows.push(weights.unwrap_or_else(|| vec![1.0; model.sources().len()]));
        models.push(model);
    }

    match models.pop() {
        Some(model) if alone => Ok(model),
        last => Ok(Model::bag(models.into_iter().chain(last).collect(), rows)?),
    }
}

fn open_checkpoint(path: &Path, config: Option<&Path>) -> Result<Model> {
    if !path.exists() {
        let fault = Fault::new(
            Kind::Model,
            format!("there is no checkpoint '{}'", path.display()),
        );
        return Err(fault
            .remedy("check the path; a bag's checkpoints lie beside it")
            .into());
    }
    let opened = match config {
        None => Model::open(path),
        Some(config) => Model::open_with_config(path, config),
    };
    opened.with_context(|| format!("'{}'", path.display()))
}

fn unknown(named: &Path) -> Fault {
    let names: Vec<_> = CATALOGUE.iter().map(|entry| entry.name.as_str()).collect();
    let message = format!("there is no model '{}'", named.display());
    Fault::new(Kind::Model, message).remedy(format!(
        "name one of {}, or a .safetensors, .th, .ckpt or .yaml file",
        names.join(", ")
    ))
}
