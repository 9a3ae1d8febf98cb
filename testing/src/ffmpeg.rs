//! Programs that stand for ffmpeg and behave badly, and the machine's own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sextet_separator::audio::Ffmpeg;

/// Folder in which a system lists its processes, where it does.
const PROCESSES: &str = "/proc";

/// Writes a program of the shell's into `folder`, to stand in for ffmpeg.
pub fn program(folder: &Path, script: &str) -> Ffmpeg {
    let path = folder.join("ffmpeg");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    Ffmpeg::new(path)
}

/// Writes a [`program`] whose process can be looked for.
pub fn numbered(folder: &Path, script: &str) -> (Ffmpeg, Number) {
    let number = Number(folder.join("number"));
    // The number of an earlier process is not taken for that of this one.
    let _ = fs::remove_file(&number.0);
    let script = format!("echo $$ > '{}'\n{script}", number.0.display());
    (program(folder, &script), number)
}

/// Writes a [`program`] that writes down its arguments before it does anything else.
pub fn listening(folder: &Path, script: &str) -> (Ffmpeg, Told) {
    let told = Told(folder.join("told"));
    let path = told.0.display();
    let script =
        format!("for argument in \"$@\"; do echo \"$argument\"; done > '{path}'\n{script}");
    (program(folder, &script), told)
}

/// Returns the machine's own ffmpeg. Where there is none, the output says that nothing is tested.
pub fn on_path() -> Option<Ffmpeg> {
    let found = Ffmpeg::on_path();
    if found.is_none() {
        println!("SKIPPED: this machine has no ffmpeg");
    }
    found
}

/// Number of a process, which it writes into a file when it begins.
pub struct Number(PathBuf);

impl Number {
    /// Waits until the process has begun.
    pub fn wait(&self) {
        while self.read().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns whether the process lives; `None` where the system does not tell, or it has not
    /// begun.
    pub fn lives(&self) -> Option<bool> {
        let number = self.read()?;
        let processes = Path::new(PROCESSES);
        let tells = processes.join("self").exists();
        tells.then(|| processes.join(number).exists())
    }

    fn read(&self) -> Option<String> {
        let text = fs::read_to_string(&self.0).ok()?;
        text.ends_with('\n').then(|| text.trim().to_owned())
    }
}

/// Arguments that a program was given.
pub struct Told(PathBuf);

impl Told {
    /// Returns the arguments of the last call.
    pub fn arguments(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.0).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}
