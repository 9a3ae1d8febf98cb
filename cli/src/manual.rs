//! Shell completions and manual pages, generated from the flags themselves.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

use crate::args::Cli;
use crate::fault::{Fault, Kind};
use crate::stdio;

/// Writes completions for `shell` to standard output.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sextet", &mut text);
    Ok(stdio::raw(&text)?)
}

/// Writes the manual page to standard output, or a page for every command into `folder`.
pub(crate) fn pages(folder: Option<&Path>) -> Result<()> {
    let mut command = Cli::command();
    command.build();
    let Some(folder) = folder else {
        let mut text = Vec::new();
        clap_mangen::Man::new(command).render(&mut text)?;
        return Ok(stdio::raw(&text)?);
    };

    let cannot_write = || {
        Fault::new(
            Kind::Output,
            format!("cannot write into '{}'", folder.display()),
        )
    };

    std::fs::create_dir_all(folder).with_context(cannot_write)?;
    clap_mangen::generate_to(command, folder).with_context(cannot_write)
}
