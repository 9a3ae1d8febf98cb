//! The frames of a file whose length is known beforehand.

use super::write_error::WriteError;
use super::{Audio, Layout};

/// Number of frames of a file, so far and at its end.
pub(super) struct FrameCount {
    layout: Layout,
    expected: u64,
    found: u64,
}

impl FrameCount {
    /// Begins to count a file that will have `expected` frames of `layout`.
    pub(super) fn new(layout: Layout, expected: u64) -> Self {
        Self {
            layout,
            expected,
            found: 0,
        }
    }

    /// Counts `block`, which is to be appended.
    ///
    /// # Errors
    /// When it has another layout, or exceeds the length.
    pub(super) fn add(&mut self, block: &Audio) -> Result<(), WriteError> {
        if block.layout() != self.layout {
            let (expected, found) = (self.layout, block.layout());
            return Err(WriteError::Block { expected, found });
        }

        self.found += block.frames() as u64;
        if self.found > self.expected {
            return Err(self.wrong_length());
        }
        Ok(())
    }

    /// Returns the number of frames of the complete file.
    ///
    /// # Errors
    /// When frames are missing.
    pub(super) fn finish(&self) -> Result<u64, WriteError> {
        if self.found == self.expected {
            Ok(self.found)
        } else {
            Err(self.wrong_length())
        }
    }

    fn wrong_length(&self) -> WriteError {
        WriteError::Frames {
            expected: self.expected,
            found: self.found,
        }
    }
}
