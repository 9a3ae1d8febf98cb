//! Failures of a job, in words for people: the message and the remedy.

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sextet_protocol::Remedy;
use sextet_protocol::worker::PROTOCOL;

/// The reason for which there are no stems. The message says what was expected and found; the
/// [remedy](Fault::remedy) says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The command was not found.
    #[error("The sextet command, which does the separating, was not found in the plugin's bundle, in {} or on PATH.", installed.display())]
    NoCommand {
        /// Path at which an installer puts the command.
        installed: PathBuf,
    },
    /// The command cannot be run.
    #[error("The sextet command {} cannot be started: {reason}.", command.display())]
    Spawn {
        /// Path of the command.
        command: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The command speaks another version.
    #[error("The sextet command {} is of another version ({found}); this plugin is {}.", command.display(), env!("CARGO_PKG_VERSION"))]
    Version {
        /// Path of the command.
        command: PathBuf,
        /// Version that the command gives for itself.
        found: String,
    },
    /// The program that answers is no worker.
    #[error("{} does not answer as a sextet command does: {said}", command.display())]
    NotAWorker {
        /// Path of the command.
        command: PathBuf,
        /// The unexpected answer.
        said: String,
    },
    /// The process ended in the middle of a job.
    #[error("The engine process ended unexpectedly ({how}).{said}")]
    Died {
        /// Exit code or signal.
        how: String,
        /// Last words of the process.
        said: String,
    },
    /// The process does nothing any more.
    #[error("The engine process has not said anything for {} s and was ended.", after.as_secs())]
    Stalled {
        /// Duration of the silence.
        after: Duration,
    },
    /// The job failed; the worker gives the reason.
    #[error("{message}")]
    Failed {
        /// The worker's message.
        message: String,
        /// The worker's remedy.
        remedy: String,
    },
    /// The stems cannot be played.
    #[error("{0}")]
    Stems(String),
    /// The capture cannot be kept.
    #[error("{0}")]
    Capture(String),
    /// The clip of a project is gone.
    #[error("The stems of this clip are no longer in the cache, and its capture is gone: {}", path.display())]
    Missing {
        /// Path at which the capture was.
        path: PathBuf,
    },
    /// The user has no folder for files.
    #[error("{0}")]
    NoFolder(String),
}

impl Fault {
    /// Returns whether a second try may succeed. It cannot without the capture.
    pub(crate) fn can_be_tried_again(&self) -> bool {
        !matches!(self, Self::Missing { .. })
    }

    /// Returns the remedy: one sentence.
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
            Self::NotAWorker { .. } => {
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
                "Free space on the disk, or choose another folder for captures in the settings."
                    .to_owned()
            }
            Self::Missing { .. } => {
                "Look for it in a folder, capture the clip again, or open its file; the track plays dry."
                    .to_owned()
            }
            Self::NoFolder(_) => {
                "Set SEXTET_CACHE and SEXTET_DATA to folders that can be written.".to_owned()
            }
        }
    }
}

/// Returns the remedy of a failed job as a sentence that names the editor's controls. The worker's
/// own `phrase` stands in where it sends a remedy that this version does not know, or none. For a
/// job on a capture, which is no file that the user knows, nothing is said of mending a file.
pub(super) fn remedy(remedies: &[Remedy], phrase: &str, is_capture: bool) -> String {
    if remedies.is_empty() || remedies.contains(&Remedy::Unknown) {
        return sentence(phrase);
    }

    let said = Cell::new(false);
    let own = Remedy::join(remedies, |remedy| match remedy {
        Remedy::UseCpu => "choose the CPU in the settings".to_owned(),
        Remedy::ChooseModel | Remedy::ChooseSmallerModel | Remedy::FetchOfficialModel => {
            format!("{} in the settings", remedy.phrase())
        }
        Remedy::ListModels => "see the settings for the models that are here".to_owned(),
        Remedy::FetchModel { name } => format!("fetch {name} in the settings"),
        Remedy::InstallTensorRt => "set up the GPU in the settings".to_owned(),
        Remedy::RepairAudio
        | Remedy::RepairHeader
        | Remedy::ExportAgain
        | Remedy::ConvertAudio
        | Remedy::CheckThatItPlays
        | Remedy::ChooseFile
        | Remedy::CheckPath
            if is_capture =>
        {
            // Said once, whatever else could be mended in a file.
            if said.replace(true) {
                String::new()
            } else {
                "capture the clip again, or open its file again".to_owned()
            }
        }
        Remedy::Diagnose => "see the settings for what is found of the GPU".to_owned(),
        other => other.phrase(),
    });
    sentence(&own)
}

/// Returns a worker's phrase as a sentence, with a capital letter and a full stop.
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

/// Returns the system's reason why a program cannot be run.
pub(super) fn spawn_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be executed".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn a_remedy_names_the_editors_controls_unless_it_is_not_known() {
        let model = Remedy::FetchModel {
            name: "htdemucs".to_owned(),
        };
        let cases: [(&[Remedy], &str); 6] = [
            (&[Remedy::RepairAudio], "Repair it in an audio editor."),
            (
                &[Remedy::InstallTensorRt, Remedy::UseCpu],
                "Set up the GPU in the settings, or choose the CPU in the settings.",
            ),
            (&[model], "Fetch htdemucs in the settings."),
            (&[Remedy::MakeRoom], "Make room on the disk."),
            (&[], "The worker's words."),
            (&[Remedy::UseCpu, Remedy::Unknown], "The worker's words."),
        ];

        each_case(cases, |(remedies, said)| {
            assert_eq!(remedy(remedies, "the worker's words", false), said);
        });

        let of_capture = remedy(&[Remedy::RepairAudio, Remedy::ExportAgain], "", true);
        assert_eq!(
            of_capture,
            "Capture the clip again, or open its file again."
        );
    }

    #[test]
    fn what_a_worker_says_becomes_a_sentence() {
        let cases = [
            (
                "cannot reach the hub: no route",
                "Cannot reach the hub: no route.",
            ),
            ("Update the driver.", "Update the driver."),
            ("'a.th' is a pickle", "'a.th' is a pickle."),
            ("", ""),
        ];
        each_case(cases, |(phrase, said)| {
            assert_eq!(sentence(phrase), said);
        });
    }
}
