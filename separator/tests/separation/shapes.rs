//! Rates, lengths and channels of songs and stems.

use super::*;

#[test]
fn every_rate_length_and_channel_count_gives_as_many_finite_frames() {
    // Use the quickest model: this test is about the stages around it.
    let mut separator = Separator::new(
        sextet_testing::small::model(&tiny(0.2), 1),
        EngineOptions::default(),
    )
    .unwrap();

    let mut cases = Cases::default();
    for rate_hz in RATES_HZ {
        let segment = rate_hz as usize / 5;
        for frames in [1, 7, 1000, segment, 2 * segment + 321] {
            for channels in [1, 2, 6] {
                for sum in [Sum::Model, Sum::Exact] {
                    let case =
                        format!("{rate_hz} Hz, {frames} frames, {channels} channels, {sum:?}");
                    cases.run(case, || {
                        let song = song(Layout { channels, rate_hz }, frames);
                        let (parts, summary) =
                            separate(&mut separator, &song, &Options::new().sum(sum));

                        let layout = Layout {
                            channels: channels.min(2),
                            rate_hz,
                        };
                        assert_eq!(parts.len(), 4);
                        assert!(
                            parts
                                .iter()
                                .all(|part| part.layout() == layout && part.frames() == frames),
                        );

                        assert!(all_finite(&parts));
                        assert_eq!(
                            (summary.source_frames, summary.output_frames),
                            (frames as u64, frames as u64),
                        );

                        if sum == Sum::Exact {
                            let residual = residual(&parts, &target(&song));
                            // A level of -120 dBFS is a millionth of full scale.
                            assert!(residual < 1e-6, "{residual:e}");
                        }
                    });
                }
            }
        }
    }

    cases.finish("combinations of rate, length, channels and sum");
}

#[test]
fn other_rates_and_mono_can_be_asked_for() {
    let mut separator = separator();
    let mut cases = Cases::default();
    for from_hz in [8_000, 44_100, 48_000] {
        for to_hz in RATES_HZ {
            for (mono, channels) in [(Mono::Keep, 1), (Mono::Stereo, 2)] {
                let case = format!("{from_hz} to {to_hz} Hz, {mono:?}");
                cases.run(case, || {
                    let frames = 12_345;
                    let song = song(
                        Layout {
                            channels: 1,
                            rate_hz: from_hz,
                        },
                        frames,
                    );

                    let options = Options::new()
                        .rate_hz(Some(to_hz))
                        .mono(mono)
                        .sum(Sum::Exact);

                    let (parts, _) = separate(&mut separator, &song, &options);
                    let expected =
                        (frames as f64 * f64::from(to_hz) / f64::from(from_hz)).round() as usize;

                    assert!(parts.iter().all(|part| part.layout()
                        == Layout {
                            channels,
                            rate_hz: to_hz
                        }));

                    assert!(
                        parts.iter().all(|part| part.frames() == expected),
                        "{from_hz} to {to_hz}: {expected}"
                    );
                    assert!(all_finite(&parts));
                });
            }
        }
    }

    for rate_hz in [0, 1, 7_999, 192_001, u32::MAX] {
        cases.run(format!("{rate_hz} Hz"), || {
            let options = Options::new().rate_hz(Some(rate_hz));
            let error = separator
                .separate(
                    &stereo(100),
                    &options,
                    &mut InMemory::default(),
                    &mut Ignore,
                )
                .unwrap_err();

            assert_eq!(error.kind(), ErrorKind::Options, "{error}");
        });
    }

    cases.finish("rates asked for");
}
