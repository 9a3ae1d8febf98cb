//! Tests that compare the buses, block by block, with the stems' files.

#![allow(
    clippy::needless_range_loop,
    reason = "a frame is a place in all channels"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use sextet_cases::each_case;
use sextet_protocol::cache::Entry;
use sextet_protocol::{Folders, Stem};

use crate::patience::Patience;
use crate::placement::Placement;
use sextet_plugin_testing::entry;

use super::{Block, Deck, Levels, Player, StemFiles};

const UNITY: Levels = Levels {
    dry: 0.0,
    stems: [1.0; 6],
    outside: 1.0,
};

/// A cache with one entry.
struct Cache {
    folder: tempfile::TempDir,
    files: Option<StemFiles>,
    rate_hz: u32,
    frames: u64,
}

impl Cache {
    fn new(rate_hz: u32, frames: u64, sample: impl Fn(Stem, usize, u64) -> f32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::at(folder.path(), folder.path());
        let key = entry::make(&folders, rate_hz, frames, sample);

        let files = StemFiles::open(Entry::open(&folders, &key).unwrap()).unwrap();
        Self {
            folder,
            files: Some(files),
            rate_hz,
            frames,
        }
    }

    fn deck(&mut self, start_frame: i64, session_hz: u32) -> Arc<Deck> {
        let clip = Placement {
            start_frame,
            frames: self.frames,
            rate_hz: self.rate_hz,
        };
        let files = self.files.take().unwrap();
        Arc::new(Deck::new(files, clip, session_hz, std::thread::current()).unwrap())
    }
}

/// The channels of one block: main, then the stems.
type BusAudio = [[Vec<f32>; 2]; 7];

/// Plays one block; `dry` returns the input's sample at a frame.
fn play(
    player: &mut Player,
    deck: Option<&Arc<Deck>>,
    levels: &Levels,
    position: Option<i64>,
    frames: usize,
    offline: bool,
    dry: f32,
) -> BusAudio {
    let mut heard: BusAudio =
        std::array::from_fn(|_| std::array::from_fn(|_| vec![f32::NAN; frames]));
    heard[0].iter_mut().for_each(|channel| channel.fill(dry));
    let mut buses = heard
        .each_mut()
        .map(|bus| bus.each_mut().map(Vec::as_mut_slice))
        .into_iter();

    let main = buses.next().unwrap();
    let stems: Vec<[&mut [f32]; 2]> = buses.collect();

    let stems = stems.try_into().unwrap();
    player.play(
        deck,
        levels,
        &mut Block {
            main,
            stems,
            position,
            loop_start: None,
            patience: if offline {
                Patience::Unlimited
            } else {
                Patience::None
            },
        },
    );

    heard
}

fn value(stem: Stem, side: usize, frame: u64) -> f32 {
    // The values differ in every stem, channel and frame, and sum exactly in float32.
    ((frame * 37 + 11 * stem as u64 + 5 * side as u64) % 4096) as f32 / 8192.0 - 0.25
}

#[test]
fn every_frame_is_that_of_the_timeline_whatever_the_blocks() {
    let frames = 60_000;
    let start = -1_000;
    let mut cache = Cache::new(44_100, frames, value);
    let deck = cache.deck(start, 44_100);
    let mut player = Player::new(44_100.0);

    let mut position = start - 700;
    let mut random = 7_u64;

    let mut checked = 0;
    for round in 0..400 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let size = [1, 2, 31, 64, 441, 512, 1024, 4096, 8192][(random >> 40) as usize % 9];

        if round % 7 == 6 {
            // Loops and locates, also to positions without a clip.
            position = start - 2_000 + (random >> 33) as i64 % (frames as i64 + 4_000);
        }

        let heard = play(
            &mut player,
            Some(&deck),
            &UNITY,
            Some(position),
            size,
            true,
            0.125,
        );

        for frame in 0..size {
            let at = position + frame as i64 - start;
            let inside = (0..frames as i64).contains(&at);
            for side in 0..2 {
                let mut sum = 0.0;
                for stem in Stem::ALL {
                    let expected = if inside {
                        value(stem, side, at as u64)
                    } else {
                        0.0
                    };

                    assert_eq!(
                        heard[1 + stem as usize][side][frame],
                        expected,
                        "{stem} at {at}"
                    );

                    sum += expected;
                }

                assert_eq!(
                    heard[0][side][frame],
                    if inside { sum } else { 0.125 },
                    "main at {at}"
                );

                checked += 1;
            }
        }

        position += size as i64;
    }

    println!("{checked} frames of seven buses");
}

