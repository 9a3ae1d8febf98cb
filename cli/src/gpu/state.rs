//! The state of the GPU and the remedy when it cannot be used, in words that the plugin and the
//! doctor both show.

use sextet_protocol::worker::{EngineName, GpuSetup, GpuState};

/// Message for machines without a GPU.
pub(super) const NO_GPU: &str = "No NVIDIA GPU was found: separations run on the CPU.";

/// The conclusion from all findings.
pub(super) struct Verdict {
    pub(super) state: GpuState,
    pub(super) message: String,
    pub(super) remedy: String,
    /// The engine that would compute on the GPU, once it is set up.
    pub(super) engine: Option<EngineName>,
    /// The library that would be used.
    pub(super) library: Option<String>,
    /// The GPU that would be used.
    pub(super) device: Option<String>,
    pub(super) setup: Option<GpuSetup>,
}

impl Verdict {
    pub(super) fn new(
        state: GpuState,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            state,
            message: message.into(),
            remedy: remedy.into(),
            engine: None,
            library: None,
            device: None,
            setup: None,
        }
    }
}

/// Formats name and memory of a GPU: `NVIDIA H200, 140 GB`.
pub(super) fn device(name: &str, memory_bytes: f64) -> String {
    format!("{name}, {:.0} GB", memory_bytes / f64::from(1 << 30))
}

/// Returns `text` with a capital letter and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    if text.is_empty() {
        String::new()
    } else {
        format!("{}.", capital(text))
    }
}

/// Returns `text` with a capital letter.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}", first.to_uppercase(), letters.as_str())
    })
}
