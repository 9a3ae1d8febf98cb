//! Library and GPU that TensorRT would run on, found without starting an engine.

use std::sync::{Mutex, PoisonError};

use super::library::Library;
use super::start::NEEDS;
use super::version::LibraryVersion;
use crate::Result;
use crate::engine::gpu::Gpu;
use crate::engine::options::GpuOptions;

/// Library and GPU that TensorRT would run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Version of the TensorRT library.
    pub library: LibraryVersion,
    /// Name of the GPU, as the driver gives it.
    pub gpu: String,
}

/// Results of [`probe`] by the options they were found with. They are kept for the life of the
/// process, since probing opens a CUDA context, which takes time and GPU memory. Failures are not
/// kept: a missing library or GPU may appear later.
static FOUND: Mutex<Vec<(GpuOptions, Found)>> = Mutex::new(Vec::new());

/// Returns the library and the GPU that TensorRT would run on, without starting an engine. A
/// successful result is remembered.
///
/// # Errors
/// Fails when the library, the driver or the GPU is missing.
pub fn probe(options: &GpuOptions) -> Result<Found> {
    let mut known = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    remembered(&mut known, options, || {
        Ok(Found {
            library: Library::load(&options.libraries)?.version,
            gpu: Gpu::open(options.index, &NEEDS)?.name,
        })
    })
}

/// Returns the remembered value for `asked`. Otherwise calls `look` and remembers its result,
/// unless it is an error.
fn remembered<K: Clone + PartialEq, V: Clone>(
    known: &mut Vec<(K, V)>,
    asked: &K,
    look: impl FnOnce() -> Result<V>,
) -> Result<V> {
    if let Some((_, found)) = known.iter().find(|(key, _)| key == asked) {
        return Ok(found.clone());
    }
    let found = look()?;
    known.push((asked.clone(), found.clone()));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::error::TensorRtError;
    use super::*;

    #[test]
    fn what_was_found_is_not_looked_for_again_but_what_is_missing_is() {
        let (mut known, mut looks) = (Vec::new(), 0);
        let mut ask = |asked: u32, answer: Option<&'static str>| {
            let look = || {
                looks += 1;
                answer.ok_or_else(|| TensorRtError::NoCache.into())
            };
            (remembered(&mut known, &asked, look).ok(), looks)
        };

        assert_eq!(ask(0, None), (None, 1));
        assert_eq!(ask(0, Some("a GPU")), (Some("a GPU"), 2));
        assert_eq!(ask(0, None), (Some("a GPU"), 2));
        assert_eq!(ask(1, None), (None, 3), "another one was asked for");
    }
}
