//! Replies about this machine: the GPU, the models, and whether a checkpoint can be used.

use std::path::Path;

use anyhow::Result;
use sextet_protocol::worker::{Checked, Machine, ModelInfo, ModelState, Reply};

use super::job::Job;
use crate::{gpu, models};

/// Replies with the state of the machine.
///
/// # Errors
/// None of its own: missing parts belong to the reply.
pub(super) fn inspect(job: &Job) -> Result<()> {
    let machine = Machine {
        gpu: gpu::inspect(&gpu::detect()),
        models: models(),
    };
    job.end(|| {
        Ok(Reply::Inspected {
            job: job.id(),
            machine,
        })
    })
}

/// Opens the checkpoint or bag `named` and replies with its facts.
///
/// # Errors
/// The reason why it cannot be used.
pub(super) fn check(job: &Job, named: &str) -> Result<()> {
    let opened = models::open(Path::new(named))?;

    // The path is made absolute, because a project is opened from other folders too.
    let whole = std::path::absolute(named)
        .ok()
        .and_then(|path| path.to_str().map(str::to_owned));
    let model = if models::Entry::find(named).is_some() {
        named.to_owned()
    } else {
        whole.unwrap_or(named.to_owned())
    };

    let checked = Checked {
        model,
        stems: opened.sources().to_vec(),
        parameters: opened.parameters() as u64,
    };

    job.end(|| {
        Ok(Reply::Checked {
            job: job.id(),
            checked,
        })
    })
}

/// Returns the models of the catalogue.
pub(super) fn models() -> Vec<ModelInfo> {
    models::CATALOGUE.iter().map(model).collect()
}

/// Returns the description of a model.
pub(super) fn model(entry: &models::Entry) -> ModelInfo {
    ModelInfo {
        name: entry.name.clone(),
        about: entry.about.clone(),
        stems: entry
            .sources
            .iter()
            .filter_map(|stem| stem.parse().ok())
            .collect(),
        state: match models::state(entry) {
            "bundled" => ModelState::Bundled,
            "fetched" => ModelState::Fetched,
            "incomplete" => ModelState::Incomplete,
            _ => ModelState::NotFetched,
        },
    }
}
