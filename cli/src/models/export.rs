//! `sextet model export`: writes a model as one ONNX graph.

use anyhow::{Context as _, Result};
use sextet_separator::model::{ExportOptions, Precision};

use super::open::open;
use crate::args::{ExportArgs, PrecisionArg};
use crate::fault::{Fault, Kind};
use crate::say;
use crate::unfinished::Unfinished;

/// Writes the graph under a temporary name and renames it.
pub(super) fn run(args: &ExportArgs, unfinished: &Unfinished) -> Result<()> {
    let model = open(&args.model)?;
    if model.networks() > 1 {
        let message = format!(
            "'{}' is a bag of {} networks; one graph holds one",
            args.model.display(),
            model.networks()
        );
        let remedy = "export its checkpoints one by one: `sextet model path` says where they are";
        return Err(Fault::new(Kind::Model, message).remedy(remedy).into());
    }

    let precision = match args.precision {
        PrecisionArg::F32 => Precision::F32,
        PrecisionArg::F16 => Precision::F16,
    };
    let options = ExportOptions {
        batch: args.batch.get(),
        precision,
    };
    let cannot_write = || {
        Fault::new(
            Kind::Output,
            format!("cannot write '{}'", args.output.display()),
        )
    };

    // Write under a temporary name, then rename.
    let mut set = unfinished.set();
    set.add(
        &args.output,
        |path| {
            model
                .export_onnx(0, options, path)
                .map_err(anyhow::Error::from)
        },
        |()| None,
    )
    .with_context(cannot_write)?;

    set.commit().with_context(cannot_write)?;
    say::out(&format!("wrote {}", args.output.display()));
    Ok(())
}
