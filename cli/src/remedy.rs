//! Remedies in the command's own words, which name its flags and commands, and in words that suit
//! every front end of the worker.

use sextet_protocol::Remedy;

/// Remedies of a failure, the best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remedies {
    /// Remedies that every front end puts in its own words.
    Known(Vec<Remedy>),
    /// A phrase that suits every front end, or belongs to a failure that only the command can have.
    Phrase(String),
}

impl Remedies {
    /// Returns the remedies as a phrase for the command's users.
    pub(crate) fn for_command(&self) -> String {
        match self {
            Self::Known(known) => Remedy::join(known, in_flags),
            Self::Phrase(phrase) => phrase.clone(),
        }
    }

    /// Returns the remedies as a phrase that names no front end's controls.
    pub(crate) fn for_anybody(&self) -> String {
        match self {
            Self::Known(known) => Remedy::join(known, Remedy::phrase),
            Self::Phrase(phrase) => phrase.clone(),
        }
    }

    /// Returns the remedies that every front end puts in its own words.
    pub(crate) fn known(&self) -> &[Remedy] {
        match self {
            Self::Known(known) => known,
            Self::Phrase(_) => &[],
        }
    }
}

impl From<&str> for Remedies {
    fn from(phrase: &str) -> Self {
        Self::Phrase(phrase.to_owned())
    }
}

impl From<String> for Remedies {
    fn from(phrase: String) -> Self {
        Self::Phrase(phrase)
    }
}

impl From<Remedy> for Remedies {
    fn from(remedy: Remedy) -> Self {
        Self::Known(vec![remedy])
    }
}

impl<const N: usize> From<[Remedy; N]> for Remedies {
    fn from(known: [Remedy; N]) -> Self {
        Self::Known(known.into())
    }
}

impl From<Vec<Remedy>> for Remedies {
    fn from(known: Vec<Remedy>) -> Self {
        Self::Known(known)
    }
}

/// Returns a remedy as a phrase that names the command's flags and commands.
fn in_flags(remedy: &Remedy) -> String {
    match remedy {
        Remedy::UseCpu => "use `--engine cpu`".to_owned(),
        Remedy::UseBuildWith { engine } => format!("build with `--features {engine}`"),
        Remedy::InstallTensorRt => "run `sextet setup tensorrt`".to_owned(),
        Remedy::ChooseGpu { .. } => format!("{} with `--gpu`", remedy.phrase()),
        Remedy::Diagnose => "run `sextet doctor`".to_owned(),
        Remedy::ChooseModel => "choose another model with `-m`".to_owned(),
        Remedy::ListModels => "see `sextet model list` for what is here".to_owned(),
        Remedy::FetchModel { name } => format!("run `sextet model fetch {name}`"),
        Remedy::FetchModelAgain { name } => {
            format!("run `sextet model remove {name}` and `sextet model fetch {name}`")
        }
        Remedy::FetchOfficialModel => {
            "fetch one of the official models, which are converted, with `sextet model fetch`"
                .to_owned()
        }
        Remedy::OpenModelFiles => "use the files with `-m FILE.yaml`".to_owned(),
        Remedy::ChooseBits { bits } => format!("use `--bits {bits}`"),
        Remedy::ChooseWav => "use `--format wav`".to_owned(),
        Remedy::RunAgain => {
            "run the same command again; with `--skip-existing` it skips what is done".to_owned()
        }
        Remedy::InstallFfmpeg => {
            "install ffmpeg, or name it with SEXTET_FFMPEG: Sextet then reads it".to_owned()
        }
        Remedy::ReadHelp => "see `sextet --help`".to_owned(),
        Remedy::Report => "please report it with the output of `sextet doctor`".to_owned(),
        other => other.phrase(),
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn the_command_names_its_flags_and_nobody_else_does() {
        let name = || "htdemucs".to_owned();
        let cases: [(Remedies, &str, &str); 6] = [
            (
                [Remedy::InstallTensorRt, Remedy::UseCpu].into(),
                "run `sextet setup tensorrt`, or use `--engine cpu`",
                "set up the GPU, which fetches NVIDIA's library, or choose the CPU engine",
            ),
            (
                [Remedy::UseCpu, Remedy::Report].into(),
                "use `--engine cpu`, and please report it with the output of `sextet doctor`",
                "choose the CPU engine, and please report it",
            ),
            (
                Remedy::FetchModel { name: name() }.into(),
                "run `sextet model fetch htdemucs`",
                "fetch the model htdemucs",
            ),
            (
                [Remedy::ChooseBits { bits: 24 }, Remedy::ChooseWav].into(),
                "use `--bits 24`, or use `--format wav`",
                "choose 24 bits, or choose WAV",
            ),
            (
                Remedy::MakeRoom.into(),
                "make room on the disk",
                "make room on the disk",
            ),
            ("leave it out".into(), "leave it out", "leave it out"),
        ];

        each_case(cases, |(remedies, for_command, for_anybody)| {
            assert_eq!(remedies.for_command(), for_command);
            assert_eq!(remedies.for_anybody(), for_anybody);
        });
    }
}
