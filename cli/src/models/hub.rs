//! The model hub over the network: what it says about a file, the file's bytes, and its place in the cache.
//!
//! hf-hub 1.0.0 neither resumes nor verifies a download, so bytes are read through its stream from where they stopped,
//! verified by `transfer.rs`, put where it expects them, and then laid into the cache by it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use hf_hub::repository::{HFRepository, RepoTypeModel};
use hf_hub::{HFClient, HFError};
use reqwest::header::HeaderMap;

use super::catalogue::Hub;
use crate::fault::{Fault, Kind};

/// How long the hub may be silent before a request counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The branch that models are fetched from, as demucs does.
const REVISION: &str = "main";

/// One repository on the hub.
pub(super) struct Remote {
    runtime: tokio::runtime::Runtime,
    asker: reqwest::Client,
    repository: HFRepository<RepoTypeModel>,
    endpoint: String,
    id: String,
}

/// What the hub says about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// The file's name in the cache: its SHA-256 where it is a large file, its git hash otherwise.
    pub(super) etag: String,
    /// Its length, where the hub says it.
    pub(super) bytes: Option<u64>,
}

impl Facts {
    /// The file's SHA-256 in hex, where the hub says it.
    pub(super) fn sha256(&self) -> Option<&str> {
        let hex = self.etag.len() == 64 && self.etag.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then_some(self.etag.as_str())
    }
}

