//! TF32, to which NVIDIA's libraries may round the factors of float32 products.

/// Environment variable that, set to 0, keeps NVIDIA's libraries from rounding the factors of
/// float32 products to TF32. The libraries read it once, when they are loaded.
pub const TF32_VARIABLE: &str = "NVIDIA_TF32_OVERRIDE";

/// Returns whether float32 products are exact in this process, that is, not rounded to TF32.
/// TensorRT-RTX 1.6.1 in TF32 was off by up to 12 %, a hundred times what rounding explains.
pub(super) fn float32_is_exact() -> bool {
    std::env::var_os(TF32_VARIABLE).is_some_and(|value| value == "0")
}
