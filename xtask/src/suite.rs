//! Test programs for another system than this one, run by what stands for that system, and the
//! counts of their tests.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Artifact;

use crate::step::root;

/// A test program that has not ended by then hangs.
const AT_MOST: Duration = Duration::from_secs(60 * 60);

/// A test that is built for the other system, but not run there.
pub(crate) struct Skipped {
    /// The program as in [`Program`].
    pub(crate) program: &'static str,
    /// The test's whole name, such as `inputs::odd_names_work`.
    pub(crate) test: &'static str,
    pub(crate) why: &'static str,
}

/// A stand-in for the other system, and the tests that it cannot play.
pub(crate) struct Suite<'a> {
    /// Its name in the report, such as `Wine`.
    pub(crate) system: &'static str,
    /// Returns a command that runs a program there.
    pub(crate) command: &'a dyn Fn(&Path) -> Command,
    /// The tests that it cannot play.
    pub(crate) skipped: &'a [Skipped],
    /// A folder for what each program says, in a file of its name.
    pub(crate) logs: PathBuf,
}

/// A program of tests.
pub(crate) struct Program {
    /// The package's folder and the target, such as `cli: command`.
    name: String,
    /// The package's folder, in which Cargo runs it.
    folder: PathBuf,
    executable: PathBuf,
}

impl Program {
    /// Returns the test programs among `built`.
    pub(crate) fn all(built: &[Artifact]) -> Vec<Self> {
        let mut programs: Vec<Self> = built
            .iter()
            .filter(|artifact| artifact.profile.test)
            .filter_map(|artifact| {
                let folder = artifact.manifest_path.parent()?;
                let package = folder.strip_prefix(root()).ok()?;
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
    /// Those that were skipped.
    filtered: u32,
}

impl Suite<'_> {
    /// Runs all `programs` and prints a table of the counts, and each test that was skipped.
    ///
    /// # Errors
    /// When a test fails, a program ends without a result, or a test that is to be skipped is not
    /// there.
    pub(crate) fn run(&self, programs: &[Program]) -> Result<()> {
        fs::create_dir_all(&self.logs)?;
        println!("\n==> tests under {}", self.system);
        let (mut all, mut faults) = (Counts::default(), Vec::new());
        for program in programs {
            match self.run_one(program)? {
                Ok(found) => all.add(found),
                Err(fault) => faults.push(fault),
            }
        }

        println!(
            "    {} programs under {}: {} passed, {} ignored, {} skipped",
            programs.len(),
            self.system,
            all.passed,
            all.ignored,
            all.filtered
        );
        for Skipped { program, test, why } in self.skipped {
            println!("        skipped: {program}, {test}: {why}");
        }
        if !faults.is_empty() {
            bail!("under {}: {}", self.system, faults.join("; "));
        }
        Ok(())
    }

    /// Runs one program. Returns its counts, or what is wrong with them.
    fn run_one(&self, program: &Program) -> Result<Result<Counts, String>> {
        let begin = Instant::now();
        let skipped = self.skipped.iter();
        let skipped: Vec<_> = skipped
            .filter(|test| test.program == program.name)
            .collect();
        let said = self.output(program, &skipped)?;

        let log = format!("{}.txt", program.name.replace([':', '/', ' '], "-"));
        let log = self.logs.join(log);
        fs::write(&log, &said)?;

        let Some(found) = counts(&said) else {
            println!("    {:<34} no result, see {}", program.name, log.display());
            return Ok(Err(format!("{} ended without a result", program.name)));
        };
        println!(
            "    {:<34} {:>4} passed {:>3} failed {:>3} ignored {:>3} skipped {:>5.0} s",
            program.name,
            found.passed,
            found.failed,
            found.ignored,
            found.filtered,
            begin.elapsed().as_secs_f64()
        );

        if found.failed > 0 {
            let fault = format!("{} failed in {}", found.failed, program.name);
            return Ok(Err(format!("{fault}, see {}", log.display())));
        }
        if found.filtered as usize != skipped.len() {
            let (listed, name) = (skipped.len(), &program.name);
            return Ok(Err(format!(
                "{name} has {} of the {listed} tests that are listed as skipped",
                found.filtered
            )));
        }
        Ok(Ok(found))
    }

    /// Returns what the tests of `program` say, on both outputs.
    fn output(&self, program: &Program, skipped: &[&Skipped]) -> Result<String> {
        // The outputs share one pipe: the order of what is said stays.
        let (mut reader, writer) = std::io::pipe()?;
        let mut command = (self.command)(&program.executable);
        for test in skipped {
            command.args(["--skip", test.test]);
        }
        command
            .arg("--exact")
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
                bail!("{} hangs under {}", program.name, self.system);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let said = said.join().ok().context("reading a pipe panicked")??;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.filtered += other.filtered;
    }
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
        filtered: number("filtered out")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_last_line() {
        let said = "running 2 tests\r\ntest a ... ok\r\n\r\ntest result: FAILED. 12 passed; 3 failed; 4 ignored; 0 measured; 5 filtered out; finished in 0.00s\r\n";
        let found = counts(said).unwrap();
        let found = [found.passed, found.failed, found.ignored, found.filtered];
        assert_eq!(found, [12, 3, 4, 5]);
        assert!(counts("thread panicked").is_none());
    }
}
