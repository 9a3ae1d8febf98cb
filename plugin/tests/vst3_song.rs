//! Test of a song from capture to stems in a VST3 host, with the real engine process and the
//! bundled model.
#![cfg(not(target_os = "macos"))]

use sextet_plugin_testing::vst3_host::{BLOCK, load, play_through};
use sextet_plugin_testing::{bundle, entry, project, reference, song};
use vst3_host::ProcessMode;

#[test]
fn a_song_is_captured_and_its_stems_are_on_the_buses() {
    sextet_plugin_testing::use_command();
    let (rate_hz, mut song) = song(12.0);
    song.iter_mut()
        .for_each(|channel| channel.truncate(channel.len() / BLOCK * BLOCK));

    let folder = tempfile::tempdir().unwrap();
    let mut plugin = load(&bundle(folder.path()), rate_hz);
    plugin.set_process_mode(ProcessMode::Offline).unwrap();
    if let Some(saved) = reference::chosen() {
        plugin.load_state(&project::plain(&saved)).unwrap();
    }
    plugin.start_processing().unwrap();

    let capture = plugin.find_parameter("Capture").unwrap().id;
    plugin.set_parameter_at(capture, 1.0, 0).unwrap();

    let dry = play_through(&mut plugin, &song);
    assert!(
        dry[0] == song,
        "while it is captured the track does not play dry"
    );

    let heard = play_through(&mut plugin, &song);
    reference::assert_same_stems(
        &heard[1..],
        &reference::stems_of_the_command(rate_hz, &song, folder.path()),
    );
    let [entry] = entry::all(project::folders()).try_into().unwrap();

    reference::assert_engine(&entry.manifest().recipe.engine);
}
