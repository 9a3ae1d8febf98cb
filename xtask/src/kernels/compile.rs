//! All kernels for all targets, compiled on all cores.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result, anyhow};

use super::list::{Kernel, Sources};
use super::log::Log;
use super::nvrtc::Nvrtc;

/// Bytes of the stack of a thread that compiles; the compiler recurses deeply.
const STACK_BYTES: usize = 32 << 20;

/// A kernel for one target.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) name: String,
    pub(super) target: String,
    pub(super) image: Vec<u8>,
    pub(super) log: Log,
}

/// Compiles all kernels for those of `targets` that they are for: the kernels of the first target,
/// those of the second, ...
///
/// # Errors
/// When a kernel does not compile; the one that comes first is named.
pub(super) fn all(nvrtc: &Nvrtc, sources: &Sources, targets: &[&str]) -> Result<Vec<Compiled>> {
    let jobs: Vec<(&Kernel, &str)> = targets
        .iter()
        .flat_map(|&target| sources.kernels.iter().map(move |kernel| (kernel, target)))
        .filter(|(kernel, target)| kernel.targets.contain(target))
        .collect();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(jobs.iter().map(|_| None).collect::<Vec<_>>());

    // Each thread takes the next job that no other has.
    let work = || {
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            let Some(&(kernel, target)) = jobs.get(job) else {
                return;
            };
            let result = one(nvrtc, sources, kernel, target);
            if let Ok(mut results) = results.lock() {
                results[job] = Some(result);
            }
        }
    };

    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| -> Result<()> {
        for _ in 0..threads {
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            thread
                .spawn_scoped(scope, work)
                .context("cannot start a thread")?;
        }
        Ok(())
    })?;

    let results = results
        .into_inner()
        .map_err(|_| anyhow!("a thread that compiles has died"))?;
    results
        .into_iter()
        .map(|result| result.context("a kernel was not compiled")?)
        .collect()
}

fn one(nvrtc: &Nvrtc, sources: &Sources, kernel: &Kernel, target: &str) -> Result<Compiled> {
    let compile = || -> Result<_> {
        let source = sources
            .files
            .iter()
            .find(|file| file.name.as_bytes() == kernel.source.as_bytes())
            .context("its source is missing")?;

        let options: Vec<String> = [
            format!("--gpu-architecture={target}"),
            "--std=c++17".to_owned(),
            "--extra-device-vectorization".to_owned(),
            // Adds to the log and leaves the code as it is. From sm_100 on, a note in the image
            // says that it was given, so the file and its check are made with the same options.
            "--ptxas-options=-v".to_owned(),
        ]
        .into_iter()
        .chain(
            kernel
                .definitions
                .iter()
                .map(|define| format!("-D{define}")),
        )
        .collect();
        let is_machine_code = target.starts_with("sm_");
        nvrtc.compile(source, &sources.headers, &options, is_machine_code)
    };

    let (image, log) = compile().with_context(|| format!("{} for {target}", kernel.name))?;
    Ok(Compiled {
        name: kernel.name.clone(),
        target: target.to_owned(),
        image,
        log: Log::parse(&log),
    })
}
