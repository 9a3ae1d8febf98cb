//! Temporary folders for a test, and songs in them.

use std::path::{Path, PathBuf};

use sextet_protocol::Folders;

use sextet_plugin_testing::command::command;
use sextet_plugin_testing::entry;

/// The folders of one test. Dropping them deletes them.
pub(crate) struct TestFolders {
    root: tempfile::TempDir,
    /// The cache and the data folder.
    pub(crate) folders: Folders,
}

impl TestFolders {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::at(root.path().join("cache"), root.path().join("data"));
        Self { root, folders }
    }

    /// Returns folders for a test that runs workers. The command is expected beside the test
    /// program.
    pub(crate) fn with_command() -> Self {
        assert!(command().is_file());
        Self::new()
    }

    /// Returns the root, in which a test may put any other files.
    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// Writes a new song and returns its path: a sawtooth of this height from peak to peak.
    pub(crate) fn song(&self, name: &str, rate_hz: u32, seconds: u32, height: f32) -> PathBuf {
        let path = self.path().join(name);
        let sample = |n: u32| height * ((n % 1009) as f32 / 1009.0 - 0.5);
        let samples: Vec<f32> = (0..2 * seconds * rate_hz).map(sample).collect();
        entry::write_wav(&path, rate_hz, &samples);
        path
    }
}
