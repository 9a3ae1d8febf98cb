//! Parameters of the kernels, laid out as the structs called `Parameters` in `separator/kernels/`.
//!
//! While a program is lowered, a pointer is a [`Place`]: the region that it points into and the
//! offset there. [`Parameters::pointers`] lists them, so that they can be replaced by addresses.

use std::ffi::c_void;

/// Largest number of taps of a convolution.
pub(super) const MAX_TAPS: usize = 9;

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

    /// Replaces a place by its address, given the address of each region.
    fn bind(&mut self, address: &dyn Fn(Region) -> u64) {
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

/// Parameters of a kernel.
///
/// # Safety
/// The type has the layout of the struct that the kernel takes.
pub(super) unsafe trait Parameters: Send {
    /// Returns all pointers.
    fn pointers(&mut self) -> Vec<&mut Pointer>;

    /// Returns the address of the parameters, for a launch.
    fn address(&mut self) -> *mut c_void;

    /// Replaces places by addresses.
    fn bind(&mut self, address: &dyn Fn(Region) -> u64) {
        for pointer in self.pointers() {
            pointer.bind(address);
        }
    }
}

/// Defines a struct of parameters: its pointers, then its other fields.
macro_rules! parameters {
    ($(#[$doc:meta])* $name:ident { $($pointer:ident),* ; $($field:ident : $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        #[repr(C)]
        pub(super) struct $name {
            $(pub(super) $pointer: Pointer,)*
            $(pub(super) $field: $type,)*
        }

        // SAFETY: the fields are those of the kernel's struct, in its order.
        unsafe impl Parameters for $name {
            fn pointers(&mut self) -> Vec<&mut Pointer> {
                vec![$(&mut self.$pointer),*]
            }

            fn address(&mut self) -> *mut c_void {
                std::ptr::from_mut(self).cast()
            }
        }
    };
}

parameters! {
    /// `spectrum.cu`
    Spectrum { mix, turns, window, spectrum, moments, statistics, counters; length: i32, frames: i32 }
}

parameters! {
    /// `entry.cu`
    Entry {
        input, statistics, weight, bias, output;
        sequences: i32, positions: i32, rows_s: i32, rows_p: i32, outputs: i32,
    }
}

parameters! {
    /// `convolution.cu`
    Convolution {
        input, weight, bias, add, table, output, moments;
        sequences: i32, positions: i32, channels: i32,
        rows_s: i32, rows_p: i32,
        stride_s: i32, stride_p: i32,
        taps: i32, columns: i32, depth: i32,
        outputs: i32,
        activation: i32, layout: i32,
        output_s: i32, output_p: i32,
        tap_s: [i16; MAX_TAPS], tap_p: [i16; MAX_TAPS],
    }
}

parameters! {
    /// `dconv_squeeze.cu`
    Squeeze {
        x, weight, bias, hidden, moments, statistics, counters;
        sequences: i32, positions: i32, channels: i32, dilation: i32, hidden_channels: i32,
    }
}

parameters! {
    /// `dconv_hidden.cu`
    Hidden {
        hidden, before, gain, shift, over_rows, output, parts, after, counters;
        sequences: i32, positions: i32, tiles: i32,
    }
}

parameters! {
    /// `dconv_expand.cu`
    Expand {
        x, hidden, norm, weight, columns;
        sequences: i32, positions: i32, channels: i32,
    }
}

parameters! {
    /// `dconv_row.cu`
    Row {
        x, output,
        conv1_0, conv1_1, norm1_0, norm1_1, conv2_0, conv2_1, columns_0, columns_1, over_rows_0, over_rows_1,
        rewrite, rewrite_bias, table;
        sequences: i32,
    }
}

parameters! {
    /// `dconv_line.cu`
    Line {
        x, output,
        conv1_0, conv1_1, norm1_0, norm1_1, conv2_0, conv2_1, columns_0, columns_1, over_rows_0, over_rows_1,
        rewrite, rewrite_bias,
        moments, sums, counters;
        positions: i32, blocks: i32, batch: i32,
    }
}

parameters! {
    /// `token_norm.cu`
    TokenNorm {
        input, gain, shift, positions, add, moments, output, normalised;
        tokens: i32, channels: i32, blocks: i32, mode: i32,
    }
}

parameters! {
    /// `attention.cu`
    Attention {
        query, key, value, output;
        queries: i32, keys: i32, query_stride: i32, key_stride: i32, heads: i32,
    }
}

parameters! {
    /// `synthesis.cu`
    Synthesis {
        spectra, waveforms, statistics, turns, window, envelope, stems;
        length: i32, frames: i32,
    }
}
