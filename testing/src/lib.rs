//! Shared parts of the tests of models and separations, and of the fuzz targets.
#![allow(
    missing_docs,
    reason = "fields and modules say what they are by their names"
)]

pub mod checkpoint;
pub mod damage;
pub mod draw;
#[cfg(unix)]
pub mod ffmpeg;
pub mod peak;
pub mod pickle;
pub mod roformer;
pub mod small;
pub mod targets;

/// Applies `work` to every second item and, at the same time, to the others, and returns all
/// results. Many operators run on one core, however many there are.
pub fn in_halves<T: Sync, R: Send>(items: &[T], work: impl Fn(&[&T]) -> Vec<R> + Sync) -> Vec<R> {
    let half = |first: usize| items.iter().skip(first).step_by(2).collect::<Vec<_>>();
    let (even, odd) = (half(0), half(1));
    std::thread::scope(|scope| {
        let even = scope.spawn(|| work(&even));
        let odd = work(&odd);
        even.join().unwrap().into_iter().chain(odd).collect()
    })
}
