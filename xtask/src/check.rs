//! `cargo xtask check`: every check that a change has to pass.

use anyhow::{Context as _, Result, ensure};

use crate::step::{borrowed, run};
use crate::{kernels, macos, package, tensorrt, tidy, tools, windows};

/// All checks, with TensorRT where NVIDIA has it.
///
/// # Errors
/// The first check that fails.
pub(crate) fn all() -> Result<()> {
    let mut build = if tensorrt::is_made_for_this_system() {
        Build::with_tensorrt()?
    } else {
        Build::plain()
    };

    // Incremental data, which makes the next build of a changed file faster, costs a fifth of the
    // first build.
    build
        .environment
        .push(("CARGO_INCREMENTAL", "0".to_owned()));
    build.lint()?;
    if kernels::are_made_on_this_system() {
        kernels::check()?;
    }

    let library = build.library()?;
    build.cargo(
        "test",
        &[],
        &[
            &[(
                "SEXTET_PYTHON",
                tools::python().context("without it: cargo xtask check --fast")?,
            )],
            &library[..],
        ]
        .concat(),
    )?;

    build.document()?;
    let deny = tools::cargo_deny()?;
    run(&deny, &["check", "bans", "licenses", "sources"], &[])?;

    let systems = [windows::check()?, macos::check()?];
    let left_out: Vec<String> = systems.into_iter().flatten().collect();
    match left_out.as_slice() {
        [] => println!("\nall checks passed"),
        _ => println!(
            "\nall checks passed but what was left out: {}",
            left_out.join("; ")
        ),
    }

    Ok(())
}

/// The checks that need nothing but Cargo and what it has fetched, of the build without TensorRT.
///
/// # Errors
/// The first check that fails.
pub(crate) fn fast() -> Result<()> {
    let build = Build::plain();
    build.lint()?;
    build.cargo(
        "test",
        &[
            "--", "--skip", "onnx_", "--skip", "python_", "--skip", "window_",
        ],
        &[],
    )?;

    build.document()?;
    println!(
        "\nall checks passed but those of ONNX files, Python hosts, windows, kernels, TensorRT, dependencies and licences, which were left out"
    );
    Ok(())
}

/// The checks of what is only built with TensorRT.
///
/// # Errors
/// The first check that fails.
pub(crate) fn tensorrt() -> Result<()> {
    ensure!(
        tensorrt::is_made_for_this_system(),
        "NVIDIA has no TensorRT-RTX for this system"
    );
    let build = Build::with_tensorrt()?;
    build.lint()?;

    let library = build.library()?;
    build.cargo(
        "test",
        &["--test", "tensorrt", "--", "--nocapture"],
        &library,
    )?;

    build.cargo("test", &["--test", "command", "--", "engine::"], &library)
}

/// Lists the public API of the libraries, with a program in a workspace of its own.
///
/// # Errors
/// When a text cannot be written, or with `--check` differs from the sources.
pub(crate) fn public_api(arguments: &[&str]) -> Result<()> {
    let program = [
        "run",
        "--quiet",
        "--locked",
        "--target-dir",
        "target/api",
        "--manifest-path",
        "xtask/api/Cargo.toml",
        "--",
    ];
    run("cargo", &[&program, arguments].concat(), &[])
}

/// How Cargo builds the workspace for all the steps of a check. Another choice of packages or
/// features would be another build of half the dependencies.
struct Build {
    with_tensorrt: bool,
    environment: Vec<(&'static str, String)>,
}

impl Build {
    /// Needs nothing but Rust.
    fn plain() -> Self {
        Self {
            with_tensorrt: false,
            environment: Vec::new(),
        }
    }

    /// With TensorRT, which needs libclang.
    fn with_tensorrt() -> Result<Self> {
        Ok(Self {
            with_tensorrt: true,
            environment: tensorrt::libclang()?,
        })
    }

    /// Variables by which the tests find NVIDIA's library.
    fn library(&self) -> Result<Vec<(&'static str, String)>> {
        if !self.with_tensorrt {
            return Ok(Vec::new());
        }
        let (folder, wheel) = tensorrt::library()?;
        Ok(vec![
            ("SEXTET_TENSORRT", folder),
            ("SEXTET_TENSORRT_WHEEL", wheel),
        ])
    }

    fn lint(&self) -> Result<()> {
        run("cargo", &["fmt", "--all", "--check"], &[])?;
        println!("\n==> layout");
        tidy::run()?;
        public_api(&["--check"])?;
        self.cargo("clippy", &["--all-targets", "--", "-D", "warnings"], &[])?;
        package::check(false)
    }

    fn document(&self) -> Result<()> {
        self.cargo(
            "doc",
            &["--no-deps", "--quiet"],
            &[("RUSTDOCFLAGS", "-D warnings".to_owned())],
        )
    }

    /// Runs a command of Cargo, with what it takes beyond this build's own flags and environment.
    fn cargo(&self, command: &str, more: &[&str], environment: &[(&str, String)]) -> Result<()> {
        let features: &[&str] = if self.with_tensorrt {
            &["--features", "sextet-cli/tensorrt"]
        } else {
            &[]
        };

        let environment: Vec<(&str, String)> = self
            .environment
            .iter()
            .chain(environment)
            .cloned()
            .collect();

        run(
            "cargo",
            &[&[command, "--workspace", "--locked"], features, more].concat(),
            &borrowed(&environment),
        )
    }
}
