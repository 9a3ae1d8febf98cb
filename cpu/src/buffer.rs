//! Numbers in memory, aligned for vectors, and memory that threads share.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Numbers whose first is aligned to a line of the cache.
#[derive(Clone, Debug, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    length: usize,
}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; Line::NUMBERS]);

impl Line {
    const NUMBERS: usize = 16;
}

impl Buffer {
    /// Returns `length` zeros.
    pub fn zeros(length: usize) -> Self {
        let lines = length.div_ceil(Line::NUMBERS);
        Self {
            lines: vec![Line([0.0; Line::NUMBERS]); lines],
            length,
        }
    }
}

impl From<&[f32]> for Buffer {
    fn from(numbers: &[f32]) -> Self {
        let mut buffer = Self::zeros(numbers.len());
        buffer.copy_from_slice(numbers);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the lines are numbers without gaps, at least `length` of them.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.length) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.length) }
    }
}

/// Numbers that several threads write, each its own part of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared {
    start: *mut f32,
    length: usize,
}

// SAFETY: whoever uses the pointer promises that no two threads use the same numbers.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn new(numbers: &mut [f32]) -> Self {
        Self {
            start: numbers.as_mut_ptr(),
            length: numbers.len(),
        }
    }

    /// Returns a pointer to `count` numbers from `at` on, which must be there.
    pub(crate) fn at(self, at: usize, count: usize) -> *mut f32 {
        assert!(
            at + count <= self.length,
            "{count} of {} from {at}",
            self.length
        );
        // SAFETY: the number lies inside, as was just checked.
        unsafe { self.start.add(at) }
    }

    /// Returns `count` numbers from `at` on.
    ///
    /// # Safety
    /// Nobody else uses them meanwhile.
    pub(crate) unsafe fn part<'a>(self, at: usize, count: usize) -> &'a mut [f32] {
        let start = self.at(at, count);
        // SAFETY: they lie inside, and the caller promises the rest.
        unsafe { std::slice::from_raw_parts_mut(start, count) }
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// Numbers of any values, in memory that a thread keeps for its next work: memory that the system
/// hands out anew costs more than most work.
pub(crate) struct Scratch {
    buffer: Buffer,
    length: usize,
}

impl Scratch {
    /// Takes `length` numbers.
    pub(crate) fn take(length: usize) -> Self {
        let kept = SCRATCH.with_borrow_mut(Vec::pop);
        let buffer = kept
            .filter(|buffer| buffer.len() >= length)
            .unwrap_or_else(|| Buffer::zeros(length));
        Self { buffer, length }
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer[..self.length]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[..self.length]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        SCRATCH.with_borrow_mut(|kept| kept.push(buffer));
    }
}
