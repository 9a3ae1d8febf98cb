//! Failures of the command: one line with the cause, one with advice, and an exit code.

use std::fmt;

use sextet_separator::ErrorKind;

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

    /// Returns the advice for failures that carry none of their own.
    fn general_help(self) -> &'static str {
        match self {
            Kind::Usage => "see `sextet --help`",
            Kind::Input => "check the path and whether it can be read",
            Kind::Audio => {
                "check that it plays; `sextet` reads WAV, AIFF, FLAC, MP3, AAC/M4A, ALAC, Ogg Vorbis and Opus"
            }
            Kind::Model => {
                "see `sextet model list` for what is here; fetch or export the checkpoint anew if it is damaged"
            }
            Kind::Engine => "run `sextet doctor`, or use `--engine cpu`",
            Kind::Output => "check that the folder can be written to and that the disk has room",
            Kind::Hub => "try again: it goes on where it stopped",
            Kind::Interrupted => {
                "run the same command again; with `--skip-existing` it skips what is done"
            }
            Kind::Internal => "please report this with the output of `sextet doctor`",
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

/// A failure with its kind and advice. It travels inside [`anyhow::Error`].
#[derive(Debug)]
pub(crate) struct Fault {
    kind: Kind,
    message: String,
    help: Option<String>,
}

impl Fault {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            help: None,
        }
    }

    /// Adds advice.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
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
    pub(crate) help: String,
}

impl Report {
    /// Reads kind, cause and advice from `error` and everything that it wraps.
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

        let (message, advice) = cause_and_advice(error);
        let help = fault.and_then(|fault| fault.help.clone()).or(advice);
        Self {
            kind,
            message,
            help: help.unwrap_or_else(|| kind.general_help().to_owned()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\nhelp: {}", self.message, self.help)
    }
}

/// Returns the causes from the outermost to the root on one line, without repetitions, and the
/// library's advice, which follows the last semicolon of its messages.
fn cause_and_advice(error: &anyhow::Error) -> (String, Option<String>) {
    let (mut line, mut advice) = (String::new(), None);
    for cause in error.chain() {
        let mut text = cause
            .to_string()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");

        if (cause.is::<sextet_separator::Error>() || cause.is::<sextet_protocol::Error>())
            && let Some((before, after)) = text.rsplit_once("; ")
        {
            advice = Some(after.to_owned());
            text = before.to_owned();
        }
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

    (line, advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_report_is_one_line_of_cause_and_one_of_advice() {
        let io = std::io::Error::other("disk\nfull");
        let error = anyhow::Error::new(io)
            .context(Fault::new(Kind::Output, "cannot write 'a'").help("make room"));
        assert_eq!(
            Report::of(&error).to_string(),
            "error: cannot write 'a': disk full\nhelp: make room"
        );
    }

    #[test]
    fn a_library_error_keeps_its_kind_under_context() {
        let error = sextet_separator::Error::new(ErrorKind::Audio, "no samples; export it again");
        let error = Err::<(), _>(error).context("'x.wav'").unwrap_err();
        let report = Report::of(&error);
        assert_eq!(
            report.to_string(),
            "error: 'x.wav': no samples\nhelp: export it again"
        );
        assert_eq!(report.kind, Kind::Audio);
    }
}
