//! Record of the installed libraries: a file beside TensorRT's libraries with the length, the
//! modification time and the SHA-256 of each.
//!
//! Hashing 230 MB takes as long as the start of an engine. A library is therefore hashed only if
//! its length or time differs from the record. A folder without a record, for example from a system
//! package, is accepted unchecked.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::damage::Damage;
use super::version::FILES;

/// File name of the record.
const FILE: &str = "sextet-libraries.json";

/// Records the libraries in `folder`, so that [`Library::load`](super::Library::load) can compare
/// them later.
///
/// # Errors
/// Returns the system's error when a library cannot be read or the record cannot be written.
pub fn record(folder: &Path) -> io::Result<()> {
    let mut libraries = Map::new();
    for file in FILES.into_iter().filter(|file| folder.join(file).is_file()) {
        let path = folder.join(file);
        let (bytes, modified_ns) = stamp(&path)?;
        let entry = json!({ "bytes": bytes, "modified_ns": modified_ns, "sha256": sha256(&path)? });
        libraries.insert(file.to_owned(), entry);
    }

    let record = serde_json::to_vec_pretty(&Value::Object(libraries))?;
    sextet_fs::write(&folder.join(FILE), record)
}

/// Returns the damage of `library` according to the record beside it, or nothing if there is no
/// record.
pub(super) fn damage(library: &Path) -> Option<Damage> {
    let folder = library.parent()?;
    let record: Value = serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()?;
    let entry = &record[library.file_name()?.to_str()?];
    let (expected, expected_ns) = (entry["bytes"].as_u64()?, entry["modified_ns"].as_u64()?);
    let (found, found_ns) = stamp(library).ok()?;

    match found.cmp(&expected) {
        std::cmp::Ordering::Less => return Some(Damage::Cut { found, expected }),
        std::cmp::Ordering::Greater => return Some(Damage::Longer { found, expected }),
        std::cmp::Ordering::Equal if found_ns == expected_ns => return None,
        std::cmp::Ordering::Equal => {}
    }

    if entry["sha256"].as_str()? != sha256(library).ok()? {
        return Some(Damage::Changed);
    }

    None
}

/// Returns the length and the modification time (in nanoseconds) of a file.
fn stamp(path: &Path) -> io::Result<(u64, u64)> {
    let about = fs::metadata(path)?;
    let modified = about
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok((
        about.len(),
        u64::try_from(modified.as_nanos()).unwrap_or(u64::MAX),
    ))
}

fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut digest) = (File::open(path)?, Sha256::new());
    let mut block = vec![0; 1 << 20];
    loop {
        match io::Read::read(&mut file, &mut block)? {
            0 => break,
            bytes => digest.update(&block[..bytes]),
        }
    }

    Ok(hex::encode(digest.finalize()))
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::super::library::Library;
    use super::super::{TensorRtError, whole};
    use super::*;
    use crate::Remedy;

    #[test]
    fn bytes_that_are_not_those_that_were_set_up_are_found_in_nvidias_own_library() {
        let Some(folder) = std::env::var_os("SEXTET_TENSORRT") else {
            return println!("left out: SEXTET_TENSORRT names no folder of TensorRT's libraries");
        };

        let here = tempfile::tempdir().unwrap();
        for file in FILES {
            fs::copy(Path::new(&folder).join(file), here.path().join(file)).unwrap();
        }

        let set_up = || FILES.map(|file| whole::check(&here.path().join(file)));
        assert!(set_up().iter().all(Result::is_ok), "without a record");
        record(here.path()).unwrap();

        assert!(set_up().iter().all(Result::is_ok), "with a record");

        let path = here.path().join(FILES[0]);
        let mut file = File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH).unwrap();
        whole::check(&path).unwrap();

        io::Seek::seek(&mut file, io::SeekFrom::Start(100_000_000)).unwrap();
        io::Write::write_all(&mut file, &[0; 4096]).unwrap();

        let error = whole::check(&path).unwrap_err();
        assert!(
            matches!(
                error,
                TensorRtError::Damaged {
                    damage: Damage::Changed,
                    ..
                }
            ),
            "{error}"
        );

        let error = Library::load(&[here.path().to_owned()]).map(|library| library.path);
        assert!(
            matches!(error, Err(TensorRtError::Damaged { .. })),
            "{error:?}"
        );

        let whole_bytes = file.metadata().unwrap().len();
        file.set_len(whole_bytes + 1).unwrap();

        let error = whole::check(&path).unwrap_err();
        assert!(
            matches!(
                error,
                TensorRtError::Damaged {
                    damage: Damage::Longer { .. },
                    ..
                }
            ),
            "{error}"
        );

        fs::remove_file(here.path().join(FILE)).unwrap();
        let lengths = [
            whole_bytes - 1,
            whole_bytes - 1_000_000,
            whole_bytes / 2,
            4096,
            100,
            10,
        ];

        each_case(lengths, |length| {
            file.set_len(length).unwrap();
            let error = whole::check(&path).unwrap_err();
            let cut =
                |damage: &Damage| matches!(damage, Damage::Cut { found, .. } if *found == length);

            assert!(
                matches!(&error, TensorRtError::Damaged { damage, .. } if cut(damage)),
                "{error}"
            );
            assert_eq!(
                error.remedies(),
                [Remedy::InstallTensorRt, Remedy::UseCpu],
                "{error}"
            );
        });

        println!("{} lengths tried", lengths.len());
    }
}
