//! Bundles of macOS, which the plugin's bundler makes everywhere else as it makes them there.
//!
//! ```text
//! Sextet.vst3/Contents/, Sextet.clap/Contents/
//!   Info.plist  PkgInfo
//!   MacOS/Sextet      the library
//!   Helpers/sextet    the command
//! ```
//!
//! The command is not beside the library: disks of macOS do not tell `sextet` from `Sextet`, unless
//! they were formatted to. `Helpers` is the folder that Apple names for programs, and whose
//! contents are signed with the bundle ("macOS Code Signing In Depth", Technical Note TN2206).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use plist::{Dictionary, Value};

/// Begins the names by which macOS tells bundles from each other. It is the CLAP's own name.
const IDENTIFIER: &str = "dev.sextet.separator";

/// Whether a bundle whose library is in `folder` is one of macOS.
pub(crate) fn is_macos(folder: &Path) -> bool {
    folder.ends_with("Contents/MacOS")
}

/// Returns the folder of the command in `bundle`.
pub(crate) fn command_folder(bundle: &Path) -> PathBuf {
    bundle.join("Contents").join("Helpers")
}

/// Puts into the bundle's `Info.plist` what the bundler does not know: its owner and version.
///
/// # Errors
/// When there is no such file, or it cannot be written.
pub(crate) fn describe(bundle: &Path) -> Result<()> {
    let path = bundle.join("Contents").join("Info.plist");
    let mut list: Dictionary =
        plist::from_file(&path).with_context(|| format!("cannot read '{}'", path.display()))?;

    let format = bundle.extension().and_then(|end| end.to_str());
    let format = format.context("a bundle ends in the format's name")?;
    for (key, value) in [
        (
            "CFBundleIdentifier",
            format!("{IDENTIFIER}.{format}").as_str(),
        ),
        ("CFBundleInfoDictionaryVersion", "6.0"),
        ("CFBundleShortVersionString", env!("CARGO_PKG_VERSION")),
        ("CFBundleVersion", env!("CARGO_PKG_VERSION")),
    ] {
        list.insert(key.to_owned(), Value::from(value));
    }

    plist::to_file_xml(&path, &list).with_context(|| format!("cannot write '{}'", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use nice_plug_xtask::{
        Architecture, BundleType, CompilationTarget, maybe_create_macos_bundle_metadata,
    };
    use sextet_cases::each_case;

    use super::*;
    use crate::bundle::complete;

    /// Makes a bundle as the bundler does for a Mac, and completes it.
    fn make(home: &Path, name: &str) -> PathBuf {
        let bundle = home.join(name);
        fs::create_dir_all(bundle.join("Contents/MacOS")).unwrap();
        fs::write(bundle.join("Contents/MacOS/Sextet"), "library").unwrap();
        let target = CompilationTarget::MacOS(Architecture::AArch64);
        maybe_create_macos_bundle_metadata(
            "sextet-plugin",
            "Sextet",
            &bundle,
            target,
            BundleType::Plugin,
        )
        .unwrap();

        let command = home.join("sextet");
        fs::write(&command, "command").unwrap();
        complete(&bundle, &command).unwrap();
        bundle
    }

    /// Adds the paths of all files in `folder`, relative to `top`.
    fn collect(folder: &Path, top: &Path, files: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, top, files);
            } else {
                let path = path.strip_prefix(top).unwrap();
                files.insert(path.to_str().unwrap().replace('\\', "/"));
            }
        }
    }

    #[test]
    fn bundles_of_macos_have_every_file_in_its_place() {
        each_case(["Sextet.vst3", "Sextet.clap"], |name| {
            let home = tempfile::tempdir().unwrap();
            let bundle = make(home.path(), name);
            let mut files = BTreeSet::new();
            collect(&bundle, &bundle, &mut files);

            let expected = [
                "Contents/Helpers/sextet",
                "Contents/Info.plist",
                "Contents/MacOS/Sextet",
                "Contents/PkgInfo",
            ];
            assert_eq!(files, expected.map(str::to_owned).into());
            let text = |path: &str| fs::read_to_string(bundle.join(path)).unwrap();
            assert_eq!(text("Contents/MacOS/Sextet"), "library");
            assert_eq!(text("Contents/Helpers/sextet"), "command");

            // A disk that knows no capital letters has room for all of them.
            let names: BTreeSet<_> = files.iter().map(|file| file.to_lowercase()).collect();
            assert_eq!(names.len(), files.len());
        });
    }

    #[test]
    fn the_list_names_the_library_whose_it_is_and_the_version() {
        each_case(["vst3", "clap"], |format| {
            let home = tempfile::tempdir().unwrap();
            let bundle = make(home.path(), &format!("Sextet.{format}"));
            let contents = bundle.join("Contents");
            let list: Dictionary = plist::from_file(contents.join("Info.plist")).unwrap();
            let text = |key: &str| list.get(key).and_then(Value::as_string).unwrap();

            assert!(
                contents
                    .join("MacOS")
                    .join(text("CFBundleExecutable"))
                    .is_file()
            );
            assert_eq!(
                text("CFBundleIdentifier"),
                format!("dev.sextet.separator.{format}")
            );
            assert_eq!(text("CFBundleName"), "Sextet");
            assert_eq!(text("CFBundleInfoDictionaryVersion"), "6.0");
            for key in ["CFBundleShortVersionString", "CFBundleVersion"] {
                assert_eq!(text(key), env!("CARGO_PKG_VERSION"));
            }

            // Eight letters: the type of the bundle and its signature.
            let info = fs::read_to_string(contents.join("PkgInfo")).unwrap();
            let both = format!(
                "{}{}",
                text("CFBundlePackageType"),
                text("CFBundleSignature")
            );
            assert_eq!((info.as_str(), info.len()), (both.as_str(), 8));
            assert!(info.starts_with("BNDL"));
        });
    }

    #[test]
    fn a_bundle_without_a_list_is_told() {
        let home = tempfile::tempdir().unwrap();
        let told = describe(&home.path().join("Sextet.vst3")).unwrap_err();
        assert!(told.to_string().contains("Info.plist"), "{told}");
    }
}
