//! `sextet engine build`: builds engines ahead of time.

use std::path::Path;
use std::time::Instant;
use std::{fs, io};

use anyhow::{Context as _, Result};
use sextet_fs::AtomicFile;
use sextet_separator::tensorrt::{self, Target};
use sextet_separator::{EngineChoice, EngineOptions, GpuOptions, Model, Separator};

use crate::args::BuildArgs;
use crate::engine::Waiting;
use crate::fault::{Fault, Kind};
use crate::{models, stdio};

pub(super) fn run(args: &BuildArgs) -> Result<()> {
    let targets = Target::list(args.targets.as_deref().unwrap_or("all"))
        .map_err(sextet_separator::Error::from)?;
    if args.output.is_some() && targets.len() > 1 {
        let fault = Fault::new(
            Kind::Usage,
            format!("one file cannot take {} engines", targets.len()),
        );
        return Err(fault
            .remedy("name one architecture, or use --for all, with --output")
            .into());
    }

    let options = super::options(&args.making, args.batch)?;
    let model = models::open(&args.model)?;
    if args.output.is_some() && model.networks() > 1 {
        let fault = Fault::new(
            Kind::Usage,
            "one file cannot take the engines of a bag of models",
        );
        return Err(fault
            .remedy("leave --output out: the engines are in the cache, see `sextet engine list`")
            .into());
    }

    if args.gpu.is_none() {
        build(args, &model, &options, &targets)?;
    }

    match &args.targets {
        Some(_) => Ok(()),
        // Without a GPU the engines are for other machines.
        None if args.gpu.is_none() && tensorrt::probe(&options).is_err() => Ok(()),
        None => make_ready(args, &model),
    }
}

/// Builds the engines. This needs no GPU.
fn build(args: &BuildArgs, model: &Model, options: &GpuOptions, targets: &[Target]) -> Result<()> {
    let begun = Instant::now();
    let built = tensorrt::build(model, options, targets, &mut Waiting::new(args.quiet))?;
    if let (Some(output), [only]) = (&args.output, built.as_slice()) {
        let failed = || Fault::new(Kind::Output, format!("cannot write '{}'", output.display()));
        copy(&only.path, output).with_context(failed)?;
    }

    if !args.quiet {
        for engine in &built {
            let how = if engine.cached { "was there" } else { "built" };
            stdio::out(&format!(
                "{how}: {} ({:.0} MB)",
                engine.path.display(),
                engine.bytes as f64 / 1e6
            ));
        }
        stdio::out(&format!(
            "{} engines in {:.1} s",
            built.len(),
            begun.elapsed().as_secs_f64()
        ));
    }

    Ok(())
}

/// Starts `model` on each GPU, so that all results of a first start are kept: the engine, the
/// kernels that the GPU compiles from it, and the finding that float16 is exact enough.
fn make_ready(args: &BuildArgs, model: &Model) -> Result<()> {
    let mut seen = Vec::new();
    for on_gpu in crate::engine::gpus::gpu_options_of_all()? {
        if seen.contains(&on_gpu.index) {
            continue;
        }

        seen.push(on_gpu.index);

        let (begun, gpu) = (Instant::now(), on_gpu.index);
        let gpu_options = super::with_flags(on_gpu, &args.making, args.batch)?;
        let options = EngineOptions::new()
            .engine(EngineChoice::TensorRt)
            .gpu(gpu_options);

        let mut listener = Waiting::new(args.quiet);
        let mut separator = Separator::builder(model.clone())
            .backend(options)
            .listener(&mut listener)
            .build()?;
        separator.start(&mut listener)?;
        drop(listener);

        if !args.quiet {
            let (engine, took_s) = (separator.engine_name(), begun.elapsed().as_secs_f64());
            stdio::out(&format!(
                "GPU {gpu} is ready for it: {engine}, in {took_s:.1} s"
            ));
        }
    }

    Ok(())
}

/// Copies a file completely or not at all.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let new = AtomicFile::beside(to)?;
    fs::copy(from, new.path())?;
    new.commit(to)
}
