//! The hub's facts about a file, and the branch that they are of.

use crate::transfer::Head;

/// The branch that models are fetched from, as demucs does.
pub(super) const REVISION: &str = "main";

/// The hub's facts about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// The commit of the repository that the file belongs to.
    pub(super) commit: String,
    /// The file's name in the cache: the SHA-256 of a large file, the git hash of any other.
    pub(super) etag: String,
    /// Length in bytes, if the hub tells it.
    pub(super) bytes: Option<u64>,
}

impl Facts {
    /// Reads the facts as huggingface_hub does: the linked file's if there is one, else the
    /// answer's own.
    pub(super) fn of(head: &Head) -> Option<Self> {
        let etag = head.text("x-linked-etag").or_else(|| head.text("etag"))?;
        let etag = etag.trim_start_matches("W/").trim_matches('"');
        let commit = head.text("x-repo-commit")?;
        let bytes = head
            .text("x-linked-size")
            .or_else(|| head.text("content-length"));

        // Both become names of files.
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        (plain(etag) && plain(commit)).then(|| Self {
            commit: commit.to_owned(),
            etag: etag.to_owned(),
            bytes: bytes.and_then(|bytes| bytes.parse().ok()),
        })
    }

    /// Returns the file's SHA-256 in hex, if the hub tells it.
    pub(super) fn sha256(&self) -> Option<&str> {
        let hex = self.etag.len() == 64 && self.etag.bytes().all(|b| b.is_ascii_hexdigit());
        hex.then_some(self.etag.as_str())
    }
}
