//! Songs as they come: in odd blocks, silent, loud, constant.

use sextet_cases::each_case;

use super::*;

/// Source that gives the same samples in blocks of odd sizes.
struct Cut<'a>(&'a Audio, &'a [usize]);

struct CutStream {
    audio: Audio,
    sizes: Vec<usize>,
    next: usize,
    block: usize,
}

impl AudioSource for Cut<'_> {
    fn open(&self) -> Result<Box<dyn AudioStream>> {
        Ok(Box::new(CutStream {
            audio: self.0.clone(),
            sizes: self.1.to_vec(),
            next: 0,
            block: 0,
        }))
    }
}

impl AudioStream for CutStream {
    fn layout(&self) -> Layout {
        self.audio.layout()
    }

    fn next_block(&mut self) -> Result<Option<Audio>> {
        let (start, size) = (self.next, self.sizes[self.block % self.sizes.len()]);
        let end = (start + size).min(self.audio.frames());
        (self.next, self.block) = (end, self.block + 1);

        let cut = || {
            self.audio
                .channels()
                .iter()
                .map(|channel| channel[start..end].to_vec())
                .collect()
        };

        Ok((start < end).then(|| Audio::new(cut(), self.audio.rate_hz())))
    }
}

#[test]
fn how_a_song_comes_in_blocks_does_not_matter() {
    let mut separator = separator();
    let sizes: [&[usize]; 3] = [&[1], &[7, 1, 4099], &[65_537]];

    let mut cases = Cases::default();
    for (rate_hz, channels) in [(44_100, 2), (48_000, 6), (22_050, 1)] {
        for sum in [Sum::Model, Sum::Exact] {
            let options = Options::new().sum(sum);
            let song = song(Layout { channels, rate_hz }, 50_001);

            let whole = bits(&separate(&mut separator, &song, &options).0);
            for sizes in sizes {
                let case =
                    format!("{rate_hz} Hz, {channels} channels, {sum:?}, blocks of {sizes:?}");
                cases.run(case, || {
                    let cut = bits(&separate(&mut separator, &Cut(&song, sizes), &options).0);
                    assert!(cut == whole, "other samples than in one block");
                });
            }
        }
    }

    cases.finish("ways to cut songs into blocks");
}

#[test]
fn the_same_run_gives_the_same_bits_on_any_number_of_threads() {
    let cases = [
        (
            "small model",
            model(),
            stereo(70_000),
            Options::new().shifts(2),
        ),
        (
            "small model",
            model(),
            stereo(60_001),
            Options::new().overlap(0.6),
        ),
        (
            "sextet-mini",
            Model::bundled().unwrap(),
            stereo(20 * 44_100),
            Options::new(),
        ),
    ];

    let numbers = [1, 2, 3, 8];
    each_case(&cases, |(name, model, song, options)| {
        let run = |threads: usize| {
            let engine = EngineOptions::new()
                .engine(EngineChoice::Cpu)
                .threads(NonZeroUsize::new(threads))
                .cpu(CpuOptions::new().more_threads_than_processors(true));
            let mut separator = Separator::new(model.clone(), engine).unwrap();
            let first = bits(&separate(&mut separator, song, options).0);
            if song.frames() < 100_000 {
                let second = bits(&separate(&mut separator, song, options).0);
                assert!(
                    first == second,
                    "{name}, {threads} threads, the second time"
                );
            }
            first
        };

        let one = run(numbers[0]);
        for threads in &numbers[1..] {
            assert!(
                run(*threads) == one,
                "{name}, {options:?}, {threads} threads"
            );
        }
    });

    println!("{} songs on {numbers:?} threads", cases.len());
}

#[test]
fn silence_stays_silent() {
    let mut separator = separator();
    let mut cases = Cases::default();
    for rate_hz in [44_100, 48_000] {
        for (frames, channels) in [(1, 1), (1, 2), (500, 2), (60_000, 2), (60_000, 6)] {
            for sum in [Sum::Model, Sum::Exact] {
                let layout = Layout { channels, rate_hz };
                cases.run(format!("{layout:?}, {frames} frames, {sum:?}"), || {
                    let options = Options::new().sum(sum);
                    let (parts, _) =
                        separate(&mut separator, &Audio::silent(layout, frames), &options);

                    // The stems of silence are not exactly 0: the networks' output is scaled by the
                    // deviation's floor, 1e-8.
                    assert!(
                        all_finite(&parts) && peak(&parts) < 1e-6,
                        "{:e}",
                        peak(&parts)
                    );
                });
            }
        }
    }

    cases.finish("silences");
}

