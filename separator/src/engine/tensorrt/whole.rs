//! Check that a library's file is whole before the system's loader maps it into memory.
//!
//! The loader also maps a file that was cut by a full disk or an interrupted download, and the
//! process then dies of SIGBUS where a page has no bytes behind it. The tables at the start of the
//! file give its minimum length and take microseconds to read: the program headers and the place of
//! the section headers of an ELF file (System V ABI, chapters 4 and 5), the sections of a PE file
//! (Microsoft's PE Format). Bytes that were changed or never written are found by
//! [`record`](super::record) instead, where there is a record.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::damage::Damage;
use super::error::TensorRtError;
use super::record;

/// Returns an error when the library `path` is not whole. The path may be a bare name for the
/// system's loader to find. A file that cannot be read or is not a library is left to the loader,
/// which reports it.
///
/// # Errors
/// Returns [`TensorRtError::Damaged`].
pub(super) fn check(path: &Path) -> Result<(), TensorRtError> {
    let is_bare = path
        .parent()
        .is_none_or(|folder| folder.as_os_str().is_empty());
    match found_by_system(path).filter(|_| is_bare) {
        Some(found) => check_file(&found),
        None => check_file(path),
    }
}

fn check_file(path: &Path) -> Result<(), TensorRtError> {
    let damaged = |damage| TensorRtError::Damaged {
        path: path.to_owned(),
        damage,
    };
    let Ok(mut file) = File::open(path) else {
        return Ok(());
    };
    let Ok(found) = file.metadata().map(|about| about.len()) else {
        return Ok(());
    };

    match needed_bytes(&mut file) {
        Ok(Some(expected)) if found < expected => {
            return Err(damaged(Damage::Cut { found, expected }));
        }
        // The tables themselves are cut off.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(damaged(Damage::Cut {
                found,
                expected: found + 1,
            }));
        }
        _ => {}
    }

    record::damage(path).map_or(Ok(()), |damage| Err(damaged(damage)))
}

/// Returns the file that the system's loader would probably find under the bare name `file`.
/// Searches the folders that the environment names, then those of the system's configuration.
fn found_by_system(file: &Path) -> Option<PathBuf> {
    let variable = if cfg!(windows) {
        "PATH"
    } else {
        "LD_LIBRARY_PATH"
    };

    let named = std::env::var_os(variable).unwrap_or_default();
    let folders = std::env::split_paths(&named).chain(system_folders());
    folders
        .filter(|folder| !folder.as_os_str().is_empty())
        .map(|folder| folder.join(file))
        .find(|path| path.is_file())
}

/// Returns the loader's own folders, and those of ld.so.conf(5) and the files beside it.
fn system_folders() -> Vec<PathBuf> {
    if cfg!(windows) {
        return vec![PathBuf::from("C:\\Windows\\System32")];
    }

    let beside = std::fs::read_dir("/etc/ld.so.conf.d")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());

    let texts = std::iter::once(PathBuf::from("/etc/ld.so.conf"))
        .chain(beside)
        .map(std::fs::read_to_string);
    let lines = texts.flatten().flat_map(|text| {
        text.lines()
            .map(str::trim)
            .map(PathBuf::from)
            .collect::<Vec<_>>()
    });

    let own = ["/lib", "/usr/lib", "/lib64", "/usr/lib64"].map(PathBuf::from);
    lines
        .filter(|folder| folder.is_absolute())
        .chain(own)
        .collect()
}

/// Returns the smallest length of `file` in bytes by its own tables. Returns `None` for a file that
/// is neither a 64-bit little-endian ELF file nor a PE file: TensorRT comes only as these.
fn needed_bytes(file: &mut File) -> io::Result<Option<u64>> {
    let mut magic = [0; 6];
    let read = file.read(&mut magic)?;
    match &magic[..read] {
        [0x7f, b'E', b'L', b'F', 2, 1] => elf_bytes(file).map(Some),
        [b'M', b'Z', ..] => pe_bytes(file),
        _ => Ok(None),
    }
}

