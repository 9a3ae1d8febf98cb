//! Parameters of the kernels, laid out as the structs called `Parameters` in `separator/kernels/`.
//!
//! [`Parameters::pointers`] lists the pointers, so that they can be replaced by addresses.

use std::ffi::c_void;

use cudarc::driver::DriverError;

use super::boxes::{Boxes, TensorMap};
use super::pointer::{Pointer, Region};

/// Largest number of taps of a convolution.
pub(super) const MAX_TAPS: usize = 9;

/// Parameters of a kernel.
///
/// # Safety
/// The type has the layout of the struct that the kernel takes, or returns the address of one that
/// has.
pub(super) unsafe trait Parameters: Send {
    /// Returns all pointers.
    fn pointers(&mut self) -> Vec<&mut Pointer>;

    /// Returns the address of the kernel's struct, for a launch.
    fn address(&mut self) -> *mut c_void {
        std::ptr::from_mut(self).cast()
    }

    /// Returns the maps of boxes, with what they describe.
    fn maps(&mut self) -> Vec<(&mut TensorMap, &Boxes)> {
        Vec::new()
    }

    /// Replaces places by addresses, and writes the maps.
    ///
    /// # Errors
    /// Fails when the driver cannot describe a tensor.
    fn bind(&mut self, address: &dyn Fn(Region) -> u64) -> Result<(), DriverError> {
        for pointer in self.pointers() {
            pointer.bind(address);
        }
        for (map, boxes) in self.maps() {
            *map = boxes.map(address)?;
        }
        Ok(())
    }
}

/// Parameters whose first fields are maps of boxes.
#[derive(Debug, Default)]
pub(super) struct WithMaps<P> {
    parameters: P,
    boxes: [Boxes; 2],
}

impl<P> WithMaps<P> {
    pub(super) fn new(parameters: P, boxes: [Boxes; 2]) -> Self {
        Self { parameters, boxes }
    }
}

/// Struct of parameters that begins with two maps.
pub(super) trait Mapped {
    fn both_maps(&mut self) -> [&mut TensorMap; 2];
}

// SAFETY: the address is that of the kernel's struct.
unsafe impl<P: Parameters + Mapped> Parameters for WithMaps<P> {
    fn pointers(&mut self) -> Vec<&mut Pointer> {
        self.parameters.pointers()
    }

    fn address(&mut self) -> *mut c_void {
        self.parameters.address()
    }

    fn maps(&mut self) -> Vec<(&mut TensorMap, &Boxes)> {
        self.parameters
            .both_maps()
            .into_iter()
            .zip(&self.boxes)
            .collect()
    }
}

/// Output of a product, as `results.cuh` has it.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(super) struct Output {
    pub(super) to: Pointer,
    pub(super) add: Pointer,
    pub(super) table: Pointer,
    pub(super) moments: Pointer,
    pub(super) sequences: i32,
    pub(super) positions: i32,
    pub(super) channels: i32,
    pub(super) rows_s: i32,
    pub(super) rows_p: i32,
    pub(super) layout: i32,
    pub(super) box_s: i32,
    pub(super) box_p: i32,
}

impl Output {
    fn pointers(&mut self) -> Vec<&mut Pointer> {
        vec![
            &mut self.to,
            &mut self.add,
            &mut self.table,
            &mut self.moments,
        ]
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

/// `convolution.cu`
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(super) struct Convolution {
    pub(super) input: Pointer,
    pub(super) weight: Pointer,
    pub(super) output: Output,
    pub(super) bias: Pointer,
    pub(super) sequences: i32,
    pub(super) positions: i32,
    pub(super) channels: i32,
    pub(super) stride_s: i32,
    pub(super) stride_p: i32,
    pub(super) taps: i32,
    pub(super) columns: i32,
    pub(super) depth: i32,
    pub(super) activation: i32,
    pub(super) tap_s: [i16; MAX_TAPS],
    pub(super) tap_p: [i16; MAX_TAPS],
}

// SAFETY: the fields are those of the kernel's struct, in its order.
unsafe impl Parameters for Convolution {
    fn pointers(&mut self) -> Vec<&mut Pointer> {
        let mut all = self.output.pointers();
        all.extend([&mut self.input, &mut self.weight, &mut self.bias]);
        all
    }
}

/// `product.cu`
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(super) struct Product {
    pub(super) input: TensorMap,
    pub(super) weights: TensorMap,
    pub(super) output: Output,
    pub(super) bias: Pointer,
    pub(super) tiles: i32,
    pub(super) column_tiles: i32,
    pub(super) tiles_s: i32,
    pub(super) tiles_p: i32,
    pub(super) copies: i32,
    pub(super) stride_s: i32,
    pub(super) stride_p: i32,
    pub(super) taps: i32,
    pub(super) channels: i32,
    pub(super) activation: i32,
    pub(super) tap_s: [i16; MAX_TAPS],
    pub(super) tap_p: [i16; MAX_TAPS],
}

impl Mapped for Product {
    fn both_maps(&mut self) -> [&mut TensorMap; 2] {
        [&mut self.input, &mut self.weights]
    }
}

// SAFETY: the fields are those of the kernel's struct, in its order.
unsafe impl Parameters for Product {
    fn pointers(&mut self) -> Vec<&mut Pointer> {
        let mut all = self.output.pointers();
        all.push(&mut self.bias);
        all
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

/// `attention_hopper.cu`
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub(super) struct AttentionHopper {
    pub(super) key: TensorMap,
    pub(super) value: TensorMap,
    pub(super) query: Pointer,
    pub(super) output: Pointer,
    pub(super) queries: i32,
    pub(super) keys: i32,
    pub(super) query_stride: i32,
    pub(super) heads: i32,
    pub(super) first_key: i32,
    pub(super) first_value: i32,
}

impl Mapped for AttentionHopper {
    fn both_maps(&mut self) -> [&mut TensorMap; 2] {
        [&mut self.key, &mut self.value]
    }
}

// SAFETY: the fields are those of the kernel's struct, in its order.
unsafe impl Parameters for AttentionHopper {
    fn pointers(&mut self) -> Vec<&mut Pointer> {
        vec![&mut self.query, &mut self.output]
    }
}

parameters! {
    /// `synthesis.cu`
    Synthesis {
        spectra, waveforms, statistics, turns, window, envelope, stems;
        length: i32, frames: i32, run: i32,
    }
}