#[test]
fn odd_songs_give_finite_stems_that_can_be_made_to_add_up() {
    let square = |n: usize| if n % 200 < 100 { 1.0 } else { -1.0 };
    let noise: Vec<f32> = splitmix(3).take(60_000).map(|u| (u - 0.5) as f32).collect();
    type Song<'a> = (&'a str, Box<dyn Fn(usize, usize) -> f32 + 'a>);

    let songs: Vec<Song<'_>> = vec![
        ("DC", Box::new(|_, _| 0.5)),
        ("full-scale DC", Box::new(|_, _| 1.0)),
        (
            "DC of opposite sides",
            Box::new(|side, _| if side == 0 { 0.5 } else { -0.5 }),
        ),
        (
            "nothing but side",
            Box::new(|side, n| if side == 0 { noise[n] } else { -noise[n] }),
        ),
        ("full-scale square wave", Box::new(|_, n| square(n))),
        ("denormals", Box::new(|_, n| noise[n] * 1e-40)),
        (
            "the smallest denormal",
            Box::new(|_, n| f32::from_bits((n % 2) as u32)),
        ),
        ("faint", Box::new(|_, n| noise[n] * 1e-20)),
        ("48 dB of gain", Box::new(|_, n| noise[n] * 251.0)),
        (
            "48 dB of gain on a square wave",
            Box::new(|_, n| square(n) * 251.0),
        ),
        (
            "one click",
            Box::new(|_, n| if n == 20_000 { 1.0 } else { 0.0 }),
        ),
        (
            "one click at the start",
            Box::new(|_, n| if n == 0 { 1.0 } else { 0.0 }),
        ),
        (
            "one click on one side",
            Box::new(|side, n| if side == 1 && n == 9 { 1.0 } else { 0.0 }),
        ),
        ("huge", Box::new(|_, n| noise[n] * 1e6)),
    ];

    let mut separator = separator();
    let mut cases = Cases::default();
    for (name, sample) in &songs {
        for (frames, rate_hz) in [(1, 44_100), (5_000, 44_100), (30_000, 48_000)] {
            let side = |side: usize| (0..frames).map(|n| sample(side, n)).collect();
            let song = Audio::new(vec![side(0), side(1)], rate_hz);
            for sum in [Sum::Model, Sum::Exact] {
                let case = format!("{name}, {frames} frames at {rate_hz} Hz, {sum:?}");
                cases.run(case, || {
                    let (parts, _) = separate(&mut separator, &song, &Options::new().sum(sum));

                    assert!(all_finite(&parts));
                    if sum == Sum::Exact {
                        let loudest =
                            f64::from(peak(std::slice::from_ref(&song)).max(peak(&parts)).max(1.0));
                        let residual = residual(&parts, &song);
                        assert!(residual < 1e-6 * loudest, "{residual:e} of {loudest}");
                    }
                });
            }
        }
    }

    cases.finish("odd songs");
}

/// Checks songs of one frame or of a constant. Such a song equals its mean, which demucs adds to
/// every stem: the stems do not add up unless asked to.
#[test]
fn a_constant_song_is_in_every_stem_unless_the_sum_is_exact() {
    let mut separator = separator();
    each_case([1, 30_000], |frames| {
        let song = Audio::new(vec![vec![0.5; frames]; 2], 44_100);
        let (stems, _) = separate(&mut separator, &song, &Options::default());

        assert!(
            stems
                .iter()
                .flat_map(Audio::channels)
                .flatten()
                .all(|sample| (sample - 0.5).abs() < 1e-6)
        );

        let (stems, _) = separate(&mut separator, &song, &Options::new().sum(Sum::Exact));

        assert!(
            stems
                .iter()
                .flat_map(Audio::channels)
                .flatten()
                .all(|sample| (sample - 0.5 / 6.0).abs() < 1e-6)
        );
    });

    println!("2 constant songs");
}
