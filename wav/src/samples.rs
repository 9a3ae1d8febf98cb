//! Float32 samples as the bytes of a file.

// In a file samples are little endian, and they are on every processor that Sextet runs on.
const _: () = assert!(
    cfg!(target_endian = "little"),
    "samples are written as they lie in memory"
);

/// Returns the bytes of `samples` as they are in a WAVE file.
pub fn bytes_of(samples: &[f32]) -> &[u8] {
    bytemuck::cast_slice(samples)
}

/// Returns the place in `samples` for their bytes in a WAVE file.
pub fn bytes_of_mut(samples: &mut [f32]) -> &mut [u8] {
    bytemuck::cast_slice_mut(samples)
}
