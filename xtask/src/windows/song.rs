//! The part of `cargo xtask check` that is Windows: command and plugin are built for it, and the
//! command separates the sample song under Wine as it does here.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use sextet_wav::FloatWav;

use super::toolchain;
use crate::bundle::{self, Build};
use crate::step::root;
use crate::system::{System, Workshop};
use crate::tools::text;

/// The song that both commands separate.
const SONG: &str = "samples/six-of-one.flac";
/// The stems of the bundled model.
const STEMS: [&str; 6] = ["drums", "bass", "other", "vocals", "guitar", "piano"];
/// The greatest difference of a sample, of which full scale is 1: the systems' sines and logarithms
/// differ in their last digits. A step of 16 bits is 3e-5.
const CLOSE: f32 = 1e-5;

/// Bundles and compares; what this system's tests have built is there. Returns what was left out,
/// in words, where the packages that it needs are not installed.
///
/// # Errors
/// When something does not build, imports what Windows lacks, or gives other stems.
pub(crate) fn check() -> Result<Option<String>> {
    let missing = toolchain::missing();
    if !missing.is_empty() {
        let missing = missing.join(" ");
        return Ok(Some(format!(
            "Windows, which needs: sudo apt install {missing}"
        )));
    }

    let build = Build {
        system: System::Windows,
        profile: "dev",
        cpu_only: false,
    };
    let workshop = Workshop::open(build.system)?;
    let bundle = bundle::make(build, &workshop)?;
    compare(&workshop, &bundle.command)?;
    Ok(None)
}

/// Separates the song by the command for Windows and by this system's, and compares the stems.
fn compare(windows: &Workshop, there: &Path) -> Result<()> {
    println!("\n==> {SONG} under Wine and here");
    let home = root().join("target/cross/song");
    let folders = [home.join("windows"), home.join("here")];
    let here = Workshop::Here.built("dev")?.join(System::This.command());

    separate(windows, there, &folders[0])?;
    separate(&Workshop::Here, &here, &folders[1])?;

    let mut farthest = 0.0;
    for stem in STEMS {
        let [there, here] = folders.each_ref().map(|folder| {
            let file = folder.join(stem).with_extension("wav");
            samples(&file).with_context(|| format!("no stem in '{}'", file.display()))
        });
        farthest = difference(&there?, &here?, stem)?.max(farthest);
    }
    println!("    {} stems, at most {farthest:e} apart", STEMS.len());
    Ok(())
}

/// Runs `command` on the song, with the stems in `folder`.
fn separate(workshop: &Workshop, command: &Path, folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    let (song, folder) = (text(root().join(SONG))?, text(folder.to_owned())?);
    let flags = ["--engine", "cpu", "--quiet", "--name", "{stem}.{ext}"];
    let arguments = ["separate", &song, "--output", &folder];
    workshop.output(command, &[&arguments[..], &flags].concat())?;
    Ok(())
}

/// Returns the greatest difference between two stems.
fn difference(there: &[f32], here: &[f32], stem: &str) -> Result<f32> {
    ensure!(
        there.len() == here.len(),
        "expected {} samples of {stem} under Wine, as here; found {}",
        here.len(),
        there.len()
    );
    let loudest = here.iter().fold(0.0f32, |loudest, x| loudest.max(x.abs()));
    ensure!(loudest > 0.01, "{stem} is silent here");

    let apart = there.iter().zip(here).map(|(a, b)| (a - b).abs());
    let apart = apart.fold(0.0f32, f32::max);
    ensure!(
        apart <= CLOSE,
        "{stem} under Wine is {apart:e} from this system's, expected at most {CLOSE:e}"
    );
    Ok(apart)
}

/// Returns all samples of a file.
fn samples(path: &Path) -> Result<Vec<f32>> {
    let mut wav = FloatWav::open(File::open(path)?)?;
    let mut samples = vec![0.0; 2 * usize::try_from(wav.frames())?];
    wav.read_into(0, &mut samples)?;
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_close_equally_long_and_not_silent() {
        let here = [0.5, -0.25];
        let cases: [(&[f32], &[f32], bool); 4] = [
            (&[0.5, -0.25], &here, true),
            (&[0.500001, -0.25], &here, true),
            (&[0.5001, -0.25], &here, false),
            (&[0.5], &here, false),
        ];
        for (there, here, is_close) in cases {
            let found = difference(there, here, "drums");
            assert_eq!(found.is_ok(), is_close, "{there:?}");
        }
        assert!(difference(&[0.0], &[0.0], "drums").is_err());
    }
}
