//! GPUs that the environment hides from this process.

/// Environment variable of the driver that makes only some GPUs visible.
pub(in crate::engine) const VISIBLE_VARIABLE: &str = "CUDA_VISIBLE_DEVICES";

/// Returns the GPUs that alone are visible, as the environment names them, if it names any.
pub(in crate::engine) fn only() -> Option<String> {
    let value = std::env::var_os(VISIBLE_VARIABLE)?;
    Some(value.to_string_lossy().into_owned())
}
