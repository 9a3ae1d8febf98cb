//! Archives of folders. The same files give the same bytes, on any machine and at any time.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lzma_rust2::{XzOptions, XzWriter};
use sextet_fs::AtomicFile;
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;

use crate::system::System;

/// The strongest of xz's usual levels; its window of 64 MB finds the command's second copy.
const XZ_LEVEL: u32 = 9;
/// Time of every file: the beginning of 2026, in seconds since 1970.
const TIME_S: u64 = 1_767_225_600;

/// Packs `folder` into `<name>.tar.xz`, or `<name>.zip` for Windows, beside it, and writes its
/// SHA-256 beside that. Returns the archive's path.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn make(folder: &Path, name: &str, system: System) -> Result<PathBuf> {
    let is_zip = system.is_windows();
    let extension = if is_zip { "zip" } else { "tar.xz" };
    let archive = folder.with_file_name(format!("{name}.{extension}"));
    let failed = || format!("cannot write '{}'", archive.display());

    let mut files = Vec::new();
    list(folder, Path::new(name), &mut files)?;

    let mut file = AtomicFile::beside(&archive).with_context(failed)?;
    if is_zip {
        zip(&files, &mut file)
    } else {
        tar_xz(&files, &mut file)
    }
    .with_context(failed)?;

    file.commit(&archive).with_context(failed)?;

    // Write the checksum beside the archive.
    let mut hash = Sha256::new();
    io::copy(&mut File::open(&archive)?, &mut HashWriter(&mut hash))?;

    let hash = hex::encode(hash.finalize());

    let line = format!("{hash}  {name}.{extension}\n");
    fs::write(
        folder.with_file_name(format!("{name}.{extension}.sha256")),
        &line,
    )?;
    println!(
        "    {} MB, SHA-256 {hash}",
        fs::metadata(&archive)?.len() / 1_000_000
    );

    Ok(archive)
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file, its path in the archive with `/` between the parts, and whether it is executable.
struct Item {
    from: PathBuf,
    name: String,
    executable: bool,
}

/// Adds all files below `folder` to `items`, in the order of their names.
fn list(folder: &Path, name: &Path, items: &mut Vec<Item>) -> Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);

    for entry in entries {
        let (path, name) = (entry.path(), name.join(entry.file_name()));
        if path.is_dir() {
            list(&path, &name, items)?;
        } else {
            let executable = is_executable(&path)?;
            items.push(Item {
                from: path,
                name: name.to_string_lossy().replace('\\', "/"),
                executable,
            });
        }
    }

    Ok(())
}

fn tar_xz(items: &[Item], file: impl io::Write) -> Result<()> {
    let xz = XzWriter::new(BufWriter::new(file), XzOptions::with_preset(XZ_LEVEL))?;
    let mut tar = tar::Builder::new(xz);
    for item in items {
        let mut header = tar::Header::new_gnu();
        header.set_size(fs::metadata(&item.from)?.len());
        header.set_mode(mode(item));
        header.set_mtime(TIME_S);
        tar.append_data(&mut header, &item.name, File::open(&item.from)?)?;
    }

    let mut file = tar.into_inner()?.finish()?;
    Ok(file.flush()?)
}

fn zip(items: &[Item], file: impl io::Write + io::Seek) -> Result<()> {
    let mut zip = zip::ZipWriter::new(BufWriter::new(file));
    for item in items {
        let options = SimpleFileOptions::default().unix_permissions(mode(item));
        zip.start_file(&item.name, options)?;
        io::copy(&mut File::open(&item.from)?, &mut zip)?;
    }
    Ok(zip.finish()?.flush()?)
}

fn mode(item: &Item) -> u32 {
    if item.executable { 0o755 } else { 0o644 }
}

#[cfg(unix)]
fn is_executable(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(path)?.permissions().mode() & 0o100 != 0)
}

#[cfg(not(unix))]
fn is_executable(_path: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Makes the file at `path` executable, on systems that mark files so.
pub(super) fn make_executable(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn items(folder: &Path) -> Vec<Item> {
        fs::create_dir_all(folder.join("b")).unwrap();
        fs::write(folder.join("b/a file"), "one").unwrap();
        fs::write(folder.join("a.sh"), "two").unwrap();
        make_executable(&folder.join("a.sh")).unwrap();
        let mut items = Vec::new();
        list(folder, Path::new("top"), &mut items).unwrap();
        items
    }

    #[test]
    fn a_tar_holds_all_files_and_is_the_same_each_time() {
        let home = tempfile::tempdir().unwrap();
        let items = items(home.path());
        let mut packed = [Vec::new(), Vec::new()];
        for archive in &mut packed {
            tar_xz(&items, archive).unwrap();
        }

        assert!(packed[0] == packed[1]);
        let mut tar = tar::Archive::new(lzma_rust2::XzReader::new(packed[0].as_slice(), true));
        let found = tar.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (
                entry.path().unwrap().to_string_lossy().into_owned(),
                entry.header().mode().unwrap(),
                text,
            )
        });

        let found: Vec<_> = found.collect();
        let executable = if cfg!(unix) { 0o755 } else { 0o644 };
        assert_eq!(
            found,
            [
                ("top/a.sh".to_owned(), executable, "two".to_owned()),
                ("top/b/a file".to_owned(), 0o644, "one".to_owned()),
            ]
        );
    }

    #[test]
    fn a_zip_holds_all_files() {
        let home = tempfile::tempdir().unwrap();
        let mut packed = io::Cursor::new(Vec::new());
        zip(&items(home.path()), &mut packed).unwrap();
        let mut zip = zip::ZipArchive::new(packed).unwrap();
        let names: Vec<_> = zip
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect();

        assert_eq!(names, ["top/a.sh", "top/b/a file"]);
        let mut text = String::new();
        zip.by_name("top/b/a file")
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();

        assert_eq!(text, "one");
    }
}
