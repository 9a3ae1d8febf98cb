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
    if let Some(entry) = named.to_str().and_then(Entry::find) {
        return open_entry(entry);
    }
    match named.extension().and_then(|extension| extension.to_str()) {
        Some("safetensors") => open_checkpoint(named),
        Some("yaml" | "yml") => open_bag_file(named),
        Some("th" | "pt" | "pth" | "ckpt") if named.exists() => Err(pickled(named).into()),
        _ if named.exists() => {
            let message = format!(
                "'{}' is no model: expected a .safetensors or .yaml file",
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
    let file = |signature: &String| beside.join(format!("{signature}.safetensors"));
    let weights = bag.weights.map_or(vec![None; bag.models.len()], |rows| {
        rows.into_iter().map(Some).collect()
    });
    combine(bag.models.iter().map(file).zip(weights).collect())
}

/// Opens a single model, or combines several with their weights.
fn combine(weighed: Vec<(PathBuf, Option<Vec<f32>>)>) -> Result<Model> {
    let alone = weighed.len() == 1 && weighed[0].1.is_none();
    let (mut models, mut rows) = (Vec::new(), Vec::new());

    for (path, weights) in weighed {
        let model = open_checkpoint(&path)?;
        rows.push(weights.unwrap_or_else(|| vec![1.0; model.sources().len()]));
        models.push(model);
    }

    match models.pop() {
        Some(model) if alone => Ok(model),
        last => Ok(Model::bag(models.into_iter().chain(last).collect(), rows)?),
    }
}

fn open_checkpoint(path: &Path) -> Result<Model> {
    if !path.exists() {
        let fault = Fault::new(
            Kind::Model,
            format!("there is no checkpoint '{}'", path.display()),
        );
        return Err(fault
            .remedy("check the path; a bag's checkpoints lie beside it")
            .into());
    }
    Model::open(path).with_context(|| format!("'{}'", path.display()))
}

/// The fault of a PyTorch file. PyTorch's files are pickles, which are programs.
fn pickled(named: &Path) -> Fault {
    let message = format!(
        "'{}' is a file of PyTorch's, which runs code when it is opened: expected a .safetensors or .yaml file",
        named.display()
    );
    Fault::new(Kind::Model, message).remedy([Remedy::ConvertCheckpoint, Remedy::FetchOfficialModel])
}

fn unknown(named: &Path) -> Fault {
    let names: Vec<_> = CATALOGUE.iter().map(|entry| entry.name.as_str()).collect();
    let message = format!("there is no model '{}'", named.display());
    Fault::new(Kind::Model, message).remedy(format!(
        "name one of {}, or a .safetensors or .yaml file",
        names.join(", ")
    ))
}
