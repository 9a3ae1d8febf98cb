//! The model hub over the network: facts about files, their addresses, and the messages about
//! failures.

use std::env;
use std::path::Path;

use anyhow::Result;

use super::cache;
use super::catalogue::Hub;
use super::facts::{Facts, REVISION};
use crate::fault::{Fault, Kind};
use crate::transfer::{self, Client, Lost, PATIENCE, Source, TransferListener};

/// Address of the hub, unless `HF_ENDPOINT` names another.
const ENDPOINT: &str = "https://huggingface.co";

/// One repository on the hub.
pub(super) struct Remote {
    client: Client,
    endpoint: String,
    id: String,
    token: Option<String>,
}

/// One file of a repository, as a source to fetch from.
pub(super) struct RemoteFile<'a> {
    remote: &'a Remote,
    file: &'a str,
    url: String,
}

impl Remote {
    /// Prepares requests to the hub that `HF_ENDPOINT` names. Sends nothing yet.
    pub(super) fn new(hub: &Hub) -> Self {
        let endpoint = env::var("HF_ENDPOINT")
            .ok()
            .filter(|endpoint| !endpoint.is_empty());
        let endpoint = endpoint
            .unwrap_or_else(|| ENDPOINT.to_owned())
            .trim_end_matches('/')
            .to_owned();
        Self {
            client: Client::new(),
            endpoint,
            id: hub.id(),
            token: cache::token(),
        }
    }

    /// Returns the name of the hub's host.
    pub(super) fn host(&self) -> &str {
        let address = self
            .endpoint
            .split_once("://")
            .map_or(self.endpoint.as_str(), |(_, address)| address);
        address.split('/').next().unwrap_or_default()
    }

    /// Asks the hub for the facts about `file`.
    ///
    /// # Errors
    /// When the hub does not answer or has no such file, or `listener` cancelled.
    pub(super) fn facts(&self, file: &str, listener: &dyn TransferListener) -> Result<Facts> {
        let remote = self.file(file);
        let head = self
            .client
            .head(&remote.url, self.token.as_deref(), &|| listener.cancelled());

        let head = head.map_err(|lost| remote.lost(&lost))?;
        if !(200..400).contains(&head.status) {
            return Err(remote.refused(head.status).into());
        }

        Facts::of(&head).ok_or_else(|| {
            let message = format!(
                "the model hub at {} did not say which '{file}' it has",
                self.endpoint
            );
            Fault::new(Kind::Hub, message)
                .remedy("check HF_ENDPOINT and whether a proxy answers in its place")
                .into()
        })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the file called `file`.
    pub(super) fn file<'a>(&'a self, file: &'a str) -> RemoteFile<'a> {
        RemoteFile {
            remote: self,
            file,
            url: format!("{}/{}/resolve/{REVISION}/{file}", self.endpoint, self.id),
        }
    }
}

impl Source for RemoteFile<'_> {
    fn url(&self) -> &str {
        &self.url
    }

    fn token(&self) -> Option<&str> {
        self.remote.token.as_deref()
    }

    fn refused(&self, status: u16) -> Fault {
        let (file, Remote { endpoint, id, .. }) = (self.file, self.remote);
        let at = format!("the model hub at {endpoint}");
        match status {
            404 => Fault::new(Kind::Hub, format!("{at} has no '{file}' in {id} (404)"))
                .remedy("the model may have moved: see whether a newer sextet knows where"),
            401 | 403 => Fault::new(
                Kind::Hub,
                format!("{at} does not give '{file}' of {id} to us ({status})"),
            )
            .remedy("log in at the hub and set HF_TOKEN"),
            _ => Fault::new(
                Kind::Hub,
                format!("{at} answered {status} for '{file}' of {id}"),
            ),
        }
    }

    fn lost(&self, lost: &Lost) -> Fault {
        let at = format!("the model hub at {}", self.remote.endpoint);
        let (message, remedy) = match lost {
            Lost::Nonsense(why) => {
                let remedy = "check HF_ENDPOINT: expected an address such as https://huggingface.co; and HF_TOKEN, if it is set";
                (format!("cannot talk to {at}: {why}"), remedy)
            }
            Lost::Unreachable(why) => (
                format!("cannot reach {at}: {why}"),
                "check the network and try again: it goes on where it stopped",
            ),
            Lost::Cut(why) => (
                format!("lost the connection to {at}: {why}"),
                "check the network and try again: it goes on where it stopped",
            ),
            Lost::Silent => (
                format!("{at} was silent for {} s", PATIENCE.as_secs()),
                "try again: it goes on where it stopped",
            ),
            Lost::Cancelled => return transfer::cancelled(),
        };

        Fault::new(Kind::Hub, message).remedy(remedy)
    }

    fn unwritable(&self, path: &Path, error: &std::io::Error) -> Fault {
        cache::unwritable(path, error)
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;
    use crate::transfer::Head;

    fn head(pairs: &[(&'static str, &'static str)]) -> Head {
        let headers = pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        Head {
            status: 200,
            headers,
        }
    }

    fn facts(etag: &str, bytes: u64) -> Facts {
        Facts {
            commit: "c0ffee".into(),
            etag: etag.into(),
            bytes: Some(bytes),
        }
    }

    #[test]
    fn a_linked_file_speaks_for_itself() {
        let commit = ("x-repo-commit", "c0ffee");
        let redirect = [
            commit,
            ("etag", "W/\"short\""),
            ("x-linked-etag", "\"abc\""),
            ("x-linked-size", "7"),
        ];

        assert_eq!(Facts::of(&head(&redirect)), Some(facts("abc", 7)));
        let plain = [commit, ("etag", "W/\"short\""), ("content-length", "3")];
        assert_eq!(Facts::of(&head(&plain)), Some(facts("short", 3)));
    }

    #[test]
    fn an_answer_that_is_not_the_hubs_or_names_a_path_is_refused() {
        let wrong: [&[_]; 4] = [
            &[("etag", "abc")],
            &[("x-repo-commit", "c")],
            &[("x-repo-commit", "c"), ("etag", "\"../../x\"")],
            &[("x-repo-commit", "../c"), ("etag", "abc")],
        ];
        each_case(wrong, |pairs| {
            assert_eq!(Facts::of(&head(pairs)), None, "{pairs:?}");
        });
    }
}
