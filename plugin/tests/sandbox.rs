//! Test of the plugin in hosts that run in a sandbox, which moves the folders for data and caches.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use sextet_plugin_testing::clap_host::Host;
use sextet_plugin_testing::vst3_host::{BLOCK, load, play_through};
use sextet_plugin_testing::{assert_same_samples, command, library, project, song};
use vst3_host::ProcessMode;

/// Time limit of a separation: the engine yields to all else on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);

/// Variables that name folders and the command, of which none is set here.
const OWN: [&str; 3] = ["SEXTET_CACHE", "SEXTET_DATA", "SEXTET_COMMAND"];

/// Installs the plugin for one user, as the archive's script does: a CLAP, a VST3 without a command
/// of its own, and the command.
fn install(home: &Path) -> PathBuf {
    let clap = home.join(".clap");
    let vst3 = home.join(".vst3/Sextet.vst3");
    let inner = vst3.join(format!("Contents/{}-linux", std::env::consts::ARCH));
    let bin = home.join(".local/share/sextet/bin");
    for folder in [&clap, &inner, &bin] {
        std::fs::create_dir_all(folder).unwrap();
    }

    std::fs::copy(library(), clap.join("Sextet.clap")).unwrap();
    std::fs::copy(library(), inner.join("Sextet.so")).unwrap();
    std::os::unix::fs::symlink(command(), bin.join("sextet")).unwrap();
    vst3
}

/// Returns the names of what is in a folder that is no label, log or lock.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    names
        .filter(|name| !name.starts_with('.') && !name.ends_with(".json"))
        .collect()
}

/// A single test, because it changes the environment of its process.
#[test]
fn with_moved_folders_the_command_is_found_and_so_is_what_it_wrote() {
    let (rate_hz, song) = song(4.0);
    let song = song.map(|side| side[..side.len() / BLOCK * BLOCK].to_vec());
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let vst3 = install(home);

    // What Flatpak sets, and the bundles that this test has installed.
    let app = home.join(".var/app/org.example.Daw");
    project::folders();
    // SAFETY: no instance, and with it no thread of ours, has been made yet.
    unsafe {
        OWN.iter().for_each(|name| std::env::remove_var(name));
        std::env::set_var("HOME", home);
        std::env::set_var("XDG_DATA_HOME", app.join("data"));
        std::env::set_var("XDG_CACHE_HOME", app.join("cache"));
        std::env::set_var("SEXTET_TEST_BUNDLED", home.join(".clap"));
    }

    // CLAP: captures and separates.
    let mut host = Host::new();
    host.set_offline(true);
    host.activate(rate_hz, BLOCK as u32);
    host.set(&[("Capture", 1.0)]);
    for first in (0..song[0].len()).step_by(BLOCK) {
        let input = song.each_ref().map(|side| &side[first..first + BLOCK]);
        host.play(input, Some(first as i64));
    }
    host.play([&[0.0; 64]; 2], None);
    host.set(&[("Capture", 0.0)]);
    host.wait_for("ready", PATIENCE);

    let captures = app.join("data/sextet/captures");
    let stems = app.join("cache/sextet/stems");
    assert_eq!(names(&captures).len(), 1, "{:?}", names(&captures));
    assert_eq!(names(&stems).len(), 1, "{:?}", names(&stems));
    assert!(!home.join(".cache").exists());

    let heard: Vec<f32> = (0..song[0].len())
        .step_by(BLOCK)
        .flat_map(|first| host.play([&[0.0; BLOCK]; 2], Some(first as i64))[4][0].clone())
        .collect();
    let saved = project::saved(&host.save());
    drop(host);

    // VST3, in the next start: the same stems, without another separation.
    let mut plugin = load(&vst3, rate_hz);
    plugin.set_process_mode(ProcessMode::Offline).unwrap();
    plugin.load_state(&project::plain(&saved)).unwrap();
    plugin.start_processing().unwrap();
    let buses = play_through(&mut plugin, &song);
    assert_same_samples(&buses[4][0], &heard, "the vocals in VST3");
    assert_eq!((names(&captures).len(), names(&stems).len()), (1, 1));

    // With the stems gone, VST3 finds the command as well.
    std::fs::remove_dir_all(&stems).unwrap();
    let mut plugin = load(&vst3, rate_hz);
    plugin.set_process_mode(ProcessMode::Offline).unwrap();
    plugin.load_state(&project::plain(&saved)).unwrap();
    plugin.start_processing().unwrap();
    let buses = play_through(&mut plugin, &song);
    assert_same_samples(&buses[4][0], &heard, "the vocals, made again");
    assert_eq!(names(&stems).len(), 1);
}
