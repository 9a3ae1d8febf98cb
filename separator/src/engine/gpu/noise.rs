//! Noise, by which a network is tried before its first song.

/// Returns `samples` samples of white noise, the same in every call.
pub(in crate::engine) fn noise(samples: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (f64::from(state) / f64::from(u32::MAX) - 0.5) as f32
    };
    std::iter::repeat_with(next).take(samples).collect()
}
