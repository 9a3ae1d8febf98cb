//! A host's answer: its head, or the reason why there is none.

use std::time::Duration;

use ureq::http::HeaderMap;
use ureq::{Error, Timeout};

/// Longest silence of a host.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The head of a host's answer.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
}

impl Head {
    /// Returns a header's text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the number of bytes that follow, if the host tells it.
    pub(crate) fn bytes(&self) -> Option<u64> {
        self.text("content-length")?.parse().ok()
    }

    /// Returns the position of the first byte that follows, if the host tells it: `content-range:
    /// bytes 500-999/1000`.
    pub(crate) fn first_byte(&self) -> Option<u64> {
        let range = self.text("content-range")?.strip_prefix("bytes ")?;
        range.split_once('-')?.0.parse().ok()
    }
}

/// The reason why a host did not answer completely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The request is impossible: the address or the token is invalid.
    Nonsense(String),
    /// The host cannot be reached.
    Unreachable(String),
    /// The connection broke.
    Cut(String),
    /// The host sent nothing for [`PATIENCE`].
    Silent,
    /// The caller cancelled the request.
    Cancelled,
}

impl From<Error> for Lost {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};

        let gone = [
            BrokenPipe,
            ConnectionAborted,
            ConnectionReset,
            UnexpectedEof,
        ];

        match error {
            Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                Self::Unreachable(format!("no connection within {} s", PATIENCE.as_secs()))
            }
            Error::Timeout(_) => Self::Silent,
            Error::Io(error) if gone.contains(&error.kind()) => Self::Cut(error.to_string()),
            Error::Io(error) => Self::Unreachable(error.to_string()),
            Error::BadUri(_) | Error::Http(_) => Self::Nonsense(error.to_string()),
            Error::Protocol(_) => Self::Cut(error.to_string()),
            error => Self::Unreachable(error.to_string()),
        }
    }
}
