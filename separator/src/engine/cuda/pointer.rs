//! Pointers of the GPU. While a program is lowered, one is a place: a region and an offset there.

/// Region of the GPU's memory that a session allocates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Region {
    /// Weights and tables, which do not change.
    Weights,
    /// Tensors.
    Tensors,
    /// Statistics and counters, which begin as zeros.
    Scratch,
    /// The mixes of a batch.
    Mix,
    /// The stems of a batch.
    Stems,
}

/// Pointer of the GPU: a place in a region, or nowhere, and after binding an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Pointer(u64);

/// Bits that hold the offset of a place.
const OFFSET_BITS: u32 = 56;

impl Pointer {
    /// Pointer to nothing.
    pub(super) const NULL: Self = Self(0);

    /// Returns a pointer to the byte at `offset` of `region`.
    pub(super) fn new(region: Region, offset: usize) -> Self {
        Self((region as u64 + 1) << OFFSET_BITS | offset as u64)
    }

    /// Returns the pointer `bytes` further on.
    pub(super) fn advanced(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }

    /// Returns the address, after binding.
    pub(super) fn address(self) -> u64 {
        self.0
    }

    /// Replaces a place by its address, given the address of each region.
    pub(super) fn bind(&mut self, address: &dyn Fn(Region) -> u64) {
        let region = match self.0 >> OFFSET_BITS {
            0 => return,
            1 => Region::Weights,
            2 => Region::Tensors,
            3 => Region::Scratch,
            4 => Region::Mix,
            _ => Region::Stems,
        };
        self.0 = address(region) + (self.0 & ((1 << OFFSET_BITS) - 1));
    }
}
