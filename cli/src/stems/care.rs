//! Protection of stems against a crash.

/// The measure that protects against incomplete files after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// Files are synced to the disk as soon as they are complete.
    OnDisk,
    /// Files are compared with their hashes when they are used.
    Checked,
    /// Both: they are synced, and their hashes are noted.
    OnDiskAndChecked,
    /// None: files are read by this process and then deleted.
    Passing,
}

impl Care {
    pub(super) fn is_synced(self) -> bool {
        matches!(self, Self::OnDisk | Self::OnDiskAndChecked)
    }

    pub(super) fn is_hashed(self) -> bool {
        matches!(self, Self::Checked | Self::OnDiskAndChecked)
    }
}
