//! The wheel that holds TensorRT's libraries: its choice for this system, its verification and its
//! unpacking.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use sextet_fs::AtomicDir;
use sextet_protocol::Remedy;
use zip::ZipArchive;

use crate::fault::{Fault, Kind};
use crate::transfer::sha256;
use crate::transfer::{self, TransferListener};

const CATALOGUE: &str = include_str!("wheels.toml");

/// Bytes that are unpacked between two checks for cancellation.
const AT_ONCE_BYTES: u64 = 4 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    version: String,
    wheel: Vec<WheelRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WheelRow {
    os: String,
    arch: String,
    path: String,
    bytes: u64,
    sha256: String,
}

/// One wheel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wheel {
    pub(super) version: String,
    /// Path below the file host.
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Wheel {
    /// Returns the wheel for this operating system and processor.
    pub(super) fn of_this_system() -> Option<Self> {
        Self::of(std::env::consts::OS, std::env::consts::ARCH)
    }

    fn of(os: &str, arch: &str) -> Option<Self> {
        let Catalogue { version, wheel } = toml::from_str(CATALOGUE).ok()?;
        let WheelRow {
            path,
            bytes,
            sha256,
            ..
        } = wheel
            .into_iter()
            .find(|wheel| wheel.os == os && wheel.arch == arch)?;

        Some(Self {
            version,
            path,
            bytes,
            sha256,
        })
    }

    /// Returns the file name.
    pub(super) fn file(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Returns the name of the content, for people: `TensorRT-RTX 1.6.1`.
    pub(super) fn title(&self) -> String {
        let numbers: Vec<_> = self.version.split('.').take(3).collect();
        format!("TensorRT-RTX {}", numbers.join("."))
    }

    /// Refuses a file that is not this wheel, byte for byte, with a fault of `kind`.
    pub(super) fn verify(
        &self,
        file: &Path,
        kind: Kind,
        listener: &dyn TransferListener,
    ) -> Result<()> {
        let found = sha256(file, listener)?;
        if found == self.sha256 {
            return Ok(());
        }

        let message = format!(
            "'{}' is not {}: SHA-256 {found}, expected {}",
            file.display(),
            self.file(),
            self.sha256
        );

        Err(Fault::new(kind, message)
            .remedy(Remedy::InstallTensorRt)
            .into())
    }

    /// Unpacks the libraries and their licence into `folder`, which is replaced as a whole when all
    /// files are there.
    pub(super) fn unpack(
        &self,
        file: &Path,
        folder: &Path,
        listener: &dyn TransferListener,
    ) -> Result<()> {
        let cannot_write =
            || Fault::new(Kind::Output, format!("cannot write '{}'", folder.display()));
        let beside = folder.parent().unwrap_or(folder);
        fs::create_dir_all(beside).with_context(cannot_write)?;

        let new = AtomicDir::beside(folder).with_context(cannot_write)?;
        let damaged = || {
            Fault::new(
                Kind::Hub,
                format!("'{}' cannot be unpacked", file.display()),
            )
        };

        // Unpack the wanted files beside the folder.
        let mut archive =
            ZipArchive::new(File::open(file).with_context(damaged)?).with_context(damaged)?;
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).with_context(damaged)?;
            let name = entry
                .name()
                .with_context(damaged)?
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned();

            if is_wanted(&name) {
                let mut out = File::create(new.path().join(name)).with_context(cannot_write)?;
                copy(&mut entry, &mut out, listener).with_context(cannot_write)?;
                transfer::check(listener)?;
            }
        }

        new.commit(folder).with_context(cannot_write)
    }
}

/// Copies all of `from`, or stops early when `listener` cancels.
fn copy(
    from: &mut impl Read,
    to: &mut impl Write,
    listener: &dyn TransferListener,
) -> io::Result<()> {
    while !listener.cancelled()
        && io::copy(&mut from.by_ref().take(AT_ONCE_BYTES), to)? == AT_ONCE_BYTES
    {}
    Ok(())
}

fn is_wanted(name: &str) -> bool {
    let library =
        name.contains(".so") || Path::new(name).extension().is_some_and(|end| end == "dll");
    library || name == "LICENSE.txt"
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;
    use crate::transfer::Bar;

    #[test]
    fn the_catalogue_has_every_system_that_nvidia_has() {
        let cases = [
            ("linux", "x86_64"),
            ("linux", "aarch64"),
            ("windows", "x86_64"),
            ("windows", "aarch64"),
        ];
        each_case(cases, |(os, arch)| {
            let wheel = Wheel::of(os, arch).unwrap();
            assert_eq!(wheel.sha256.len(), 64);
            assert!(
                (80_000_000..100_000_000).contains(&wheel.bytes),
                "{}",
                wheel.bytes
            );
            assert!(wheel.file().contains(&wheel.version), "{}", wheel.file());
        });
        assert_eq!(Wheel::of("macos", "aarch64"), None);
    }

    #[test]
    fn only_the_libraries_and_the_licence_are_unpacked_and_an_older_set_goes() {
        let here = tempfile::tempdir().unwrap();
        let path = here.path().join("a.whl");

        let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
        for name in [
            "a/libx.so.1",
            "a/__init__.py",
            "a.dist-info/licenses/LICENSE.txt",
            "../escape.so",
        ] {
            archive
                .start_file(name, zip::write::SimpleFileOptions::default())
                .unwrap();
            archive.write_all(name.as_bytes()).unwrap();
        }

        archive.finish().unwrap();
        let folder = here.path().join("user/tensorrt");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("libold.so"), b"old").unwrap();

        let wheel = Wheel::of("linux", "x86_64").unwrap();
        assert!(wheel.verify(&path, Kind::Input, &Bar::new(true)).is_err());
        wheel.unpack(&path, &folder, &Bar::new(true)).unwrap();
        let mut names: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();

        names.sort();
        assert_eq!(names, ["LICENSE.txt", "escape.so", "libx.so.1"]);
        assert_eq!(
            fs::read_dir(here.path().join("user")).unwrap().count(),
            1,
            "nothing is left beside"
        );
    }
}
