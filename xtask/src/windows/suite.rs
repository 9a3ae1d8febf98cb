//! The test programs under Wine, and the counts of their tests.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Artifact;

use super::wine::Wine;

/// A test program that has not ended by then hangs.
const AT_MOST: Duration = Duration::from_secs(20 * 60);

/// A program of tests.
pub(super) struct Program {
    /// Package and target, such as `cli command`.
    name: String,
    /// The package's folder, in which Cargo runs it.
    folder: PathBuf,
    executable: PathBuf,
}

impl Program {
    /// Returns the test programs among `built`.
    pub(super) fn all(built: &[Artifact]) -> Vec<Self> {
        let mut programs: Vec<Self> = built
            .iter()
            .filter(|artifact| artifact.profile.test)
            .filter_map(|artifact| {
                let folder = artifact.manifest_path.parent()?;
                let package = folder.file_name()?;
                let target = match artifact.target.is_test() {
                    true => artifact.target.name.as_str(),
                    false => "unit tests",
                };
                Some(Self {
                    name: format!("{package}: {target}"),
                    folder: folder.into(),
                    executable: artifact.executable.clone()?.into(),
                })
            })
            .collect();
        programs.sort_by(|a, b| a.name.cmp(&b.name));
        programs
    }
}

/// Numbers of tests.
#[derive(Clone, Copy, Default)]
struct Counts {
    passed: u32,
    failed: u32,
    ignored: u32,
}

/// Runs all `programs` and prints a table of the counts. What each test said is in a file of
/// `logs`, named after the program.
///
/// # Errors
/// When a test fails, or a program ends without a result.
pub(super) fn run(wine: &Wine, programs: &[Program], logs: &Path) -> Result<()> {
    fs::create_dir_all(logs)?;
    let (mut all, mut faults) = (Counts::default(), Vec::new());
    for program in programs {
        let begin = Instant::now();
        let said = output(wine, program)?;
        let log = logs.join(format!("{}.txt", program.name.replace(": ", "-")));
        fs::write(&log, &said)?;

        let Some(found) = counts(&said) else {
            println!("    {:<34} no result, see {}", program.name, log.display());
            faults.push(program.name.as_str());
            continue;
        };
        println!(
            "    {:<34} {:>4} passed {:>3} failed {:>3} ignored {:>5.0} s",
            program.name,
            found.passed,
            found.failed,
            found.ignored,
            begin.elapsed().as_secs_f64()
        );
        if found.failed > 0 {
            println!("        see {}", log.display());
            faults.push(program.name.as_str());
        }
        all.passed += found.passed;
        all.failed += found.failed;
        all.ignored += found.ignored;
    }

    println!(
        "    {} programs under Wine: {} passed, {} failed, {} ignored",
        programs.len(),
        all.passed,
        all.failed,
        all.ignored
    );
    if !faults.is_empty() {
        bail!("tests failed under Wine: {}", faults.join("; "));
    }
    Ok(())
}

/// Returns what the tests of `program` say, on both outputs.
fn output(wine: &Wine, program: &Program) -> Result<String> {
    // The outputs share one pipe: the order of what is said stays.
    let (mut reader, writer) = std::io::pipe()?;
    let mut command = wine.run(&program.executable);
    command
        .current_dir(&program.folder)
        .env("CARGO_MANIFEST_DIR", &program.folder)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {}", program.name))?;
    drop(command);

    let said = std::thread::spawn(move || {
        let mut said = Vec::new();
        reader.read_to_end(&mut said).map(|_| said)
    });

    let begin = Instant::now();
    while child.try_wait()?.is_none() {
        if begin.elapsed() > AT_MOST {
            child.kill()?;
            child.wait()?;
            bail!("{} hangs under Wine", program.name);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let said = said.join().ok().context("reading a pipe panicked")??;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Returns the counts of libtest's last line, `test result: ok. 3 passed; 0 failed; 1 ignored`.
fn counts(said: &str) -> Option<Counts> {
    let line = said
        .lines()
        .rev()
        .find(|line| line.contains("test result: "))?;
    let number = |what: &str| {
        let before = line.split(what).next()?;
        before.trim_end().rsplit(' ').next()?.parse().ok()
    };
    Some(Counts {
        passed: number("passed")?,
        failed: number("failed")?,
        ignored: number("ignored")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_last_line() {
        let said = "running 2 tests\r\ntest a ... ok\r\n\r\ntest result: FAILED. 12 passed; 3 failed; 4 ignored; 0 measured; 0 filtered out\r\n";
        let found = counts(said).unwrap();
        assert_eq!((found.passed, found.failed, found.ignored), (12, 3, 4));
        assert!(counts("thread panicked").is_none());
    }
}
