//! Remedies: what somebody can do about an error.

use serde::{Deserialize, Serialize};

/// One thing that somebody can do about an error.
///
/// Errors name their cause alone and give their remedies as values of this type, so that each front
/// end can put them in the words of its own controls. [`Remedy::phrase`] has words that name no
/// front end's controls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Remedy {
    /// Compute on the CPU.
    UseCpu,
    /// Use a build of Sextet that has an engine which this one lacks.
    UseBuildWith {
        /// Name of the engine and of the feature: `tensorrt`.
        engine: String,
    },
    /// Install NVIDIA's library, TensorRT-RTX, in the place that Sextet keeps for it.
    #[serde(rename = "install_tensorrt")]
    InstallTensorRt,
    /// Remove a library of another version from the folders that are searched.
    RemoveLibrary {
        /// Path of the library, for display.
        path: String,
    },
    /// Install NVIDIA's driver.
    InstallDriver,
    /// Update NVIDIA's driver.
    UpdateDriver {
        /// Oldest CUDA version that the driver has to support, such as `13.0`.
        cuda: String,
    },
    /// Look at what NVIDIA's own tool says about the GPU.
    CheckGpu,
    /// Choose another GPU.
    ChooseGpu {
        /// Names of the GPUs that there are, in the order of their numbers.
        there: Vec<String>,
    },
    /// Unset an environment variable.
    UnsetVariable {
        /// Name of the variable.
        variable: String,
    },
    /// Set an environment variable to 0, by which the GPU computes exactly in float32.
    #[serde(rename = "compute_in_float32")]
    ComputeInFloat32 {
        /// Name of the variable.
        variable: String,
    },
    /// Close other programs that use the GPU's memory.
    FreeGpuMemory,
    /// Close other programs that use memory.
    FreeMemory,
    /// Set another batch.
    ChooseBatch,
    /// Look at what is found of the machine.
    Diagnose,
    /// Start the program again.
    StartAgain,

    /// Choose another model.
    ChooseModel,
    /// Choose a smaller model.
    ChooseSmallerModel,
    /// Look at the list of models.
    ListModels,
    /// Fetch a model of the catalogue.
    FetchModel {
        /// Name of the model.
        name: String,
    },
    /// Remove a model of the catalogue and fetch it again.
    FetchModelAgain {
        /// Name of the model.
        name: String,
    },
    /// Fetch one of the official models, which are there in the format that is read.
    FetchOfficialModel,
    /// Name the files of a model by themselves.
    OpenModelFiles,
    /// Look whether a newer Sextet does better.
    UpdateSextet,
    /// Fetch or export the checkpoint again.
    ReplaceCheckpoint,
    /// Convert the checkpoint from PyTorch's format.
    ConvertCheckpoint,
    /// Put the model's configuration beside its checkpoint.
    AddConfiguration,
    /// Choose among the stems that the model gives.
    ChooseStem {
        /// Names of the stems.
        there: Vec<String>,
    },

    /// Check the path.
    CheckPath,
    /// Check the permissions of the file and the disk.
    CheckPermissions,
    /// Choose a file in the folder.
    ChooseFile,
    /// Save what a pipe or a device gives in a file.
    SaveAsFile,
    /// Check that the file plays.
    CheckThatItPlays,
    /// Copy or export the file again.
    ExportAgain,
    /// Convert the audio to WAV or FLAC.
    ConvertAudio,
    /// Install ffmpeg, through which Sextet then decodes the file.
    InstallFfmpeg,
    /// Resample the audio.
    Resample,
    /// Mix the audio down to fewer channels.
    MixDown,
    /// Repair the file's header.
    RepairHeader,
    /// Repair the samples.
    RepairAudio,

    /// Choose another number of bits for the files.
    ChooseBits {
        /// The number of bits.
        bits: u16,
    },
    /// Choose WAV as the format of the files.
    ChooseWav,
    /// Free space on the disk.
    MakeRoom,
    /// Check that the folder exists and can be written to.
    CheckFolder,
    /// Choose another folder.
    ChooseFolder,
    /// Name a folder by an environment variable.
    SetFolder {
        /// Name of the variable.
        variable: String,
    },

    /// Separate the clip again.
    SeparateAgain,
    /// Try again; the work goes on where it stopped.
    TryAgain,
    /// Run the same command again.
    RunAgain,
    /// Read the help.
    ReadHelp,
    /// Report a defect of Sextet.
    Report,

    /// A remedy of a newer version.
    #[serde(other)]
    Unknown,
}