#[test]
fn at_another_rate_stems_are_where_they_were_in_time() {
    const PITCH_HZ: f64 = 1_000.0;
    let sine = |rate_hz: u32, at: f64| {
        (std::f64::consts::TAU * PITCH_HZ * at / f64::from(rate_hz)).sin() * 0.5
    };

    each_case([44_100, 48_000], |clip_hz| {
        let rates_hz = [
            22_050, 44_100, 47_999, 48_000, 88_200, 96_000, 176_400, 192_000,
        ];
        each_case(rates_hz, |session_hz| {
            let seconds = 3;
            let mut cache = Cache::new(clip_hz, u64::from(clip_hz) * seconds, |stem, _, frame| {
                if stem == Stem::Bass {
                    sine(clip_hz, frame as f64) as f32
                } else {
                    0.0
                }
            });
            let deck = cache.deck(i64::from(clip_hz), session_hz);
            let start = i64::from(session_hz);
            let mut worst: f64 = 0.0;
            let mut before: Option<BusAudio> = None;
            let mut player = Player::new(session_hz as f32);
            // The positions are out of order and visited twice: random access must give the same
            // samples.
            for round in 0..6 {
                let at = [1.0, 0.4, 2.1, 0.4, 1.7, 1.0][round];
                let offset = (at * f64::from(session_hz)) as i64;
                let heard = play(
                    &mut player,
                    Some(&deck),
                    &UNITY,
                    Some(start + offset),
                    2_000,
                    true,
                    0.0,
                );

                for (frame, &sample) in heard[2][0].iter().enumerate() {
                    let expected = sine(session_hz, offset as f64 + frame as f64);
                    worst = worst.max((f64::from(sample) - expected).abs());
                }

                if round == 1 {
                    before = Some(heard);
                } else if round == 3 {
                    assert_eq!(before.take(), Some(heard), "{clip_hz} to {session_hz}");
                }
            }
            let error_db = 20.0 * worst.max(1e-12).log10();
            println!("{clip_hz} to {session_hz} Hz: error {error_db:.1} dB");
            assert!(
                error_db < -110.0,
                "{clip_hz} to {session_hz}: {error_db} dB"
            );
        });
    });
}

#[test]
fn an_hour_takes_no_more_memory_than_a_song() {
    let hour = |rate_hz: u32| Placement {
        start_frame: 0,
        frames: 3600 * u64::from(rate_hz),
        rate_hz,
    };
    let cases = [
        (44_100, 44_100),
        (44_100, 192_000),
        (192_000, 192_000),
        (44_100, 47_999),
    ];
    each_case(cases, |(clip_hz, session_hz)| {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::at(folder.path(), folder.path());
        let key = entry::make(&folders, clip_hz, 10, |_, _, _| 0.0);
        let files = StemFiles::open(Entry::open(&folders, &key).unwrap()).unwrap();
        let deck = Deck::new(files, hour(clip_hz), session_hz, std::thread::current()).unwrap();
        let mebibytes = deck.most_bytes() >> 20;
        println!(
            "an hour at {clip_hz} Hz in a session at {session_hz} Hz: {mebibytes} MiB of pages"
        );
        assert!(mebibytes <= 128);
    });
}

