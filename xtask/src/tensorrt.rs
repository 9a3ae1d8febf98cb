//! Prerequisites of building and testing with TensorRT: libclang, and NVIDIA's real library, which
//! builds engines without a GPU.

use std::env::consts::{ARCH, OS};
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result};
use sextet_fs::AtomicDir;

use crate::step::{output, root, run};
use crate::tools::{libclang_python, python, text};

/// The wheels of the library, from the command's own list.
const WHEELS: &str = include_str!("../../cli/src/setup/wheels.toml");
/// The package of these wheels.
const LIBRARY: &str = "tensorrt-rtx-cu13-libs";
/// The folder of the library in its wheel.
const IN_WHEEL: &str = "tensorrt_rtx_libs";

/// Whether NVIDIA offers TensorRT for this system, and this system's compilers can call it: the
/// library for Windows is C++ of Microsoft's compiler, whose objects MinGW's cannot use.
pub(crate) fn is_made_for_this_system() -> bool {
    is_made_for(OS, ARCH) && !cfg!(all(windows, target_env = "gnu"))
}

fn is_made_for(os: &str, arch: &str) -> bool {
    WHEELS
        .replace('\r', "")
        .contains(&format!("os = \"{os}\"\narch = \"{arch}\""))
}

/// Returns the folder of the library and the wheel that it came in, fetched and unpacked on first
/// use.
///
/// This does not use `sextet setup`, for which the command would have to be built first: the
/// binding's build script runs again when Cargo is started a second time, and all that depends on
/// it is built once more.
pub(crate) fn library() -> Result<(String, String)> {
    let version = WHEELS
        .lines()
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    let version = version.context("wheels.toml names no version")?;
    let home = root()
        .join("target/tools")
        .join(format!("tensorrt-{version}"));

    let wheel = || {
        let files = fs::read_dir(&home)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        files
            .into_iter()
            .find(|path| path.extension().is_some_and(|end| end == "whl"))
    };

    // Fetch the wheel.
    let python = python()?;
    if wheel().is_none() {
        let (package, home) = (format!("{LIBRARY}=={version}"), text(home.clone())?);
        run(
            &python,
            &[
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--dest",
                &home,
                &package,
            ],
            &[],
        )?;
    }

    let wheel =
        text(wheel().with_context(|| format!("pip left no wheel in '{}'", home.display()))?)?;

    let unpacked = home.join("unpacked");
    if !unpacked.is_dir() {
        let cannot_make = || format!("cannot make '{}'", unpacked.display());
        let unfinished = AtomicDir::beside(&unpacked).with_context(cannot_make)?;
        run(
            &python,
            &[
                "-m",
                "zipfile",
                "--extract",
                &wheel,
                &text(unfinished.path().to_owned())?,
            ],
            &[],
        )?;

        unfinished.commit(&unpacked).with_context(cannot_make)?;
    }

    Ok((text(unpacked.join(IN_WHEEL))?, wheel))
}

/// Whether the released command contains TensorRT unless it is left out: on Linux and Windows,
/// x86-64. NVIDIA has its library for 64-bit ARM too, where it is untested.
pub(crate) fn is_shipped_for_this_system() -> bool {
    is_made_for_this_system() && is_shipped_for(OS, ARCH)
}

fn is_shipped_for(os: &str, arch: &str) -> bool {
    is_made_for(os, arch) && arch == "x86_64"
}

/// Returns the variables with which the build finds libclang, which is fetched when the system has
/// none.
///
/// # Errors
/// When the system has neither libclang nor a Python that can fetch it.
pub(crate) fn libclang() -> Result<Vec<(&'static str, String)>> {
    if env::var_os("LIBCLANG_PATH").is_some() || system_has_libclang() {
        return Ok(Vec::new());
    }

    let python = libclang_python().context(
        "building with TensorRT needs libclang: install it (on Debian and Ubuntu: sudo apt install libclang-dev), or Python 3 \
         with venv, which fetches it (sudo apt install python3-venv)",
    )?;
    let find = "import clang, pathlib; print(pathlib.Path(clang.__file__).parent / 'native')";
    let folder = output(&python, &["-c", find])?;
    let mut found = vec![("LIBCLANG_PATH", folder)];

    // This libclang comes without the compiler's own headers.
    if let Ok(headers) = output("cc", &["-print-file-name=include"]) {
        found.push(("BINDGEN_EXTRA_CLANG_ARGS", format!("-isystem {headers}")));
    }

    Ok(found)
}

/// Whether libclang is where the build looks for it by itself.
fn system_has_libclang() -> bool {
    let mut folders: Vec<PathBuf> = [
        "/usr/lib64",
        "/usr/lib",
        "/usr/local/lib",
        "C:/Program Files/LLVM/bin",
    ]
    .map(PathBuf::from)
    .into_iter()
    .chain([format!("/usr/lib/{ARCH}-linux-gnu").into()])
    .chain(output("llvm-config", &["--libdir"]).ok().map(PathBuf::from))
    .collect();

    let versions = fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());

    folders.extend(
        versions
            .filter(|path| name(path).starts_with("llvm-"))
            .map(|path| path.join("lib")),
    );

    let is_libclang = |path: &Path| {
        let name = name(path);
        name == "libclang.dll"
            || name.starts_with("libclang.so")
            || (name.starts_with("libclang-") && name.contains(".so"))
    };

    let files = |folder: &PathBuf| {
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };

    folders
        .iter()
        .flat_map(files)
        .any(|path| is_libclang(&path) && !name(&path).starts_with("libclang-cpp"))
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensorrt_is_shipped_for_linux_and_windows_on_x86_64() {
        let cases = [
            ("linux", "x86_64", true, true),
            ("windows", "x86_64", true, true),
            ("linux", "aarch64", true, false),
            ("macos", "x86_64", false, false),
            ("macos", "aarch64", false, false),
        ];

        for (os, arch, made, shipped) in cases {
            let found = (is_made_for(os, arch), is_shipped_for(os, arch));
            assert_eq!(found, (made, shipped), "{os} {arch}");
        }
    }
}
