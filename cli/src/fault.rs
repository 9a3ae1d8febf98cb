//! Failures of the command: one line with the cause, one with the remedy, and an exit code.

use std::fmt;

use sextet_protocol::Remedy;
use sextet_separator::ErrorKind;

use crate::remedy::Remedies;

/// The kind of a failure. It decides the exit code and is the `kind` of JSON output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The command line cannot be used.
    Usage,
    /// An input does not exist or cannot be read.
    Input,
    /// An input is not audio, or is broken audio.
    Audio,
    /// The model is unknown, missing, corrupt or not supported.
    Model,
    /// The engine cannot be started, or failed while it ran.
    Engine,
    /// A file cannot be written.
    Output,
    /// The model hub cannot be reached, or what it sent was wrong.
    Hub,
    /// The user or the system asked to stop.
    Interrupted,
    /// A bug of this program.
    Internal,
}

impl Kind {
    /// Returns the exit code of a command that ends with this failure.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Kind::Input | Kind::Audio | Kind::Output | Kind::Internal => 1,
            Kind::Usage => 2,
            Kind::Model => 3,
            Kind::Engine => 4,
            Kind::Hub => 5,
            Kind::Interrupted => 130,
        }
    }

    /// Returns the remedies of failures that carry none of their own.
    fn general_remedies(self) -> Vec<Remedy> {
        match self {
            Kind::Usage => vec![Remedy::ReadHelp],
            Kind::Input => vec![Remedy::CheckPath],
            Kind::Audio => vec![Remedy::CheckThatItPlays],
            Kind::Model => vec![Remedy::ListModels, Remedy::ReplaceCheckpoint],
            Kind::Engine => vec![Remedy::Diagnose, Remedy::UseCpu],
            Kind::Output => vec![Remedy::MakeRoom, Remedy::CheckFolder],
            Kind::Hub => vec![Remedy::TryAgain],
            Kind::Interrupted => vec![Remedy::RunAgain],
            Kind::Internal => vec![Remedy::Report],
        }
    }
}

impl From<ErrorKind> for Kind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Input => Kind::Input,
            ErrorKind::Audio => Kind::Audio,
            ErrorKind::Model => Kind::Model,
            ErrorKind::Engine => Kind::Engine,
            ErrorKind::Output => Kind::Output,
            ErrorKind::Options => Kind::Usage,
            ErrorKind::Cancelled => Kind::Interrupted,
            _ => Kind::Internal,
        }
    }
}

/// A failure with its kind and remedy. It travels inside [`anyhow::Error`].
#[derive(Debug)]
pub(crate) struct Fault {
    kind: Kind,
    message: String,
    remedies: Option<Remedies>,
}

impl Fault {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            remedies: None,
        }
    }

    /// Sets the remedy.
    pub(crate) fn remedy(mut self, remedies: impl Into<Remedies>) -> Self {
        self.remedies = Some(remedies.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// An error in the form that the user sees.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Report {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    #[serde(rename = "remedy", serialize_with = "as_phrase")]
    pub(crate) remedies: Remedies,
}

fn as_phrase<S: serde::Serializer>(remedies: &Remedies, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&remedies.for_command())
}

impl Report {
    /// Reads kind, cause and remedies from `error` and everything that it wraps.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let fault = error.downcast_ref::<Fault>();
        let library = error
            .chain()
            .find_map(|cause| cause.downcast_ref::<sextet_separator::Error>());
        let kind = match (fault, library) {
            (Some(fault), _) => fault.kind,
            (None, Some(library)) => library.kind().into(),
            (None, None) => Kind::Internal,
        };

        let own = fault.and_then(|fault| fault.remedies.clone());
        let remedies = own
            .or_else(|| remedies_of_libraries(error))
            .unwrap_or_else(|| kind.general_remedies().into());
        Self {
            kind,
            message: causes(error),
            remedies,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = self.remedies.for_command();
        write!(f, "error: {}\nhelp: {remedy}", self.message)
    }
}

/// Returns the remedies of the innermost error that gives some.
fn remedies_of_libraries(error: &anyhow::Error) -> Option<Remedies> {
    let each = error.chain().map(|cause| {
        if let Some(error) = cause.downcast_ref::<sextet_separator::Error>() {
            error.remedies().to_vec()
        } else if let Some(error) = cause.downcast_ref::<sextet_protocol::Error>() {
            error.remedies()
        } else {
            Vec::new()
        }
    });
    each.filter(|remedies| !remedies.is_empty())
        .last()
        .map(Remedies::Known)
}

/// Returns the causes from the outermost to the root on one line, without repetitions.
fn causes(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause
            .to_string()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");

        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }

        // A decoder's message about a broken file does not help users.
        if cause
            .downcast_ref()
            .is_some_and(|error: &sextet_separator::Error| error.kind() == ErrorKind::Audio)
        {
            break;
        }
    }

    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;
    use sextet_cases::each_case;

    #[test]
    fn a_report_is_one_line_of_cause_and_one_of_remedy() {
        let io = std::io::Error::other("disk\nfull");
        let error = anyhow::Error::new(io)
            .context(Fault::new(Kind::Output, "cannot write 'a'").remedy("make room"));
        assert_eq!(
            Report::of(&error).to_string(),
            "error: cannot write 'a': disk full\nhelp: make room"
        );
    }

    #[test]
    fn a_library_error_keeps_its_kind_and_remedies_under_context() {
        let error = sextet_separator::Error::new(ErrorKind::Audio, "no samples; none at all")
            .with_remedies(vec![Remedy::ExportAgain, Remedy::UseCpu]);
        let error = Err::<(), _>(error).context("'x.wav'").unwrap_err();
        let report = Report::of(&error);

        assert_eq!(
            report.to_string(),
            "error: 'x.wav': no samples; none at all\nhelp: copy or export it again, or use `--engine cpu`"
        );
        assert_eq!(report.kind, Kind::Audio);
        assert_eq!(
            serde_json::to_value(&report).unwrap(),
            serde_json::json!({
                "kind": "audio",
                "message": "'x.wav': no samples; none at all",
                "remedy": "copy or export it again, or use `--engine cpu`",
            })
        );
    }

    #[test]
    fn a_fault_without_a_remedy_has_that_of_its_cause_or_of_its_kind() {
        let library = || {
            sextet_separator::Error::new(ErrorKind::Engine, "it failed")
                .with_remedies(vec![Remedy::StartAgain])
        };
        let fault = || Fault::new(Kind::Engine, "no stems");

        let cases = [
            (
                anyhow::Error::new(fault()),
                "run `sextet doctor`, or use `--engine cpu`",
            ),
            (
                anyhow::Error::new(library()).context(fault()),
                "start again",
            ),
            (
                anyhow::Error::new(library()).context(fault().remedy(Remedy::UseCpu)),
                "use `--engine cpu`",
            ),
        ];
        each_case(cases, |(error, expected)| {
            assert_eq!(Report::of(&error).remedies.for_command(), expected);
        });
    }
}