#[test]
fn in_real_time_what_is_not_there_yet_is_faded_and_never_waited_for() {
    let frames = 44_100 * 60;
    let mut cache = Cache::new(44_100, frames, |_, _, _| 0.5);
    let deck = cache.deck(0, 48_000);
    let mut player = Player::new(48_000.0);
    let length = frames as i64 * 480 / 441;

    let (mut last, mut worst_step) = (0.0_f32, 0.0_f32);
    let mut silent = 0;
    let mut position = 0;
    let start = Instant::now();

    for block in 0..1_500 {
        if block % 150 == 149 {
            position = (block as i64 * 7_919_993) % (length - 20_000);
        }

        let heard = play(
            &mut player,
            Some(&deck),
            &UNITY,
            Some(position),
            64,
            false,
            0.0,
        );

        for (frame, &sample) in heard[1][0].iter().enumerate() {
            // A locate may cut off the sound, and at the clip's ends the filter rings.
            let located = block % 150 == 149 && frame == 0;
            if !located && position > 20_000 && position < length - 20_000 {
                worst_step = worst_step.max((sample - last).abs());
            }
            silent += usize::from(sample == 0.0);
            last = sample;
        }

        position = (position + 64).min(length - 1_000);
        std::thread::sleep(Duration::from_micros(1_333));
    }

    println!(
        "{silent} of {} frames were silent, the largest step {worst_step}, in {:?}",
        1_500 * 64,
        start.elapsed()
    );

    assert!(worst_step < 0.01);

    // The stems come sooner or later.
    let is_heard = |heard: BusAudio| heard[1][0].iter().all(|&sample| sample > 0.49);
    let mut waits = 0..10_000;
    assert!(waits.any(|_| {
        std::thread::sleep(Duration::from_millis(2));
        is_heard(play(
            &mut player,
            Some(&deck),
            &UNITY,
            Some(length / 2),
            64,
            false,
            0.0,
        ))
    }));
}

#[test]
fn levels_move_without_a_click() {
    let mut cache = Cache::new(48_000, 48_000, |stem, _, _| {
        if stem == Stem::Vocals { 0.5 } else { -0.25 }
    });
    let deck = cache.deck(0, 48_000);
    let mut player = Player::new(48_000.0);

    let choices = [
        UNITY,
        Levels {
            dry: 1.0,
            stems: [0.0; 6],
            outside: 1.0,
        },
        Levels {
            dry: 0.0,
            stems: [0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
            outside: 0.0,
        },
        Levels {
            dry: 0.0,
            stems: [0.0; 6],
            outside: 0.0,
        },
    ];

    let mut last: Option<f32> = None;
    let mut worst = 0.0_f32;
    for block in 0..300 {
        let levels = &choices[block / 7 % choices.len()];
        let heard = play(
            &mut player,
            Some(&deck),
            levels,
            Some(block as i64 * 96),
            96,
            true,
            0.75,
        );

        for &sample in &heard[0][0] {
            worst = worst.max((sample - last.unwrap_or(sample)).abs());
            last = Some(sample);
        }
    }

    println!("largest step {worst}");
    assert!(worst < 0.01);
}

#[test]
fn a_transport_that_stops_fades() {
    let mut cache = Cache::new(48_000, 48_000, |_, _, _| 0.5);
    let deck = cache.deck(0, 48_000);
    let mut player = Player::new(48_000.0);
    let silent = Levels {
        outside: 0.0,
        ..UNITY
    };

    play(&mut player, Some(&deck), &silent, Some(0), 1_000, true, 0.0);
    let mut tail = Vec::new();
    for _ in 0..10 {
        tail.extend(
            play(&mut player, Some(&deck), &silent, None, 100, true, 0.0)[1][0]
                .iter()
                .copied(),
        );
    }

    assert_eq!(tail[0], 0.5);
    assert!(tail.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.01));
    assert!(tail[256..].iter().all(|&sample| sample == 0.0));
}

#[test]
fn without_stems_the_track_plays_dry() {
    let mut player = Player::new(44_100.0);
    let mute = Levels {
        dry: 0.0,
        stems: [0.0; 6],
        outside: 0.0,
    };

    let cases = [None, Some(0), Some(i64::MIN / 2), Some(i64::MAX / 2)];
    each_case(cases, |position| {
        let heard = play(&mut player, None, &mute, position, 333, false, 0.5);
        assert!(heard[0].iter().flatten().all(|&sample| sample == 0.5));
        assert!(
            heard[1..]
                .iter()
                .flatten()
                .flatten()
                .all(|&sample| sample == 0.0)
        );
    });
}

#[test]
fn stems_that_can_no_longer_be_read_end_in_a_fault_and_no_render_hangs() {
    let frames = 48_000 * 60;
    let mut cache = Cache::new(48_000, frames, |_, _, _| 0.5);
    for entry in
        std::fs::read_dir(Folders::at(cache.folder.path(), cache.folder.path()).stems()).unwrap()
    {
        let bass = entry.unwrap().path().join("bass.wav");
        std::fs::File::options()
            .write(true)
            .open(bass)
            .unwrap()
            .set_len(1_000)
            .unwrap();
    }

    let deck = cache.deck(0, 48_000);
    let mut player = Player::new(48_000.0);
    let heard = play(
        &mut player,
        Some(&deck),
        &UNITY,
        Some(48_000 * 30),
        1_000,
        true,
        0.0,
    );

    assert!(
        heard
            .iter()
            .flatten()
            .flatten()
            .all(|&sample| sample == 0.0)
    );

    assert!(deck.fault().is_some());
}

