//! The kernels of the CUDA engine: compiles `separator/kernels/` into the file that is part of the
//! program, and checks that the committed file is that of the sources. Needs no GPU.

mod compile;
mod file;
mod list;
mod log;
mod nvrtc;

use std::collections::BTreeMap;
use std::env::consts::{ARCH, OS};
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::step::root;
use crate::tools;
use compile::Compiled;
use file::{Difference, Target};
use nvrtc::Nvrtc;

/// Folder of the sources, of their list, and of the file that is made of them.
const FOLDER: &str = "separator/kernels";
const FILE: &str = "kernels.bin";
/// Targets of the file: machine code for the GPUs that are known, and PTX, which the driver
/// compiles for later ones.
const TARGETS: [&str; 7] = [
    "sm_80",
    "sm_86",
    "sm_89",
    "sm_90a",
    "sm_100",
    "sm_120",
    "compute_80",
];
/// Target whose figures are printed.
const SHOWN: &str = "sm_90a";
/// Bytes of the largest file that is allowed: it is part of every download.
const LARGEST_BYTES: usize = 6_000_000;

/// Whether the file is made and checked on this system. Other hosts' NVRTC need not give the same
/// bytes.
pub(crate) fn are_made_on_this_system() -> bool {
    OS == "linux" && ARCH == "x86_64"
}

/// Compiles all kernels and writes the file. It is written too where a kernel has faults, so that
/// it can be tried, but the chore fails.
///
/// # Errors
/// When NVRTC cannot be had, a kernel does not compile, or the compiler complains about one.
pub(crate) fn write() -> Result<()> {
    let (compiled, packed) = make()?;
    let path = root().join(FOLDER).join(FILE);
    fs::write(&path, &packed).with_context(|| format!("cannot write '{}'", path.display()))?;

    report(&compiled, &packed);
    complain(faults(&compiled, &packed))
}

/// Compiles all kernels and compares them with the committed file.
///
/// # Errors
/// As [`write()`], and when kernels differ.
pub(crate) fn check() -> Result<()> {
    let (compiled, packed) = make()?;
    report(&compiled, &packed);

    let committed = fs::read(root().join(FOLDER).join(FILE))
        .context("no file")
        .and_then(|bytes| file::unpacked(&bytes));
    let mut faults = faults(&compiled, &packed);
    match committed {
        Ok(committed) => {
            let differences = file::differences(&committed, &targets(&compiled));
            faults.extend(differences.iter().map(Difference::to_string));
            if !differences.is_empty() {
                faults.push(format!(
                    "{FOLDER}/{FILE} is not that of the sources: run cargo xtask kernels"
                ));
            }
        }
        Err(error) => faults.push(format!(
            "{FOLDER}/{FILE} cannot be read ({error:#}): run cargo xtask kernels"
        )),
    }
    complain(faults)
}

/// Returns the compiled kernels, target by target, and the file that holds them.
fn make() -> Result<(Vec<Compiled>, Vec<u8>)> {
    ensure!(
        are_made_on_this_system(),
        "the kernels are compiled on Linux, x86-64; other systems use the committed {FOLDER}/{FILE}"
    );
    let library = tools::nvrtc().context(
        "compiling the kernels needs NVIDIA's NVRTC, which Python fetches (without it: cargo xtask check --fast)",
    )?;
    println!(
        "\n==> kernels: {FOLDER}, {} with {}",
        TARGETS.join(" "),
        tools::NVRTC
    );
    let begin = Instant::now();

    let sources = list::Sources::read(&root().join(FOLDER))?;
    let nvrtc = Nvrtc::load(Path::new(&library))?;
    let compiled = compile::all(&nvrtc, &sources, &TARGETS)?;
    let packed = file::packed(&targets(&compiled))?;

    println!("    took {:.0} s", begin.elapsed().as_secs_f64());
    Ok((compiled, packed))
}

/// Sorts the images by target.
fn targets(compiled: &[Compiled]) -> Vec<Target> {
    TARGETS
        .iter()
        .map(|&target| Target {
            name: target.to_owned(),
            images: compiled
                .iter()
                .filter(|kernel| kernel.target == target)
                .map(|kernel| (kernel.name.clone(), kernel.image.clone()))
                .collect(),
        })
        .collect()
}

/// Faults of kernels that compile, a line each. One that a kernel has for several targets is one.
fn faults(compiled: &[Compiled], packed: &[u8]) -> Vec<String> {
    let mut targets: BTreeMap<(&str, String), Vec<&str>> = BTreeMap::new();
    for kernel in compiled {
        let spills = (kernel.log.spill_bytes > 0).then(|| {
            let bytes = kernel.log.spill_bytes;
            format!("spills {bytes} bytes of registers into memory")
        });
        for fault in kernel.log.warnings.iter().cloned().chain(spills) {
            let with_it = targets.entry((&kernel.name, fault)).or_default();
            with_it.push(&kernel.target);
        }
    }

    let mut faults: Vec<String> = targets
        .into_iter()
        .map(|((kernel, fault), targets)| format!("{kernel} for {}: {fault}", targets.join(" ")))
        .collect();
    if packed.len() > LARGEST_BYTES {
        faults.push(format!(
            "the file has {} bytes; {LARGEST_BYTES} at most",
            packed.len()
        ));
    }
    faults
}

fn complain(faults: Vec<String>) -> Result<()> {
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    Ok(())
}

/// Prints a table of the kernels for one target.
fn report(compiled: &[Compiled], packed: &[u8]) {
    println!(
        "\n    {:20} {:>9} {:>7} {:>7}",
        format!("kernel for {SHOWN}"),
        "registers",
        "spills",
        "bytes"
    );
    for kernel in compiled.iter().filter(|kernel| kernel.target == SHOWN) {
        println!(
            "    {:20} {:>9} {:>7} {:>7}",
            kernel.name,
            kernel.log.registers,
            kernel.log.spill_bytes,
            kernel.image.len()
        );
    }
    println!(
        "    {} images for {} targets, {} bytes packed",
        compiled.len(),
        TARGETS.len(),
        packed.len()
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Log;

    #[test]
    fn faults_name_the_kernel_and_its_targets() {
        let kernel = |name: &str, target: &str, spill_bytes, warnings: &[&str]| Compiled {
            name: name.to_owned(),
            target: target.to_owned(),
            image: Vec::new(),
            log: Log {
                registers: 32,
                spill_bytes,
                warnings: warnings.iter().map(|&line| line.to_owned()).collect(),
            },
        };
        let compiled = [
            kernel("norm", "sm_80", 0, &["a warning"]),
            kernel("entry", "sm_80", 0, &[]),
            kernel("norm", "sm_86", 8, &["a warning"]),
        ];

        let cases: [(&[Compiled], usize, &[&str]); 3] = [
            (&compiled[1..2], LARGEST_BYTES, &[]),
            (
                &[],
                LARGEST_BYTES + 1,
                &["the file has 6000001 bytes; 6000000 at most"],
            ),
            (
                &compiled,
                0,
                &[
                    "norm for sm_80 sm_86: a warning",
                    "norm for sm_86: spills 8 bytes of registers into memory",
                ],
            ),
        ];
        for (compiled, bytes, expected) in cases {
            assert_eq!(faults(compiled, &vec![0; bytes]), expected);
        }
    }
}
