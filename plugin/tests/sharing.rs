//! Tests of instances that share the engine and the stem cache: one separates after the other, and
//! stems that one instance plays are not evicted for another's.

use std::path::PathBuf;
use std::time::Duration;

use sextet_plugin_testing::clap_host::Host;
use sextet_plugin_testing::{BusAudio, assert_same_buses, command, db, project, song};

/// Time limit of a separation: the engine yields to all else on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);
const BLOCK: usize = 1024;
const CLIP_S: f64 = 4.0;

/// An instance and its clip, which is the `number`th few seconds of the song, at the beginning of
/// the timeline.
struct Player {
    host: Host,
    clip: [Vec<f32>; 2],
}

impl Player {
    /// Captures the clip, which starts a separation.
    fn new(number: usize) -> Self {
        let (rate_hz, song) = song(36.0);
        let frames = (CLIP_S * f64::from(rate_hz)) as usize / BLOCK * BLOCK;
        let clip = song.map(|channel| channel[number * frames..(number + 1) * frames].to_vec());

        let mut host = Host::new();
        host.activate(rate_hz, BLOCK as u32);
        host.set(&[("Capture", 1.0)]);

        let mut player = Self { host, clip };
        player.play();
        player.host.play([&[0.0; 64]; 2], None);
        player.host.set(&[("Capture", 0.0)]);

        project::until("a clip", PATIENCE, || {
            let clip = project::saved(&player.host.save())["clip"].clone();
            if clip.is_null() {
                Err(player.host.status())
            } else {
                Ok(())
            }
        });

        player
    }

    /// Plays the clip through.
    fn play(&mut self) -> BusAudio {
        let mut all: BusAudio = Default::default();
        for first in (0..self.clip[0].len()).step_by(BLOCK) {
            let input = self
                .clip
                .each_ref()
                .map(|channel| &channel[first..first + BLOCK]);
            let heard = self.host.play(input, Some(first as i64));
            for (bus, heard) in all.iter_mut().flatten().zip(heard.iter().flatten()) {
                bus.extend(heard);
            }
        }

        all
    }

    /// Returns the stems as an offline render plays them, where nothing is late. Checks that they
    /// add up to the clip.
    fn stems(&mut self) -> BusAudio {
        self.host.wait_for("ready", PATIENCE);
        self.host.set_offline(true);

        let rate_hz = song(0.0).0;
        self.host.activate(rate_hz, BLOCK as u32);

        let heard = self.play();
        let worst = (0..2).flat_map(|side| {
            let heard = heard[1..]
                .iter()
                .map(move |bus| bus[side].clone())
                .collect::<Vec<_>>();
            let clip = self.clip[side].clone();
            (0..clip.len())
                .map(move |n| (heard.iter().map(|bus| bus[n]).sum::<f32>() - clip[n]).abs())
        });

        let error_db = db(f64::from(worst.fold(0.0, f32::max)));
        assert!(
            error_db < -120.0,
            "the stems are not this clip's: {error_db:.1} dBFS"
        );
        heard
    }

    fn entry(&self) -> PathBuf {
        let saved = project::saved(&self.host.save());
        project::folders()
            .stems()
            .join(saved["clip"]["key"].as_str().unwrap())
    }
}

/// A single test, because all of it is about one cache and one engine.
#[test]
fn instances_share_the_engine_and_the_cache() {
    project::use_command(command());
    a_copy_shares_the_clip();
    let mut players = two_at_once();
    a_full_cache(&mut players);
}

