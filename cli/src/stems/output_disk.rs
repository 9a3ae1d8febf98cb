//! The disk that a batch writes to. Where it is taken away, its folder may be there again, empty
//! and on the disk of the system, which nobody has meant.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::fault::{Fault, Kind};

/// The output folder and the disk that it is on.
#[derive(Debug)]
pub(crate) struct OutputDisk {
    folder: PathBuf,
    /// Number of the disk; `None` where the system has none.
    device: Option<u64>,
}

impl OutputDisk {
    /// Notes the disk of `folder`, or of the folder in which it will be created.
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            device: device(folder),
        }
    }

    /// Checks that the folder is still on that disk.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn check(&self) -> Result<()> {
        if self.device.is_none() || device(&self.folder) == self.device {
            return Ok(());
        }
        let shown = self.folder.display();
        let message = format!("the disk of the output folder '{shown}' is gone");
        let fault = Fault::new(Kind::Output, message);
        Err(fault.remedy("connect it again").into())
    }
}

/// Returns the number of the disk of `folder`, or of the nearest folder around it that is there.
fn device(folder: &Path) -> Option<u64> {
    let found = folder.ancestors().find_map(|around| {
        let here = around.as_os_str().is_empty();
        fs::metadata(if here { Path::new(".") } else { around }).ok()
    })?;
    #[cfg(unix)]
    return Some(std::os::unix::fs::MetadataExt::dev(&found));
    // Elsewhere, a folder on a disk that is gone cannot be created.
    #[cfg(not(unix))]
    found.is_dir().then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_disk_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let places = [folder.path().to_owned(), folder.path().join("not/there")];
        for place in places.into_iter().chain(["stems".into()]) {
            OutputDisk::of(&place).check().unwrap();
            let other = OutputDisk {
                folder: place,
                device: Some(u64::MAX),
            };
            let error = other.check().unwrap_err();
            assert!(error.to_string().ends_with("is gone"), "{error}");
        }
    }
}
