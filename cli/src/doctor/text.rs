//! The doctor's findings as text.

use std::path::PathBuf;

use super::Findings;

pub(super) fn lines(findings: &Findings) -> Vec<String> {
    let mut lines = vec![
        format!(
            "sextet      {} on {}, {} threads",
            findings.sextet, findings.system, findings.threads
        ),
        String::new(),
    ];

    for engine in &findings.engines {
        let state = match (engine.built_in, engine.usable) {
            (true, true) => format!("ready: {}", engine.about),
            (true, false) => format!("cannot run here: {}", engine.about),
            (false, _) => "not part of this build".to_owned(),
        };
        lines.push(format!("engine      {:<12}  {state}", engine.name));
    }

    lines.push(String::new());
    let found = |path: &Option<PathBuf>| {
        path.as_ref()
            .map_or("not found".to_owned(), |path| path.display().to_string())
    };

    let gpu = &findings.gpu;
    if gpu.devices.is_empty() {
        lines.push("gpu         none found".to_owned());
    }

    lines.extend(
        gpu.devices
            .iter()
            .map(|device| format!("gpu         {device}")),
    );

    lines.push(format!(
        "driver      {}",
        gpu.driver.as_deref().unwrap_or("not found")
    ));
    lines.push(format!("libcuda     {}", found(&gpu.cuda_library)));
    lines.push(format!("tensorrt    {}", found(&gpu.tensorrt_library)));
    lines.push(String::new());

    let ffmpeg = &findings.ffmpeg;
    lines.push(match (&ffmpeg.path, &ffmpeg.version) {
        (Some(path), Some(version)) => format!("ffmpeg      {version} ({})", path.display()),
        (Some(path), None) => format!("ffmpeg      does not run ({})", path.display()),
        (None, _) => "ffmpeg      not found: files of rare kinds are refused".to_owned(),
    });
    lines.push(String::new());

    for model in &findings.models {
        let parameters = model.parameters.map_or(String::new(), |n| {
            format!(", {:.2} million parameters", n as f64 / 1e6)
        });
        let error = model
            .error
            .as_ref()
            .map_or("", |_| ", but it does not open");
        lines.push(format!(
            "model       {:<12}  {}{parameters}{error}",
            model.name, model.state
        ));
    }

    lines.push(String::new());
    for folder in &findings.folders {
        let free = folder.free_bytes.map_or("unknown".to_owned(), |bytes| {
            format!("{:.1} GB", bytes as f64 / 1e9)
        });
        let made = if folder.exists {
            ""
        } else {
            ", made when it is needed"
        };

        lines.push(format!(
            "{:<14}  {} ({free} free{made})",
            folder.purpose,
            folder.path.display()
        ));
    }

    if !findings.remedies.is_empty() {
        lines.push(String::new());
        lines.extend(
            findings
                .remedies
                .iter()
                .map(|remedy| format!("remedy      {remedy}")),
        );
    }

    lines
}
