//! Boxes of a tensor, which Hopper copies to shared memory by itself.

use cudarc::driver::{DriverError, sys};

use super::pointer::{Pointer, Region};

/// Description of a tensor's boxes in the form that the GPU reads.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct TensorMap([u64; 16]);

/// Tensor of halves and the boxes that are copied of it. All lists begin with the innermost axis.
#[derive(Clone, Debug, Default)]
pub(super) struct Boxes {
    pub(super) tensor: Pointer,
    /// Length of each axis.
    pub(super) lengths: Vec<usize>,
    /// Length of a box along each axis. The innermost has 32 or 64 halves.
    pub(super) sizes: Vec<usize>,
    /// Distance of two elements of a box along each axis.
    pub(super) steps: Vec<usize>,
}

impl Boxes {
    /// Returns the map of the boxes, of a tensor without gaps in the region that `address` tells.
    /// The chunks of 16 bytes of a row are exchanged by the row's number, as matrix instructions
    /// read them.
    pub(super) fn map(&self, address: &dyn Fn(Region) -> u64) -> Result<TensorMap, DriverError> {
        let mut tensor = self.tensor;
        tensor.bind(address);
        let lengths: Vec<u64> = self.lengths.iter().map(|&length| length as u64).collect();
        let mut bytes = 2;
        let strides: Vec<u64> = lengths
            .iter()
            .map(|length| {
                bytes *= length;
                bytes
            })
            .collect();
        let steps: Vec<u32> = self.steps.iter().map(|&step| step as u32).collect();
        let sizes: Vec<u32> = self
            .sizes
            .iter()
            .zip(&steps)
            .map(|(&size, step)| size as u32 * step)
            .collect();
        let swizzle = if self.sizes.first() == Some(&64) {
            sys::CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_128B
        } else {
            sys::CUtensorMapSwizzle_enum::CU_TENSOR_MAP_SWIZZLE_64B
        };

        let mut map = sys::CUtensorMap { opaque: [0; 16] };
        // SAFETY: the lists have as many entries as the map has axes (the last stride is left
        // out), and the driver checks the rest.
        unsafe {
            sys::cuTensorMapEncodeTiled(
                &raw mut map,
                sys::CUtensorMapDataType_enum::CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
                lengths.len() as u32,
                tensor.address() as *mut _,
                lengths.as_ptr(),
                strides.as_ptr(),
                sizes.as_ptr(),
                steps.as_ptr(),
                sys::CUtensorMapInterleave_enum::CU_TENSOR_MAP_INTERLEAVE_NONE,
                swizzle,
                sys::CUtensorMapL2promotion_enum::CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
                sys::CUtensorMapFloatOOBfill_enum::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
            )
        }
        .result()?;
        Ok(TensorMap(map.opaque))
    }
}
