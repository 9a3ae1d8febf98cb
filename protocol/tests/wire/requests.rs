//! Requests of a front end.

use super::*;

#[test]
fn requests_are_what_they_are_documented_to_be() {
    agree(
        &Request::hello("me 1"),
        &WireRequest::Hello {
            protocol: PROTOCOL,
            client: "me 1".into(),
        },
    );

    let job = |model: &str, engine, sum| {
        let options = SeparationOptions {
            overlap: 0.5,
            shifts: 2,
            sum,
        };
        Request::Separate(Separate {
            job: JobId(9),
            song: PathBuf::from("a ü.wav"),
            model: model.into(),
            engine,
            options,
        })
    };

    let names = [
        ("auto", EngineName::Auto),
        ("cpu", EngineName::Cpu),
        ("cuda", EngineName::Cuda),
        ("tensorrt", EngineName::Tensorrt),
    ];

    let sums = [("exact", Sum::Exact), ("model", Sum::Model)];
    for (engine, engine_name) in names {
        for (sum, sum_value) in sums {
            let (song, model) = ("a ü.wav".into(), "htdemucs_6s".into());
            let (engine, sum) = (engine.into(), sum.into());
            let wire = WireRequest::Separate {
                job: 9,
                song,
                model,
                engine,
                overlap: 0.5,
                shifts: 2,
                sum,
            };

            agree(&job("htdemucs_6s", engine_name, sum_value), &wire);
        }
    }

    agree(
        &Request::Cancel {
            job: JobId(u64::MAX),
        },
        &WireRequest::Cancel { job: u64::MAX },
    );

    agree(&Request::Shutdown, &WireRequest::Shutdown {});
}

#[test]
fn requests_for_files_are_what_they_are_documented_to_be() {
    let import = Request::Import {
        job: JobId(2),
        song: PathBuf::from("x.mp3"),
    };
    agree(
        &import,
        &WireRequest::Import {
            job: 2,
            song: "x.mp3".into(),
        },
    );

    let formats = [
        (RenderFormat::Wav, "wav"),
        (RenderFormat::Flac, "flac"),
        (RenderFormat::Aiff, "aiff"),
        (RenderFormat::Mp3, "mp3"),
        (RenderFormat::M4a, "m4a"),
        (RenderFormat::Opus, "opus"),
        (RenderFormat::Alac, "alac"),
        (RenderFormat::StemMp4, "stem.mp4"),
    ];
    assert_eq!(formats.map(|(format, _)| format), RenderFormat::ALL);
    assert_eq!(
        formats.map(|(_, name)| name),
        RenderFormat::ALL.map(RenderFormat::name)
    );

    let bits = [
        (None, None),
        (Some(RenderBits::Int16), "16".into()),
        (Some(RenderBits::Int24), "24".into()),
        (Some(RenderBits::Float32), "32f".into()),
    ];

    for (format, format_name) in formats {
        for (bits, bits_name) in bits {
            let (folder, name, rate_hz) = (
                PathBuf::from("/out"),
                "song".to_owned(),
                bits.map(|_| 48_000),
            );

            let stems = vec![Stem::Vocals];
            let mixes = vec![RenderMix {
                name: "mix".to_owned(),
                levels: [(Stem::Bass, 0.5), (Stem::Vocals, 1.0)].into(),
            }];
            let wire_mixes = vec![WireMix {
                name: "mix".to_owned(),
                levels: [("bass".to_owned(), 0.5), ("vocals".to_owned(), 1.0)].into(),
            }];

            let ours = Render {
                job: JobId(4),
                key: key(),
                stems,
                mixes,
                folder,
                name: name.clone(),
                format,
                bits,
                rate_hz,
            };

            let (stems, folder, format) =
                (text(&["vocals"]), "/out".to_owned(), format_name.to_owned());
            let (key, bits) = (key().to_string(), bits_name.map(str::to_owned));
            agree(
                &Request::Render(ours),
                &WireRequest::Render {
                    job: 4,
                    key,
                    stems,
                    mixes: wire_mixes,
                    folder,
                    name,
                    format,
                    bits,
                    rate_hz,
                },
            );
        }
    }

    let short = format!(
        r#"{{"type":"render","job":1,"key":"{}","folder":"/o","name":"n"}}"#,
        key()
    );
    let Request::Render(render) = serde_json::from_str(&short).unwrap() else {
        panic!()
    };

    assert_eq!(
        (render.stems, render.mixes, render.format),
        (vec![], vec![], RenderFormat::Wav)
    );
    assert_eq!((render.bits, render.rate_hz), (None, None));
}

#[test]
fn each_format_offers_the_bits_that_it_has() {
    let bits = |format: RenderFormat| format.bits().len();
    assert_eq!(RenderFormat::ALL.map(bits), [3, 2, 3, 0, 0, 0, 2, 0]);
    assert_eq!(
        RenderFormat::ALL.map(RenderFormat::needs_ffmpeg),
        [false, false, false, true, true, true, true, true]
    );
}

#[test]
fn what_a_request_leaves_out_is_the_default() {
    let line = r#"{"type":"separate","job":1,"song":"x.wav","new_field":[1,2]}"#;
    let expected = Request::Separate(Separate::new(JobId(1), "x.wav"));
    assert_eq!(serde_json::from_str::<Request>(line).unwrap(), expected);
    let Request::Separate(job) = expected else {
        panic!()
    };

    assert_eq!(
        (job.model.as_str(), job.engine, job.options.sum),
        ("sextet-mini", EngineName::Auto, Sum::Exact)
    );
    assert_eq!((job.options.overlap, job.options.shifts), (0.25, 0));
}

#[test]
fn requests_about_the_machine_are_what_they_are_documented_to_be() {
    let (job, model) = (JobId(5), "htdemucs_6s".to_owned());
    agree(&Request::Inspect { job }, &WireRequest::Inspect { job: 5 });
    let prepare = Prepare {
        job,
        model: model.clone(),
        engine: EngineName::Cpu,
    };

    agree(
        &Request::Prepare(prepare),
        &WireRequest::Prepare {
            job: 5,
            model: model.clone(),
            engine: "cpu".into(),
        },
    );

    for from in [None, Some("/a/b.whl")] {
        let ours = Request::SetUpGpu {
            job,
            from: from.map(PathBuf::from),
        };
        agree(
            &ours,
            &WireRequest::SetUpGpu {
                job: 5,
                from: from.map(str::to_owned),
            },
        );
    }

    agree(
        &Request::Offer {
            job,
            model: model.clone(),
        },
        &WireRequest::Offer {
            job: 5,
            model: model.clone(),
        },
    );

    agree(
        &Request::Fetch {
            job,
            model: model.clone(),
        },
        &WireRequest::Fetch {
            job: 5,
            model: model.clone(),
        },
    );

    agree(
        &Request::Check {
            job,
            model: model.clone(),
        },
        &WireRequest::Check { job: 5, model },
    );

    let short: Request = serde_json::from_str(r#"{"type":"prepare","job":5}"#).unwrap();
    let bundled = Prepare {
        job,
        model: "sextet-mini".into(),
        engine: EngineName::Auto,
    };

    assert_eq!(short, Request::Prepare(bundled));
    let short: Request = serde_json::from_str(r#"{"type":"set_up_gpu","job":5}"#).unwrap();
    assert_eq!(short, Request::SetUpGpu { job, from: None });
}
