//! Tests of a song from capture to stems, with the real engine process and the bundled model.

use std::time::{Duration, Instant};

use sextet_plugin_testing::clap_host::Host;
use sextet_plugin_testing::reference::{self, compare};
use sextet_plugin_testing::{BUSES, BusAudio, ask, assert_same_buses, project, song};
use sextet_protocol::Fingerprint;
use sextet_protocol::cache::Entry;
use sextet_protocol::worker::{JobId, Reply, Request, Separate};

/// Time limit of a separation: chunks take long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);
/// Position of the song on the timeline.
const START: i64 = 123_457;
const BLOCK: usize = 1024;

/// Plays a stretch of the timeline, block by block, with the song as input.
fn play_through(host: &mut Host, song: &[Vec<f32>; 2]) -> BusAudio {
    let mut all: BusAudio = Default::default();
    for first in (0..song[0].len()).step_by(BLOCK) {
        let end = (first + BLOCK).min(song[0].len());
        let heard = host.play(
            [&song[0][first..end], &song[1][first..end]],
            Some(START + first as i64),
        );
        for (bus, heard) in all.iter_mut().flatten().zip(heard.iter().flatten()) {
            bus.extend(heard);
        }
    }

    all
}

fn key_of(host: &Host) -> Fingerprint {
    project::saved(&host.save())["clip"]["key"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_song_is_captured_separated_played_and_restored() {
    sextet_plugin_testing::use_command();
    let (rate_hz, song) = song(12.0);

    let mut host = Host::new();
    host.set_offline(true);
    host.activate(rate_hz, BLOCK as u32);

    if let Some(saved) = reference::chosen() {
        assert!(host.load(&project::framed(&saved)));
        host.wait_for("empty", PATIENCE);
    }

    // Capture: armed for one pass, until the transport stops.
    host.set(&[("Capture", 1.0)]);
    let dry = play_through(&mut host, &song);
    assert!(
        dry[0] == song,
        "while it is captured the track does not play dry"
    );

    let silence = [0.0; 64];
    host.play([&silence; 2], None);

    // The first block of an offline render waits for the stems.
    let begun = Instant::now();
    let heard = play_through(&mut host, &song);
    println!("capture to stems: {:.1} s", begun.elapsed().as_secs_f64());

    assert!(host.status().starts_with("ready"), "{}", host.status());

    // The stems equal those of the command. The mix equals the clip.
    let folder = tempfile::tempdir().unwrap();
    reference::assert_same_stems(
        &heard[1..],
        &reference::stems_of_the_command(rate_hz, &song, folder.path()),
    );
    reference::assert_engine(
        &Entry::open(project::folders(), &key_of(&host))
            .unwrap()
            .manifest()
            .recipe
            .engine,
    );

    let null_db = (0..2)
        .map(|side| compare(&heard[0][side], &song[side]).0)
        .fold(f64::MIN, f64::max);
    let loudest = heard
        .iter()
        .flatten()
        .flatten()
        .fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));

    println!("mix at 0 dB against the clip: {null_db:.1} dBFS; the loudest sample is {loudest}");
    assert!(null_db < -120.0);
    assert!(
        heard[1..]
            .iter()
            .flatten()
            .flatten()
            .any(|sample| sample.abs() > 0.01),
        "{BUSES:?} are not all silent"
    );

    // A worker that is asked for the same song finds the stems that the instance made.
    let path = project::folders().capture(&captured(&host));
    let engine = reference::choice()
        .map(|name| serde_json::from_value(name.into()).unwrap())
        .unwrap_or_default();
    let separate = Separate {
        engine,
        ..Separate::new(JobId(1), path)
    };

    let reply = ask(&[Request::hello("test"), Request::Separate(separate)]);
    let Reply::Done { key, cached, .. } = reply else {
        panic!("{reply:?}")
    };

    assert_eq!((key, cached), (key_of(&host), true));

    // Windows deletes nothing that an instance plays from.
    let state = host.save();
    drop(host);
    restore(&state, &song, &heard);
}

fn captured(host: &Host) -> Fingerprint {
    project::saved(&host.save())["clip"]["audio"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// Checks that the stems are equal bit for bit, and the main output except for the rounding of its
/// fade from dry.
fn check_same(heard: &BusAudio, before: &BusAudio, what: &str) {
    assert_same_buses(&heard[1..], &before[1..], what);
    let error_db = (0..2)
        .map(|side| compare(&heard[0][side], &before[0][side]).0)
        .fold(f64::MIN, f64::max);
    assert!(
        error_db < -130.0,
        "{what}: the mix differs by {error_db} dBFS"
    );
}

/// Saves, closes and reopens: with the cache, with the capture alone, and with neither.
fn restore(state: &[u8], song: &[Vec<f32>; 2], heard: &BusAudio) {
    let rate_hz = 44_100;
    let reopen = || {
        let mut host = Host::new();
        assert!(host.load(state));
        host.set_offline(true);
        host.activate(rate_hz, BLOCK as u32);
        host
    };

    let mut host = reopen();
    let begun = Instant::now();
    check_same(&play_through(&mut host, song), heard, "from the cache");
    println!(
        "restored from the cache and played in {:.2} s",
        begun.elapsed().as_secs_f64()
    );

    // A copy plays on another track, at the same time.
    let mut copy = reopen();
    check_same(&play_through(&mut copy, song), heard, "the copy");
    drop((host, copy));

    in_a_new_process(state);

    std::fs::remove_dir_all(project::folders().stems()).unwrap();
    let mut host = reopen();
    check_same(&play_through(&mut host, song), heard, "from the capture");
    let audio = captured(&host);

    drop(host);

    std::fs::remove_dir_all(project::folders().stems()).unwrap();
    std::fs::remove_file(project::folders().capture(&audio)).unwrap();

    let mut host = reopen();
    host.wait_for(
        "failed: The stems of this clip are no longer in the cache, and its capture",
        PATIENCE,
    );

    assert!(
        play_through(&mut host, song)[0] == *song,
        "it does not play dry"
    );
    println!("{}", host.status());
}

fn in_a_new_process(state: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state");
    std::fs::write(&file, state).unwrap();
    let (cache, data) = (project::folders().cache(), project::folders().data());

    sextet_plugin_testing::in_a_process_of_its_own(
        "reopened_in_a_process_of_its_own",
        &[
            ("SEXTET_TEST_STATE", file.as_os_str()),
            ("SEXTET_TEST_CACHE", cache.as_os_str()),
            ("SEXTET_TEST_DATA", data.as_os_str()),
        ],
    );
}

/// Run by the test above.
#[test]
#[ignore = "the other test runs it, with a project"]
fn reopened_in_a_process_of_its_own() {
    let state = std::fs::read(std::env::var_os("SEXTET_TEST_STATE").unwrap()).unwrap();
    let host = Host::new();
    assert!(host.load(&state));
    host.wait_for("ready", PATIENCE);
}
