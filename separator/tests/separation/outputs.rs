//! Parts, bags, and the first chunk alone.

use sextet_cases::each_case;

use super::*;

#[test]
fn parts_are_sums_of_stems() {
    let mut separator = separator();
    let song = stereo(40_000);
    let (mut cases, mut worst) = (Cases::default(), 0.0_f64);

    for sum in [Sum::Model, Sum::Exact] {
        for rate_hz in [None, Some(48_000)] {
            let all = Options::new().sum(sum).rate_hz(rate_hz);

            let (stems, _) = separate(&mut separator, &song, &all);
            for (index, stem) in Stem::ALL.into_iter().enumerate() {
                cases.run(format!("{stem}, {sum:?}, {rate_hz:?}"), || {
                    let parts = vec![Part::stem(stem), Part::without(stem, &Stem::ALL)];
                    assert_eq!(parts[1].name, format!("no_{stem}"));
                    let (two, _) = separate(&mut separator, &song, &all.clone().parts(parts));

                    assert!(
                        bits(&two[..1]) == bits(&stems[index..=index]),
                        "another stem"
                    );
                    let rest: Vec<Audio> = (0..6)
                        .filter(|&i| i != index)
                        .map(|i| stems[i].clone())
                        .collect();

                    // One side is rounded after resampling and the other before it.
                    let (apart, loudest) = (
                        residual(&rest, &two[1]),
                        f64::from(peak(&stems).max(peak(&two))),
                    );
                    assert!(apart < 1e-6 * loudest, "{apart:e} of {loudest}");
                    worst = worst.max(apart / loudest);
                });
            }
        }
    }

    let parts = vec![
        Part::new("nothing", vec![]),
        Part::stem(Stem::Bass),
        Part::stem(Stem::Bass),
    ];

    let (odd, _) = separate(&mut separator, &song, &Options::new().parts(parts));

    assert!(peak(&odd[..1]) == 0.0 && bits(&odd[1..2]) == bits(&odd[2..]));
    println!("{worst:.1e} of the loudest sample apart at most");
    cases.finish("pairs of parts");
}

#[test]
fn a_bag_leaves_out_members_that_no_wanted_stem_needs() {
    let weights = vec![
        vec![1.0, 0.0, 1.0, 1.0, 0.5, 1.0],
        vec![0.0, 1.0, 0.0, 2.0, 0.5, 0.0],
    ];
    let models = [7, 8]
        .map(|seed| sextet_testing::small::model(&small(), seed))
        .to_vec();
    let bag = || Model::bag(models.clone(), weights.clone()).unwrap();

    let song = stereo(50_000);
    let (all, both) = separate(
        &mut Separator::new(bag(), EngineOptions::default()).unwrap(),
        &song,
        &Options::default(),
    );

    let cases = [
        (Stem::Drums, 1),
        (Stem::Bass, 1),
        (Stem::Other, 1),
        (Stem::Vocals, 2),
        (Stem::Guitar, 2),
    ];

    each_case(cases, |(stem, members)| {
        let mut separator = Separator::new(bag(), EngineOptions::default()).unwrap();
        let options = Options::new().parts(vec![Part::stem(stem)]);
        let (part, summary) = separate(&mut separator, &song, &options);
        let index = Stem::ALL.iter().position(|&other| other == stem).unwrap();
        assert!(bits(&part) == bits(&all[index..=index]), "{stem}");
        assert_eq!(summary.chunks * 2, both.chunks * members, "{stem}");
    });

    println!("{} stems of a bag", cases.len());
}

#[test]
fn a_single_chunk_is_the_beginning_of_the_whole() {
    let mut separator = separator();
    let mut cases = Cases::default();
    for (rate_hz, frames) in [
        (44_100, 22_051),
        (44_100, 100_000),
        (48_000, 100_000),
        (8_000, 30_000),
    ] {
        for overlap in [0.0, 0.25, 0.5] {
            cases.run(
                format!("{frames} frames at {rate_hz} Hz, overlap {overlap}"),
                || {
                    let song = song(
                        Layout {
                            channels: 2,
                            rate_hz,
                        },
                        frames,
                    );

                    let options = Options::new().overlap(overlap);
                    let (whole, _) = separate(&mut separator, &song, &options);
                    let (single, summary) =
                        separate(&mut separator, &song, &options.single_chunk(true));

                    let expected = rate_hz as usize / 2;
                    assert_eq!(summary.chunks, 1);
                    assert!(
                        single.iter().all(|part| part.frames() == expected),
                        "{} frames",
                        single[0].frames()
                    );

                    // Compare up to the beginning of the second chunk. At other rates, compare up
                    // to where the filter begins to reach it.
                    let alone = (expected as f64 * (1.0 - overlap)) as usize;
                    let compared = if rate_hz == 44_100 {
                        alone
                    } else {
                        alone - rate_hz as usize / 8
                    };

                    let head = |parts: &[Audio]| {
                        let channels = |part: &Audio| {
                            part.channels()
                                .iter()
                                .map(|c| c[..compared].to_vec())
                                .collect()
                        };
                        parts
                            .iter()
                            .map(|part| Audio::new(channels(part), rate_hz))
                            .collect::<Vec<_>>()
                    };

                    if rate_hz == 44_100 {
                        assert!(bits(&head(&single)) == bits(&head(&whole)), "other samples");
                    } else {
                        let (single, whole) = (head(&single), head(&whole));
                        let apart = single
                            .iter()
                            .zip(&whole)
                            .map(|(a, b)| residual(std::slice::from_ref(a), b));
                        let apart = apart.fold(0.0, f64::max);
                        assert!(apart < 1e-4, "{apart:e}");
                    }
                },
            );
        }
    }

    let (short, summary) = separate(
        &mut separator,
        &stereo(500),
        &Options::new().single_chunk(true),
    );

    assert_eq!((short[0].frames(), summary.chunks), (500, 1));
    cases.finish("single chunks");
}