impl Remote {
    /// Prepares to talk to the hub that `HF_ENDPOINT` names; nothing is sent yet.
    pub(super) fn new(hub: &Hub) -> Result<Self> {
        let endpoint = std::env::var("HF_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
        let endpoint = endpoint.unwrap_or_else(|| "https://huggingface.co".to_owned());
        let client = HFClient::builder().endpoint(&endpoint).retry_max_attempts(2).user_agent(user_agent());
        let client = client.build().map_err(|error| {
            Fault::new(Kind::Hub, format!("cannot talk to the model hub at '{endpoint}': {error}"))
                .help("check HF_ENDPOINT: expected an address such as https://huggingface.co")
        })?;
        // Redirects within the hub are followed; one to where the bytes are already carries the facts.
        let same_host = reqwest::redirect::Policy::custom(|attempt| {
            let host = attempt.previous().last().and_then(|url| url.host_str());
            if host == attempt.url().host_str() { attempt.follow() } else { attempt.stop() }
        });
        let asker = reqwest::Client::builder().redirect(same_host).user_agent(user_agent()).build()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let repository = client.model(&hub.owner, &hub.repository);
        Ok(Self { runtime, asker, repository, endpoint: endpoint.trim_end_matches('/').to_owned(), id: hub.id() })
    }

    /// Name of the hub's host.
    pub(super) fn host(&self) -> &str {
        self.endpoint.split_once("://").map_or(self.endpoint.as_str(), |(_, host)| host)
    }

    /// Asks what the hub has under `file`.
    pub(super) fn facts(&self, file: &str) -> Result<Facts> {
        let url = format!("{}/{}/resolve/{REVISION}/{file}", self.endpoint, self.id);
        let mut request = self.asker.head(&url).timeout(PATIENCE);
        if let Some(token) = std::env::var("HF_TOKEN").ok().filter(|token| !token.is_empty()) {
            request = request.bearer_auth(token);
        }
        // Inside the runtime: the request's timer begins when it is sent.
        let answer = self.runtime.block_on(async { request.send().await }).map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        if !status.is_success() && !status.is_redirection() {
            return Err(self.refused(file, status.as_u16()).into());
        }
        read_facts(answer.headers()).ok_or_else(|| {
            let message = format!("the model hub at {} did not say which '{file}' it has", self.endpoint);
            Fault::new(Kind::Hub, message).help("check HF_ENDPOINT and whether a proxy answers in its place").into()
        })
    }

    /// Reads `file` from byte `from` up to byte `to` and hands each piece to `take`, after telling `begin` how many bytes
    /// the answer holds, where that is known.
    pub(super) fn read(
        &self,
        file: &str,
        (from, to): (u64, u64),
        begin: impl FnOnce(Option<u64>) -> Result<()>,
        mut take: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        self.runtime.block_on(async {
            let request = self.repository.download_file_stream().filename(file).revision(REVISION);
            let answer = tokio::time::timeout(PATIENCE, request.maybe_range((to > from).then_some(from..to)).send());
            let (bytes, mut pieces) = answer.await.context(self.silent())?.map_err(|e| self.failed(file, &e))?;
            begin(bytes)?;
            while let Some(piece) = tokio::time::timeout(PATIENCE, pieces.next()).await.context(self.silent())? {
                take(&piece.map_err(|e| self.failed(file, &e))?)?;
            }
            Ok(())
        })
    }

    /// Lays `file`, whose bytes are in the cache's blobs already, into the cache; returns its path there.
    pub(super) fn settle(&self, file: &str) -> Result<PathBuf> {
        let request = self.repository.download_file().filename(file).revision(REVISION).send();
        self.runtime.block_on(request).map_err(|e| self.failed(file, &e).into())
    }

    fn refused(&self, file: &str, status: u16) -> Fault {
        let at = format!("the model hub at {}", self.endpoint);
        match status {
            404 => Fault::new(Kind::Hub, format!("{at} has no '{file}' in {} (404)", self.id))
                .help("the model may have moved: see whether a newer sextet knows where"),
            401 | 403 => Fault::new(Kind::Hub, format!("{at} does not give '{file}' of {} to us ({status})", self.id))
                .help("log in at the hub and set HF_TOKEN"),
            _ => Fault::new(Kind::Hub, format!("{at} answered {status} for '{file}' of {}", self.id)),
        }
    }

    fn failed(&self, file: &str, error: &HFError) -> Fault {
        match error {
            HFError::EntryNotFound { .. } | HFError::RepoNotFound { .. } => self.refused(file, 404),
            HFError::AuthRequired { .. } => self.refused(file, 401),
            HFError::Forbidden { .. } => self.refused(file, 403),
            HFError::Http { context } => self.refused(file, context.status.as_u16()),
            HFError::Request { source, .. } => self.unreachable(source),
            other => Fault::new(Kind::Hub, format!("the model hub at {}: {other}", self.endpoint)),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Fault {
        let mut root: &dyn std::error::Error = error;
        while let Some(source) = root.source() {
            root = source;
        }
        let what = if error.is_connect() { "cannot reach" } else { "lost the connection to" };
        let message = format!("{what} the model hub at {}: {root}", self.endpoint);
        Fault::new(Kind::Hub, message)
            .help("check the network, then run the same command again: it goes on where it stopped")
    }

    fn silent(&self) -> Fault {
        let message = format!("the model hub at {} was silent for {} s", self.endpoint, PATIENCE.as_secs());
        Fault::new(Kind::Hub, message).help("run the same command again: it goes on where it stopped")
    }
}

fn user_agent() -> String {
    format!("sextet/{}", env!("CARGO_PKG_VERSION"))
}

/// Reads the facts as huggingface_hub does: the linked file's where there is one, else the answer's own.
fn read_facts(headers: &HeaderMap) -> Option<Facts> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    headers.get("x-repo-commit")?;
    let etag = text("x-linked-etag").or_else(|| text("etag"))?;
    let etag = etag.trim_start_matches("W/").trim_matches('"');
    let plain = !etag.is_empty() && etag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let bytes = text("x-linked-size").or_else(|| text("content-length")).and_then(|bytes| bytes.parse().ok());
    plain.then(|| Facts { etag: etag.to_owned(), bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_linked_file_speaks_for_itself() {
        let commit = ("x-repo-commit", "c0ffee");
        let redirect = [commit, ("etag", "W/\"short\""), ("x-linked-etag", "\"abc\""), ("x-linked-size", "7")];
        assert_eq!(read_facts(&headers(&redirect)), Some(Facts { etag: "abc".into(), bytes: Some(7) }));
        let plain = [commit, ("etag", "W/\"short\""), ("content-length", "3")];
        assert_eq!(read_facts(&headers(&plain)), Some(Facts { etag: "short".into(), bytes: Some(3) }));
    }

    #[test]
    fn an_answer_that_is_not_the_hubs_or_names_a_path_is_refused() {
        assert_eq!(read_facts(&headers(&[("etag", "abc")])), None);
        assert_eq!(read_facts(&headers(&[("x-repo-commit", "c"), ("etag", "\"../../x\"")])), None);
    }
}
