//! The command that the plugin runs in tests.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Returns the folder of the bundles that `cargo xtask bundle` has made, if they are tested instead
/// of this build.
pub fn bundled() -> Option<PathBuf> {
    std::env::var_os("SEXTET_TEST_BUNDLED").map(PathBuf::from)
}

/// Returns the command of the tested bundles, else that of this workspace, which is built if it is
/// missing.
pub fn command() -> &'static Path {
    static COMMAND: OnceLock<PathBuf> = OnceLock::new();
    COMMAND.get_or_init(|| {
        if let Some(folder) = bundled() {
            return folder.join(sextet_protocol::COMMAND_FILE);
        }

        let profile = std::env::current_exe()
            .unwrap()
            .ancestors()
            .nth(2)
            .unwrap()
            .to_owned();

        let path = profile.join(sextet_protocol::COMMAND_FILE);
        if !path.is_file() {
            let mut build = std::process::Command::new(env!("CARGO"));
            build
                .args(["build", "--package", "sextet-cli"])
                .current_dir(env!("CARGO_MANIFEST_DIR"));
            assert!(
                build.status().unwrap().success(),
                "the command cannot be built"
            );
        }

        assert!(path.is_file(), "{} is not there", path.display());
        path
    })
}
