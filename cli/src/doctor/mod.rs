//! `sextet doctor`: reports what is found on this machine, with remedies for what is missing.

mod text;

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;
use sextet_protocol::Folders;
use sextet_protocol::worker::GpuState;
use sextet_separator::audio::Ffmpeg;

use crate::engine::{self, EngineStatus};
use crate::gpu::{self, GpuFacts};
use crate::models::{self, CATALOGUE};
use crate::{decoding, stdio};

/// Version of the JSON object. It is raised by a change that breaks readers.
const VERSION: u32 = 2;

/// All findings.
#[derive(Debug, Serialize)]
struct Findings {
    version: u32,
    sextet: &'static str,
    system: String,
    threads: usize,
    engines: Vec<EngineStatus>,
    gpu: GpuFacts,
    ffmpeg: FfmpegFound,
    models: Vec<ModelStatus>,
    folders: Vec<Folder>,
    remedies: Vec<String>,
}

/// A model of the catalogue.
#[derive(Debug, Serialize)]
struct ModelStatus {
    name: &'static str,
    state: &'static str,
    /// Number of its parameters, when it is fetched and opens.
    parameters: Option<usize>,
    /// The reason why it does not open.
    error: Option<String>,
}

/// The ffmpeg that decodes what Sextet does not.
#[derive(Debug, Serialize)]
struct FfmpegFound {
    path: Option<PathBuf>,
    version: Option<String>,
    /// The reason why it does not run.
    error: Option<String>,
}

/// A folder that Sextet writes to.
#[derive(Debug, Serialize)]
struct Folder {
    purpose: &'static str,
    path: PathBuf,
    exists: bool,
    free_bytes: Option<u64>,
}

/// Inspects this machine and prints the findings.
pub(crate) fn run(json: bool) -> Result<()> {
    let findings = examine();
    if json {
        stdio::out(&serde_json::to_string(&findings)?);
    } else {
        text::lines(&findings)
            .iter()
            .for_each(|line| stdio::out(line));
    }
    Ok(())
}

fn examine() -> Findings {
    let gpu = gpu::detect();
    let models: Vec<_> = CATALOGUE.iter().map(model).collect();
    let here = std::env::current_dir().unwrap_or_default();
    let cache = models::cache_folder();

    let mut folders = vec![folder("model cache", cache), folder("current folder", here)];
    if let Ok(of_user) = Folders::of_user() {
        folders.extend([
            folder("stem cache", of_user.stems()),
            folder("captures", of_user.captures()),
        ]);
    }

    folders.extend(
        engine::engine_cache()
            .ok()
            .map(|cache| folder("engine cache", cache)),
    );

    let engines = engine::all();
    let mut findings = Findings {
        version: VERSION,
        sextet: env!("CARGO_PKG_VERSION"),
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        engines,
        gpu,
        ffmpeg: look_for_ffmpeg(),
        models,
        folders,
        remedies: Vec::new(),
    };

    findings.remedies = remedies(&findings);
    findings
}

fn look_for_ffmpeg() -> FfmpegFound {
    let found = decoding::ffmpeg();
    let (version, error) = match found.map(Ffmpeg::version) {
        None => (None, None),
        Some(Ok(version)) => (Some(version), None),
        Some(Err(fault)) => (None, Some(format!("{:#}", anyhow::Error::new(fault)))),
    };
    FfmpegFound {
        path: found.map(|ffmpeg| ffmpeg.program().to_owned()),
        version,
        error,
    }
}

fn model(entry: &'static models::Entry) -> ModelStatus {
    let state = models::state(entry);
    let opened = models::is_here(entry).then(|| models::open(Path::new(&entry.name)));
    let (parameters, error) = match opened {
        None => (None, None),
        Some(Ok(model)) => (Some(model.parameters()), None),
        Some(Err(error)) => (None, Some(crate::fault::Report::of(&error).message)),
    };

    ModelStatus {
        name: &entry.name,
        state,
        parameters,
        error,
    }
}

/// Describes `path`. The free space is that of its disk, even when the folder does not exist yet.
fn folder(purpose: &'static str, path: PathBuf) -> Folder {
    let on_disk = path.ancestors().find(|folder| folder.is_dir());
    let free_bytes = on_disk.and_then(|folder| fs4::available_space(folder).ok());
    Folder {
        purpose,
        exists: path.is_dir(),
        free_bytes,
        path,
    }
}

/// Returns sentences about what is missing, with the remedies.
fn remedies(findings: &Findings) -> Vec<String> {
    let mut remedies = Vec::new();
    let told = gpu::inspect(&findings.gpu);
    if told.state != GpuState::Ready {
        let mut sentences = vec![told.message, told.remedy];
        if told.setup.is_some() {
            sentences.push("`sextet setup tensorrt` does that.".to_owned());
        }
        sentences.retain(|sentence| !sentence.is_empty());
        remedies.push(sentences.join(" "));
    }

    if let Some(error) = &findings.ffmpeg.error {
        remedies.push(format!(
            "ffmpeg does not run ({error}): name another one with {}",
            decoding::VARIABLE
        ));
    }

    for model in &findings.models {
        if let Some(error) = &model.error {
            let name = model.name;
            remedies.push(format!("{name} does not open ({error}): run `sextet model remove {name}` and fetch it again"));
        }
        if model.state == "incomplete" {
            remedies.push(format!(
                "{0} is incomplete: run `sextet model fetch {0}`, which goes on where it stopped",
                model.name
            ));
        }
    }

    for folder in &findings.folders {
        if folder.free_bytes.is_some_and(|free| free < 1_000_000_000) {
            remedies.push(format!(
                "less than 1 GB is free for the {} ('{}')",
                folder.purpose,
                folder.path.display()
            ));
        }
    }

    remedies
}