#[test]
fn stems_play_on_when_the_cache_is_deleted() {
    let frames = 48_000 * 40;
    let mut cache = Cache::new(48_000, frames, value);
    let deck = cache.deck(0, 48_000);

    if std::fs::remove_dir_all(cache.folder.path()).is_err() {
        println!("this system does not delete files that are open");
        return;
    }

    let mut player = Player::new(48_000.0);
    let at = 48_000 * 39;

    let heard = play(&mut player, Some(&deck), &UNITY, Some(at), 500, true, 0.0);
    assert!(
        (0..500)
            .all(|frame| heard[4][1][frame] == value(Stem::Vocals, 1, at as u64 + frame as u64))
    );
}

/// Copies of an instance share the memory, and each plays its own place, wherever the others are.
/// The clip does not fit into the memory.
#[test]
fn copies_share_a_deck_and_play_where_they_are() {
    let frames = 46 * 48_000;
    let mut cache = Cache::new(48_000, frames, value);
    let again = |cache: &Cache| {
        let folders = Folders::at(cache.folder.path(), cache.folder.path());
        let keys = std::fs::read_dir(folders.stems()).unwrap();
        let key = keys
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
            .next()
            .unwrap();
        StemFiles::open(Entry::open(&folders, &key).unwrap()).unwrap()
    };

    let first = cache.deck(0, 48_000);
    let decks: Vec<_> = (0..3)
        .map(|_| {
            cache.files = Some(again(&cache));
            cache.deck(0, 48_000)
        })
        .chain([first.clone()])
        .collect();
    assert!(decks.iter().all(|deck| deck.shares_with(&first)));
    assert!(first.most_bytes() < 100 << 20);

    // Another place or rate is another deck.
    for (start_frame, session_hz) in [(1, 48_000), (0, 44_100)] {
        cache.files = Some(again(&cache));
        assert!(!cache.deck(start_frame, session_hz).shares_with(&first));
    }

    let players = decks.into_iter().enumerate().map(|(number, deck)| {
        std::thread::spawn(move || {
            let mut player = Player::new(48_000.0);
            for round in 0..60 {
                let position = (number * 911_111 + round * 700_001) % (frames as usize - 600);
                let at = Some(position as i64);
                let heard = play(&mut player, Some(&deck), &UNITY, at, 500, true, 0.0);
                for (stem, bus) in Stem::ALL.into_iter().zip(&heard[1..]) {
                    for (frame, &sample) in bus[1].iter().enumerate() {
                        let expected = value(stem, 1, (position + frame) as u64);
                        assert_eq!(sample, expected, "{stem} at {position} + {frame}");
                    }
                }
            }
        })
    });
    let players: Vec<_> = players.collect();
    players
        .into_iter()
        .for_each(|player| player.join().unwrap());

    a_host_that_is_ahead_waits_for_stems(&first, frames);
}

/// Checks that a host that renders faster than real time, and says nothing of it, waits as long as
/// it is ahead.
fn a_host_that_is_ahead_waits_for_stems(deck: &Arc<Deck>, frames: u64) {
    let mut player = Player::new(48_000.0);
    for round in 0..40 {
        let position = (round * 1_700_003) % (frames as usize - 600);
        let mut block_audio = [[0.0_f32; 500]; 14];
        let mut channels = block_audio.iter_mut().map(|channel| channel.as_mut_slice());
        let mut pair = || [channels.next().unwrap(), channels.next().unwrap()];
        let mut block = Block {
            main: pair(),
            stems: std::array::from_fn(|_| pair()),
            position: Some(position as i64),
            loop_start: None,
            patience: Patience::Until(Instant::now() + Duration::from_secs(60)),
        };
        player.play(Some(deck), &UNITY, &mut block);

        let heard = &block.stems[0][0];
        for (frame, &sample) in heard.iter().enumerate() {
            let expected = value(Stem::Drums, 0, (position + frame) as u64);
            assert_eq!(sample, expected, "at {position} + {frame}");
        }
    }
}
