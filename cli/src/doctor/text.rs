//! The doctor's findings as text.

use std::path::PathBuf;

use super::Findings;

/// Returns the report, a section for each kind of finding.
pub(super) fn lines(findings: &Findings) -> Vec<String> {
    let sextet = format!(
        "sextet      {} on {}, {} threads",
        findings.sextet, findings.system, findings.threads
    );
    let remedies = findings.remedies.iter();
    let sections = [
        vec![sextet],
        engines(findings),
        gpu(findings),
        vec![ffmpeg(findings)],
        models(findings),
        folders(findings),
        remedies
            .map(|remedy| format!("remedy      {remedy}"))
            .collect(),
    ];

    let mut lines = Vec::new();
    for section in sections.into_iter().filter(|section| !section.is_empty()) {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(section);
    }
    lines
}

fn engines(findings: &Findings) -> Vec<String> {
    let engines = findings.engines.iter().map(|engine| {
        let state = match (engine.built_in, engine.usable) {
            (true, true) => format!("ready: {}", engine.about),
            (true, false) => format!("cannot run here: {}", engine.about),
            (false, _) => "not part of this build".to_owned(),
        };
        format!("engine      {:<12}  {state}", engine.name)
    });
    engines.collect()
}

fn gpu(findings: &Findings) -> Vec<String> {
    let gpu = &findings.gpu;
    let found = |path: &Option<PathBuf>| {
        path.as_ref()
            .map_or("not found".to_owned(), |path| path.display().to_string())
    };

    let mut lines: Vec<String> = gpu
        .devices
        .iter()
        .map(|device| format!("gpu         {device}"))
        .collect();
    if lines.is_empty() {
        lines.push("gpu         none found".to_owned());
    }

    let driver = gpu.driver.as_deref().unwrap_or("not found");
    lines.extend([
        format!("driver      {driver}"),
        format!("libcuda     {}", found(&gpu.cuda_library)),
        format!("tensorrt    {}", found(&gpu.tensorrt_library)),
    ]);
    lines
}

fn ffmpeg(findings: &Findings) -> String {
    let ffmpeg = &findings.ffmpeg;
    match (&ffmpeg.path, &ffmpeg.version) {
        (Some(path), Some(version)) => format!("ffmpeg      {version} ({})", path.display()),
        (Some(path), None) => format!("ffmpeg      does not run ({})", path.display()),
        (None, _) => "ffmpeg      not found: files of rare kinds are refused".to_owned(),
    }
}

fn models(findings: &Findings) -> Vec<String> {
    let models = findings.models.iter().map(|model| {
        let parameters = model.parameters.map_or(String::new(), |n| {
            format!(", {:.2} million parameters", n as f64 / 1e6)
        });
        let error = match &model.error {
            Some(_) => ", but it does not open",
            None => "",
        };
        format!(
            "model       {:<12}  {}{parameters}{error}",
            model.name, model.state
        )
    });
    models.collect()
}

fn folders(findings: &Findings) -> Vec<String> {
    let folders = findings.folders.iter().map(|folder| {
        let free = folder.free_bytes.map_or("unknown".to_owned(), |bytes| {
            format!("{:.1} GB", bytes as f64 / 1e9)
        });
        let made = if folder.exists {
            ""
        } else {
            ", made when it is needed"
        };
        let path = folder.path.display();
        format!("{:<14}  {path} ({free} free{made})", folder.purpose)
    });
    folders.collect()
}
