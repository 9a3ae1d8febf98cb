//! `sextet model export`: writes a model as one ONNX graph.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use sextet_separator::model::{ExportOptions, Precision};

use super::open::open_with;
use crate::args::{ExportArgs, PrecisionArg};
use crate::fault::{Fault, Kind};
use crate::stdio;
use crate::unfinished::Unfinished;

/// Writes the graph to a file that appears whole.
pub(super) fn run(args: &ExportArgs, unfinished: &Unfinished) -> Result<()> {
    let model = open_with(&args.model, args.config.as_deref())?;
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
    let options = ExportOptions::new()
        .batch(args.batch.get())
        .precision(precision);
    let cannot_write = || {
        Fault::new(
            Kind::Output,
            format!("cannot write '{}'", args.output.display()),
        )
    };

    let mut set = unfinished.set();
    let mut file = set.create(&args.output).with_context(cannot_write)?.file;
    let onnx = model.export_onnx(0, options)?;
    file.write_all(&onnx)
        .and_then(|()| set.commit())
        .with_context(cannot_write)?;
    stdio::out(&format!("wrote {}", args.output.display()));
    Ok(())
}