/// Checks that a track that is duplicated before its clip is separated shows the same clip, that
/// one separation serves both, and that both play the same stems.
fn a_copy_shares_the_clip() {
    let lock = project::folders().engine_lock();
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    let lock = std::fs::File::create(lock).unwrap();
    lock.lock().unwrap();

    let mut original = Player::new(4);
    original.host.wait_for("queued", PATIENCE);
    let host = Host::new();
    assert!(host.load(&original.host.save()));
    let clip = original.clip.clone();
    let mut copy = Player { host, clip };
    copy.host.activate(song(0.0).0, BLOCK as u32);
    copy.host.wait_for("queued", PATIENCE);

    drop(lock);
    let mut separated = [false; 2];
    project::until("both have their stems", PATIENCE, || {
        let found = [original.host.status(), copy.host.status()];
        for (separated, status) in separated.iter_mut().zip(&found) {
            *separated |= status.starts_with("separating");
        }
        if found.iter().all(|status| status == "ready") {
            Ok(())
        } else {
            Err(found.join(" and "))
        }
    });

    assert_ne!(separated, [true; 2], "one separation serves both");
    let [first, second] = [&original, &copy].map(|player| project::saved(&player.host.save()));
    assert_eq!(first["clip"], second["clip"]);
    assert_eq!(original.entry(), copy.entry());
    let captures = std::fs::read_dir(project::folders().captures()).unwrap();
    let names = captures.map(|entry| entry.unwrap().path());
    let wavs = names.filter(|path| path.extension().is_some_and(|it| it == "wav"));
    let audio = first["clip"]["audio"].as_str().unwrap();
    let same = wavs.filter(|path| path.file_stem().is_some_and(|stem| stem == audio));
    assert_eq!(same.count(), 1);
    assert_same_buses(&original.stems(), &copy.stems(), "the copy");
}

/// Checks that both instances wait while another process has the engine, and that they separate in
/// turn, never both at once.
fn two_at_once() -> [Player; 2] {
    let lock = project::folders().engine_lock();
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();

    let lock = std::fs::File::create(lock).unwrap();
    lock.lock().unwrap();

    let players = [Player::new(0), Player::new(1)];
    for player in &players {
        player.host.wait_for("queued", PATIENCE);
    }

    drop(lock);
    let (mut one_waited, mut looks) = (false, 0);
    project::until("both have their stems", PATIENCE, || {
        let found = players.each_ref().map(|player| player.host.status());
        let making = found
            .iter()
            .filter(|status| status.starts_with("separating"))
            .count();

        assert!(making < 2, "{found:?}");
        one_waited |= making == 1 && found.iter().any(|status| status == "queued");
        looks += 1;

        if found.iter().all(|status| status == "ready") {
            Ok(())
        } else {
            Err(found.join(" and "))
        }
    });

    assert!(
        one_waited,
        "one waits and says so while the other separates"
    );
    println!("two at once: {looks} looks");
    players
}

/// Checks that a cache whose limit is almost 0 holds the stems that are played, and nothing else.
fn a_full_cache(players: &mut [Player; 2]) {
    let before = players.each_mut().map(Player::stems);
    let [first, second] = players;
    let (first_entry, second_entry) = (first.entry(), second.entry());

    std::fs::write(project::folders().stems().join("limit"), "1").unwrap();
    let mut third = Player::new(2);
    third.stems();

    assert!(
        first_entry.is_dir() && second_entry.is_dir() && third.entry().is_dir(),
        "what is played stays"
    );
    assert_same_buses(&first.stems(), &before[0], "the first, played on");
    assert_same_buses(&second.stems(), &before[1], "the second, played on");

    // The second instance is removed and its project kept; its stems are the first to be evicted.
    let project = second.host.save();
    let clip = second.clip.clone();
    *second = Player::new(3);
    second.stems();

    assert!(!second_entry.exists(), "what nobody plays makes room");
    assert!(first_entry.is_dir() && third.entry().is_dir());
    assert_same_buses(&first.stems(), &before[0], "the first, after an eviction");

    // The project is opened again: its stems are made again from its capture.
    let host = Host::new();
    assert!(host.load(&project));

    let mut reopened = Player { host, clip };
    assert_same_buses(&reopened.stems(), &before[1], "the second, made again");
    assert_eq!(reopened.entry(), second_entry);

    // An entry that is deleted by hand only loses its name: it is played on to the end.
    #[cfg(unix)]
    {
        std::fs::remove_dir_all(&first_entry).unwrap();
        let heard = first.play();
        assert_same_buses(&heard[1..], &before[0][1..], "the first, deleted");
    }
}
