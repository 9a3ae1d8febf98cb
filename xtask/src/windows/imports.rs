//! The libraries that what was built asks Windows for. Those of MinGW are on nobody's machine.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use cargo_metadata::Artifact;

use crate::step::output;

/// MinGW's reader of executables.
const OBJDUMP: &str = "x86_64-w64-mingw32-objdump";

/// Checks that programs and libraries import nothing of MinGW.
///
/// # Errors
/// The libraries of MinGW that they import.
pub(crate) fn check(files: &[&Path]) -> Result<()> {
    for file in files {
        let imports = imports(file)?;
        let foreign: Vec<_> = imports.iter().filter(|name| is_of_mingw(name)).collect();
        ensure!(
            foreign.is_empty(),
            "'{}' imports {foreign:?}, which Windows lacks",
            file.display()
        );
        ensure!(!imports.is_empty(), "'{}' imports nothing", file.display());
        println!("    {} imports of {}", imports.len(), file.display());
    }
    Ok(())
}

/// Returns the programs and libraries among `built` that are shipped.
pub(super) fn shipped(built: &[Artifact]) -> Vec<&Path> {
    let shipped = built.iter().filter(|artifact| {
        !artifact.profile.test && (artifact.target.is_bin() || artifact.target.is_cdylib())
    });
    let files = shipped.flat_map(|artifact| &artifact.filenames);
    files
        .filter(|file| matches!(file.extension(), Some("exe" | "dll")))
        .map(|file| file.as_std_path())
        .collect()
}

/// Returns the names of the libraries that `file` imports.
fn imports(file: &Path) -> Result<Vec<String>> {
    let file = file
        .to_str()
        .context("the workspace's path is not valid Unicode")?;
    let listed = output(OBJDUMP, &["--private-headers", file])?;
    Ok(names(&listed))
}

/// Returns the names in a listing of headers, whose lines are `\tDLL Name: KERNEL32.dll`.
fn names(listed: &str) -> Vec<String> {
    let names = listed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("DLL Name: "));
    names.map(|name| name.trim().to_ascii_lowercase()).collect()
}

/// Whether a library is one of MinGW's: they alone are named as on Unix.
fn is_of_mingw(name: &str) -> bool {
    name.starts_with("lib")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mingw_brings_is_told_from_what_windows_has() {
        let listed = "\n vma:  Hint\n\tDLL Name: KERNEL32.dll\n\t1a  20  Sleep\n\n\tDLL Name: libstdc++-6.dll\n";
        let names = names(listed);
        assert_eq!(names, ["kernel32.dll", "libstdc++-6.dll"]);
        assert!(!is_of_mingw(&names[0]) && is_of_mingw(&names[1]));
    }
}
