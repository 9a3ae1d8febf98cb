//! GPU that an engine would run on, found without starting an engine.

use std::sync::{Mutex, PoisonError};

use super::device::{Gpu, Needs};
use super::error::GpuError;

/// Number of a GPU and the needs of an engine.
type ProbeKey = (usize, Needs);

/// Names of GPUs that were found to suffice. They are kept for the life of the process, since
/// probing opens a CUDA context, which takes time and GPU memory. Failures are not kept: a missing
/// GPU may appear later.
static SUFFICIENT: Mutex<Vec<(ProbeKey, String)>> = Mutex::new(Vec::new());

/// Returns the name of GPU number `index`, if it suffices for an engine with `needs`. A successful
/// result is remembered, and a GPU whose opening was begun stays open for the engine.
pub(in crate::engine) fn probe(index: usize, needs: &Needs) -> Result<String, GpuError> {
    let mut known = SUFFICIENT.lock().unwrap_or_else(PoisonError::into_inner);
    remembered(&mut known, (index, *needs), || Gpu::name_of(index, needs))
}

/// Returns the remembered value for `asked`. Otherwise calls `look` and remembers its result,
/// unless it is an error.
fn remembered<K: PartialEq, V: Clone>(
    known: &mut Vec<(K, V)>,
    asked: K,
    look: impl FnOnce() -> Result<V, GpuError>,
) -> Result<V, GpuError> {
    if let Some((_, found)) = known.iter().find(|(key, _)| *key == asked) {
        return Ok(found.clone());
    }
    let found = look()?;
    known.push((asked, found.clone()));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_not_looked_for_again_but_what_is_missing_is() {
        let (mut known, mut looks) = (Vec::new(), 0);
        let mut ask = |asked: u32, answer: Option<&'static str>| {
            let look = || {
                looks += 1;
                answer.ok_or(GpuError::NothingSubmitted)
            };
            (remembered(&mut known, asked, look).ok(), looks)
        };

        assert_eq!(ask(0, None), (None, 1));
        assert_eq!(ask(0, Some("a GPU")), (Some("a GPU"), 2));
        assert_eq!(ask(0, None), (Some("a GPU"), 2));
        assert_eq!(ask(1, None), (None, 3), "another one was asked for");
    }
}