impl Remedy {
    /// Returns the remedy as an imperative without a capital letter and a full stop, in words that
    /// name no front end's controls; empty for one that is not known.
    pub fn phrase(&self) -> String {
        let fixed = match self {
            Self::UseBuildWith { engine } => {
                return format!("use a build of Sextet that has the engine {engine}");
            }
            Self::RemoveLibrary { path } => {
                return format!("take '{path}' out of the search path");
            }
            Self::UpdateDriver { cuda } => {
                return format!("update NVIDIA's driver to one that supports CUDA {cuda}");
            }
            Self::UnsetVariable { variable } => return format!("unset {variable}"),
            Self::ComputeInFloat32 { variable } => {
                return format!(
                    "let the GPU compute in float32: set {variable} to 0 in the environment"
                );
            }
            Self::ChooseGpu { there } => {
                let there: Vec<String> = there
                    .iter()
                    .enumerate()
                    .map(|(number, name)| format!("{number} {name}"))
                    .collect();
                return one_of("another GPU", &there);
            }
            Self::FetchModel { name } => return format!("fetch the model {name}"),
            Self::FetchModelAgain { name } => return format!("fetch the model {name} again"),
            Self::ChooseStem { there } => return one_of("another stem", there),
            Self::ChooseBits { bits } => return format!("choose {bits} bits"),
            Self::SetFolder { variable } => {
                return format!("set {variable} to a folder that can be written to");
            }

            Self::UseCpu => "choose the CPU engine",
            Self::InstallTensorRt => "set up the GPU, which fetches NVIDIA's library",
            Self::InstallDriver => "install NVIDIA's driver",
            Self::CheckGpu => "see what `nvidia-smi` says about the GPU",
            Self::FreeGpuMemory => "close other programs that use the GPU",
            Self::FreeMemory => "close other programs if memory ran out",
            Self::ChooseBatch => "set another batch in Sextet's configuration",
            Self::Diagnose => "see what is found of the GPU",
            Self::StartAgain => "start again",
            Self::ChooseModel => "choose another model",
            Self::ChooseSmallerModel => "choose a smaller model",
            Self::ListModels => "see the list of models for what is here",
            Self::FetchOfficialModel => "fetch one of the official models, which are converted",
            Self::OpenModelFiles => "use the model's files by themselves",
            Self::UpdateSextet => "see whether a newer Sextet does better",
            Self::ReplaceCheckpoint => "fetch or export the checkpoint again",
            Self::ConvertCheckpoint => {
                "convert it with `convert_checkpoint` of tools/export_hf.py in demucs' repository"
            }
            Self::AddConfiguration => {
                "put the configuration that was published with the checkpoint beside it, as a .yaml file of the same name"
            }
            Self::CheckPath => "check the path and whether it can be read",
            Self::CheckPermissions => "check its permissions and the disk",
            Self::ChooseFile => "choose a file in it",
            Self::SaveAsFile => "save what it gives in a file first",
            Self::CheckThatItPlays => {
                "check that it plays: WAV, AIFF, FLAC, MP3, AAC/M4A, ALAC, Ogg Vorbis and Opus are read"
            }
            Self::ExportAgain => "copy or export it again",
            Self::ConvertAudio => "convert it to WAV or FLAC first",
            Self::InstallFfmpeg => "install ffmpeg, through which Sextet then reads it",
            Self::Resample => "resample it",
            Self::MixDown => "mix it down",
            Self::RepairHeader => "repair its header",
            Self::RepairAudio => "repair it in an audio editor",
            Self::ChooseWav => "choose WAV",
            Self::MakeRoom => "make room on the disk",
            Self::CheckFolder => "check that the folder exists and can be written to",
            Self::ChooseFolder => "choose another folder",
            Self::SeparateAgain => "separate the clip again",
            Self::TryAgain => "try again: it goes on where it stopped",
            Self::RunAgain => "run the same command again",
            Self::ReadHelp => "see Sextet's help",
            Self::Report => "please report it",
            Self::Unknown => "",
        };

        fixed.to_owned()
    }

    /// Returns several remedies as one phrase: `start again, or choose the CPU engine`. `words`
    /// gives the phrase of each; empty phrases are left out.
    pub fn join(remedies: &[Self], words: impl Fn(&Self) -> String) -> String {
        let mut joined = String::new();
        for remedy in remedies {
            let phrase = words(remedy);
            if phrase.is_empty() {
                continue;
            }

            joined.push_str(match remedy {
                _ if joined.is_empty() => "",
                // A report helps in addition to whatever else is done.
                Self::Report => ", and ",
                _ => ", or ",
            });
            joined.push_str(&phrase);
        }

        joined
    }
}

/// Returns the phrase that chooses one of `there`, or `another` where there is none.
fn one_of(another: &str, there: &[String]) -> String {
    if there.is_empty() {
        format!("choose {another}")
    } else {
        format!("choose one of {}", there.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn remedies_are_joined_into_one_phrase() {
        let gpu = || Remedy::ChooseGpu {
            there: vec!["NVIDIA A".to_owned(), "NVIDIA B".to_owned()],
        };
        let cases: [(&[Remedy], &str); 6] = [
            (&[], ""),
            (&[Remedy::UseCpu], "choose the CPU engine"),
            (
                &[Remedy::StartAgain, Remedy::UseCpu],
                "start again, or choose the CPU engine",
            ),
            (
                &[Remedy::UseCpu, Remedy::Report],
                "choose the CPU engine, and please report it",
            ),
            (&[Remedy::Unknown, Remedy::Report], "please report it"),
            (&[gpu()], "choose one of 0 NVIDIA A, 1 NVIDIA B"),
        ];

        each_case(cases, |(remedies, expected)| {
            assert_eq!(Remedy::join(remedies, Remedy::phrase), expected);
        });
    }

    #[test]
    fn a_remedy_of_a_newer_version_is_read_as_unknown() {
        let cases = [
            (r#"{"type":"use_cpu"}"#, Remedy::UseCpu),
            (
                r#"{"type":"update_driver","cuda":"13.0"}"#,
                Remedy::UpdateDriver {
                    cuda: "13.0".to_owned(),
                },
            ),
            (r#"{"type":"buy_a_gpu","price":[1,2]}"#, Remedy::Unknown),
            (r#"{"type":"use_cpu","more":1}"#, Remedy::UseCpu),
        ];

        each_case(cases, |(text, expected)| {
            assert_eq!(serde_json::from_str::<Remedy>(text).unwrap(), expected);
        });
    }
}