/// Returns the end of the last loaded segment or of the section headers, whichever is later.
fn elf_bytes(file: &mut File) -> io::Result<u64> {
    const PT_LOAD: u64 = 1;
    let header: [u8; 64] = read_at(file, 0)?;
    let (segments_at, sections_at) = (number(&header[32..40]), number(&header[40..48]));
    let [segment_bytes, segments, section_bytes, sections] =
        [54, 56, 58, 60].map(|at: usize| number(&header[at..at + 2]));

    let mut end = sections_at.saturating_add(section_bytes * sections);
    for index in 0..segments {
        let segment: [u8; 56] = read_at(file, segments_at.saturating_add(index * segment_bytes))?;
        if number(&segment[..4]) == PT_LOAD {
            end = end.max(number(&segment[8..16]).saturating_add(number(&segment[32..40])));
        }
    }

    Ok(end)
}

/// Returns the end of the raw data of the last section.
fn pe_bytes(file: &mut File) -> io::Result<Option<u64>> {
    let at: [u8; 4] = read_at(file, 0x3c)?;
    let at = number(&at);

    let header: [u8; 24] = read_at(file, at)?;
    if !header.starts_with(b"PE\0\0") {
        return Ok(None);
    }

    let (sections, optional_bytes) = (number(&header[6..8]), number(&header[20..22]));
    let mut end = 0;
    for index in 0..sections {
        let section: [u8; 40] = read_at(file, at + 24 + optional_bytes + index * 40)?;
        end = end.max(number(&section[16..20]) + number(&section[20..24]));
    }

    Ok(Some(end))
}

fn read_at<const BYTES: usize>(file: &mut File, at: u64) -> io::Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Returns the number that up to eight `bytes` hold in little endian.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sextet_cases::each_case;

    use super::*;

    fn of(bytes: &[u8]) -> io::Result<Option<u64>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("library");
        fs::write(&path, bytes).unwrap();
        needed_bytes(&mut File::open(path).unwrap())
    }

    /// Returns a PE file with two sections, the last of which ends at byte 0x600.
    fn pe() -> Vec<u8> {
        let mut bytes = vec![0; 0x600];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 0x80;
        bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
        (bytes[0x86], bytes[0x94]) = (2, 0xf0);

        let sections = 0x80 + 24 + 0xf0;
        for (index, (length, start)) in [(0x200_u32, 0x400_u32), (0x200, 0x200)]
            .into_iter()
            .enumerate()
        {
            let at = sections + index * 40;
            bytes[at + 16..at + 20].copy_from_slice(&length.to_le_bytes());
            bytes[at + 20..at + 24].copy_from_slice(&start.to_le_bytes());
        }

        bytes
    }

    #[test]
    fn a_pe_file_says_how_long_it_is() {
        let bytes = pe();
        assert_eq!(of(&bytes).unwrap(), Some(0x600));

        each_case([3, 0x3e, 0x90, 0x1a0], |cut| {
            assert_eq!(
                of(&bytes[..cut]).unwrap_err().kind(),
                io::ErrorKind::UnexpectedEof,
                "cut at {cut}"
            );
        });

        assert_eq!(
            of(&bytes[..0x500]).unwrap(),
            Some(0x600),
            "whether the bytes are there is for others to see"
        );
    }

    #[test]
    fn what_is_no_library_is_left_to_the_loader() {
        let cases = [
            b"".as_slice(),
            b"not a library",
            &[0; 4096],
            b"\x7fELF\x01\x01of 32 bits",
        ];
        each_case(cases, |bytes| {
            assert_eq!(of(bytes).unwrap(), None);
        });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_very_program_is_whole_and_any_part_of_it_is_not() {
        let program = fs::read(std::env::current_exe().unwrap()).unwrap();
        let needed = of(&program).unwrap().unwrap();
        assert!(needed <= program.len() as u64);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("library");

        let lengths = [8, 63, 64, 200, 4096, needed / 2, needed - 1];
        each_case(lengths, |length| {
            fs::write(&path, &program[..length as usize]).unwrap();
            let error = check(&path).unwrap_err();
            assert!(
                matches!(error, TensorRtError::Damaged { damage: Damage::Cut { found, .. }, .. } if found == length)
            );
        });

        fs::write(&path, &program).unwrap();
        check(&path).unwrap();
        println!("{} lengths tried", lengths.len());
    }
}
