//! What can go wrong around a job, in words for people: what happened and what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sextet_protocol::worker::PROTOCOL;

/// Why there are no stems. The message says what was expected and found; the
/// [remedy](Fault::remedy) what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The command is nowhere.
    #[error("The sextet command, which does the separating, was not found in the plugin's bundle, in {} or on PATH.", installed.display())]
    NoCommand {
        /// Where an installer puts it.
        installed: PathBuf,
    },
    /// The command cannot be run.
    #[error("The sextet command {} cannot be started: {reason}.", command.display())]
    Spawn {
        /// What was run.
        command: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It speaks another version.
    #[error("The sextet command {} is of another version ({found}); this plugin is {}.", command.display(), env!("CARGO_PKG_VERSION"))]
    Version {
        /// What was run.
        command: PathBuf,
        /// Its version by its own account.
        found: String,
    },
    /// What answers is no worker.
    #[error("{} does not answer as a sextet command does: {said}", command.display())]
    Stranger {
        /// What was run.
        command: PathBuf,
        /// What it said instead.
        said: String,
    },
    /// It ended in the middle.
    #[error("The engine process ended unexpectedly ({how}).{said}")]
    Died {
        /// Exit code or signal.
        how: String,
        /// Its last words.
        said: String,
    },
    /// It does nothing any more.
    #[error("The engine process has not said anything for {} s and was ended.", after.as_secs())]
    Stalled {
        /// For how long.
        after: Duration,
    },
    /// The job failed and the worker says why.
    #[error("{message}")]
    Failed {
        /// What happened.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// The stems cannot be played.
    #[error("{0}")]
    Stems(String),
    /// The capture cannot be kept.
    #[error("{0}")]
    Capture(String),
    /// A project's clip is gone.
    #[error("The stems of this clip are no longer in the cache, and its capture is gone: {}", path.display())]
    Missing {
        /// Where the capture was.
        path: PathBuf,
    },
    /// There is nowhere to keep anything.
    #[error("{0}")]
    NoFolder(String),
}

impl Fault {
    /// Whether the same may go well another time: not without the capture.
    pub(crate) fn can_be_tried_again(&self) -> bool {
        !matches!(self, Self::Missing { .. })
    }

    /// What to do about it.
    pub(crate) fn remedy(&self) -> String {
        match self {
            Self::NoCommand { .. } => {
                "Install Sextet again, or set SEXTET_COMMAND to the command's path.".to_owned()
            }
            Self::Spawn { .. } => {
                "Check that the file may be executed, or install Sextet again.".to_owned()
            }
            Self::Version { .. } => {
                format!(
                    "Install plugin and command of the same release (protocol {PROTOCOL}), then separate again."
                )
            }
            Self::Stranger { .. } => {
                "Check SEXTET_COMMAND and PATH: another program has the command's name.".to_owned()
            }
            Self::Died { .. } => {
                "Separate again. If it happens again, choose the CPU engine, or free memory."
                    .to_owned()
            }
            Self::Stalled { .. } => {
                "Separate again. If it happens again, choose the CPU engine.".to_owned()
            }
            Self::Failed { remedy, .. } => remedy.clone(),
            Self::Stems(_) => "Separate again: the stems are made anew.".to_owned(),
            Self::Capture(_) => {
                "Free space on the disk, or set SEXTET_DATA to a folder that can be written."
                    .to_owned()
            }
            Self::Missing { .. } => {
                "Capture the clip again, or open its file. Until then the track plays dry."
                    .to_owned()
            }
            Self::NoFolder(_) => {
                "Set SEXTET_CACHE and SEXTET_DATA to folders that can be written.".to_owned()
            }
        }
    }
}

/// What a worker says, with a capital letter and a full stop: commands speak in phrases.
pub(super) fn sentence(phrase: &str) -> String {
    let mut letters = phrase.trim().chars();
    let Some(first) = letters.next() else {
        return String::new();
    };

    let rest = letters.as_str();
    let stop = if rest.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };

    format!("{}{rest}{stop}", first.to_uppercase())
}

/// What the system says about a program that cannot be run.
pub(super) fn spawn_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be executed".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_says_becomes_a_sentence() {
        for (phrase, said) in [
            (
                "cannot reach the hub: no route",
                "Cannot reach the hub: no route.",
            ),
            ("Update the driver.", "Update the driver."),
            ("'a.th' is a pickle", "'a.th' is a pickle."),
            ("", ""),
        ] {
            assert_eq!(sentence(phrase), said);
        }
    }
}
