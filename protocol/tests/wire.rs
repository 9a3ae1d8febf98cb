//! Tests of the wire format. Messages are read and written with types of the test's own, which know
//! no other fields, so that the format is what docs/worker.md promises.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sextet_protocol::worker::{
    Checked, EngineName, FailKind, Gpu, GpuSetup, GpuState, JobId, Machine, ModelInfo, ModelState,
    Offer, PROTOCOL, Prepare, Render, RenderBits, RenderFormat, Reply, Request, Separate,
    SeparationOptions, Stage, Sum, Waiting, Welcome, to_line,
};
use sextet_protocol::{Fingerprint, Remedy, Stem};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum WireRequest {
    Hello {
        protocol: u32,
        client: String,
    },
    Separate {
        job: u64,
        song: String,
        model: String,
        engine: String,
        overlap: f64,
        shifts: u32,
        sum: String,
    },
    Import {
        job: u64,
        song: String,
    },
    Render {
        job: u64,
        key: String,
        stems: Vec<String>,
        folder: String,
        name: String,
        format: String,
        bits: Option<String>,
        rate_hz: Option<u32>,
    },
    Inspect {
        job: u64,
    },
    Prepare {
        job: u64,
        model: String,
        engine: String,
    },
    SetUpGpu {
        job: u64,
        from: Option<String>,
    },
    Offer {
        job: u64,
        model: String,
    },
    Fetch {
        job: u64,
        model: String,
    },
    Check {
        job: u64,
        model: String,
    },
    Cancel {
        job: u64,
    },
    Shutdown {},
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum WireReply {
    Hello {
        protocol: u32,
        version: String,
        engines: Vec<String>,
        models: Vec<WireModel>,
    },
    Refused {
        protocol: u32,
        version: String,
        message: String,
        remedy: String,
    },
    Error {
        message: String,
        remedy: String,
    },
    Queued {
        job: u64,
        reason: String,
    },
    Loading {
        job: u64,
        what: String,
        done: u64,
        total: u64,
        usual_s: Option<f64>,
    },
    Started {
        job: u64,
        key: String,
        model: String,
        engine: String,
        note: Option<String>,
        stems: Vec<String>,
    },
    Progress {
        job: u64,
        stage: String,
        done: u64,
        total: u64,
        speed: Option<f64>,
        seconds_left: Option<f64>,
    },
    Warning {
        job: u64,
        message: String,
    },
    Done {
        job: u64,
        key: String,
        cached: bool,
        seconds: f64,
    },
    Imported {
        job: u64,
        audio: String,
        rate_hz: u32,
        frames: u64,
    },
    Rendered {
        job: u64,
        paths: Vec<String>,
    },
    Inspected {
        job: u64,
        machine: WireMachine,
    },
    Prepared {
        job: u64,
        engine: String,
        note: Option<String>,
    },
    GpuSetUp {
        job: u64,
        gpu: WireGpu,
    },
    Offered {
        job: u64,
        offer: WireOffer,
    },
    Fetched {
        job: u64,
        model: WireModel,
    },
    Checked {
        job: u64,
        checked: WireChecked,
    },
    Cancelled {
        job: u64,
    },
    Failed {
        job: u64,
        kind: String,
        message: String,
        remedy: String,
        remedies: Vec<WireRemedy>,
    },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "type", rename_all = "snake_case")]
enum WireRemedy {
    UseCpu {},
    UpdateDriver { cuda: String },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireMachine {
    gpu: WireGpu,
    models: Vec<WireModel>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireGpu {
    state: String,
    devices: Vec<String>,
    driver: Option<String>,
    engine: Option<String>,
    library: Option<String>,
    message: String,
    remedy: String,
    setup: Option<WireSetup>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSetup {
    what: String,
    bytes: u64,
    licence: String,
    folder: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireOffer {
    model: String,
    from: String,
    bytes: Option<u64>,
    licence: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireChecked {
    model: String,
    stems: Vec<String>,
    parameters: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireModel {
    name: String,
    about: String,
    stems: Vec<String>,
    state: String,
}

/// Checks both directions: the crate writes what `wire` says, and reads what `wire` writes.
fn agree<O, W>(ours: &O, wire: &W)
where
    O: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    W: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let line = to_line(ours).unwrap();
    assert!(
        line.ends_with('\n') && line.matches('\n').count() == 1,
        "{line}"
    );
    assert_eq!(&serde_json::from_str::<W>(&line).unwrap(), wire, "{line}");
    assert_eq!(
        &serde_json::from_str::<O>(&serde_json::to_string(wire).unwrap()).unwrap(),
        ours
    );
}

fn key() -> Fingerprint {
    Fingerprint::of(b"stems")
}

fn text(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

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

    let formats = [(RenderFormat::Wav, "wav"), (RenderFormat::Flac, "flac")];
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
            let ours = Render {
                job: JobId(4),
                key: key(),
                stems,
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
        (render.stems, render.format, render.bits, render.rate_hz),
        (vec![], RenderFormat::Wav, None, None)
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
fn replies_that_concern_no_job_are_what_they_are_documented_to_be() {
    let hello = Reply::Hello(Welcome {
        protocol: 1,
        version: "0.1.0".into(),
        engines: vec![EngineName::Cpu, EngineName::Tensorrt],
        models: vec![ModelInfo {
            name: "m".into(),
            about: "a".into(),
            stems: Stem::ALL.to_vec(),
            state: ModelState::NotFetched,
        }],
    });

    let stems = text(&["drums", "bass", "other", "vocals", "guitar", "piano"]);
    let engines = text(&["cpu", "tensorrt"]);
    let models = vec![WireModel {
        name: "m".into(),
        about: "a".into(),
        stems,
        state: "not_fetched".into(),
    }];

    agree(
        &hello,
        &WireReply::Hello {
            protocol: 1,
            version: "0.1.0".into(),
            engines,
            models,
        },
    );

    let (message, remedy) = ("m".to_owned(), "r".to_owned());
    let refused = Reply::Refused {
        protocol: 1,
        version: "0.1.0".into(),
        message: message.clone(),
        remedy: remedy.clone(),
    };

    let wire = WireReply::Refused {
        protocol: 1,
        version: "0.1.0".into(),
        message: message.clone(),
        remedy: remedy.clone(),
    };

    agree(&refused, &wire);
    agree(
        &Reply::Error {
            message: message.clone(),
            remedy: remedy.clone(),
        },
        &WireReply::Error { message, remedy },
    );

    assert!(refused.job().is_none() && !refused.is_last());
}

#[test]
fn a_job_on_its_way_is_what_it_is_documented_to_be() {
    let job = JobId(3);
    for (reason, name) in [
        (Waiting::EarlierJob, "earlier_job"),
        (Waiting::OtherProcess, "other_process"),
    ] {
        agree(
            &Reply::Queued { job, reason },
            &WireReply::Queued {
                job: 3,
                reason: name.into(),
            },
        );
    }

    for usual_s in [None, Some(20.0)] {
        let ours = Reply::Loading {
            job,
            what: "w".into(),
            done: 1,
            total: 2,
            usual_s,
        };
        agree(
            &ours,
            &WireReply::Loading {
                job: 3,
                what: "w".into(),
                done: 1,
                total: 2,
                usual_s,
            },
        );
    }

    for note in [None, Some("because".to_owned())] {
        let (model, engine) = ("m".to_owned(), "e".to_owned());
        let ours = Reply::Started {
            job,
            key: key(),
            model: model.clone(),
            engine: engine.clone(),
            note: note.clone(),
            stems: vec![Stem::Drums, Stem::Piano],
        };

        let (key, stems) = (key().to_string(), text(&["drums", "piano"]));
        agree(
            &ours,
            &WireReply::Started {
                job: 3,
                key,
                model,
                engine,
                note,
                stems,
            },
        );
    }

    let stages = [
        (Stage::Reading, "reading"),
        (Stage::Separating, "separating"),
        (Stage::Storing, "storing"),
        (Stage::Writing, "writing"),
        (Stage::Fetching, "fetching"),
        (Stage::Installing, "installing"),
    ];

    for (stage, name) in stages {
        for (speed, seconds_left) in [(None, None), (Some(2.5), Some(30.0))] {
            let ours = Reply::Progress {
                job,
                stage,
                done: 4,
                total: 10,
                speed,
                seconds_left,
            };

            agree(
                &ours,
                &WireReply::Progress {
                    job: 3,
                    stage: name.into(),
                    done: 4,
                    total: 10,
                    speed,
                    seconds_left,
                },
            );

            assert_eq!((ours.job(), ours.is_last()), (Some(job), false));
        }
    }

    agree(
        &Reply::Warning {
            job,
            message: "w".into(),
        },
        &WireReply::Warning {
            job: 3,
            message: "w".into(),
        },
    );
}

#[test]
fn the_end_of_a_job_is_what_it_is_documented_to_be() {
    let job = JobId(3);
    let done = Reply::Done {
        job,
        key: key(),
        cached: true,
        seconds: 0.5,
    };

    agree(
        &done,
        &WireReply::Done {
            job: 3,
            key: key().to_string(),
            cached: true,
            seconds: 0.5,
        },
    );

    agree(&Reply::Cancelled { job }, &WireReply::Cancelled { job: 3 });
    let kinds = [
        (FailKind::Request, "request"),
        (FailKind::Input, "input"),
        (FailKind::Audio, "audio"),
        (FailKind::Model, "model"),
        (FailKind::Engine, "engine"),
        (FailKind::Output, "output"),
        (FailKind::Network, "network"),
        (FailKind::Internal, "internal"),
    ];

    for (kind, name) in kinds {
        let (message, remedy) = ("m".to_owned(), "r".to_owned());
        let ours = Reply::Failed {
            job,
            kind,
            message: message.clone(),
            remedy: remedy.clone(),
            remedies: vec![
                Remedy::UpdateDriver {
                    cuda: "13.0".to_owned(),
                },
                Remedy::UseCpu,
            ],
        };

        assert!(ours.is_last() && ours.job() == Some(job));
        agree(
            &ours,
            &WireReply::Failed {
                job: 3,
                kind: name.into(),
                message,
                remedy,
                remedies: vec![
                    WireRemedy::UpdateDriver {
                        cuda: "13.0".into(),
                    },
                    WireRemedy::UseCpu {},
                ],
            },
        );
    }

    let imported = Reply::Imported {
        job,
        audio: key(),
        rate_hz: 48_000,
        frames: 7,
    };

    agree(
        &imported,
        &WireReply::Imported {
            job: 3,
            audio: key().to_string(),
            rate_hz: 48_000,
            frames: 7,
        },
    );

    let rendered = Reply::Rendered {
        job,
        paths: vec!["/o/n/bass.wav".into()],
    };
    agree(
        &rendered,
        &WireReply::Rendered {
            job: 3,
            paths: text(&["/o/n/bass.wav"]),
        },
    );

    for last in [done, imported, rendered] {
        assert!(last.is_last() && last.job() == Some(job));
    }
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

fn gpu(state: GpuState, setup: bool) -> Gpu {
    let setup = setup.then(|| GpuSetup {
        what: "w".into(),
        bytes: 7,
        licence: "l".into(),
        folder: "/f".into(),
    });
    Gpu {
        state,
        devices: text(&["NVIDIA H200, 140 GB"]),
        driver: Some("580".into()),
        engine: Some(EngineName::Cuda),
        library: None,
        message: "m".into(),
        remedy: "r".into(),
        setup,
    }
}

fn wire_gpu(state: &str, setup: bool) -> WireGpu {
    let setup = setup.then(|| WireSetup {
        what: "w".into(),
        bytes: 7,
        licence: "l".into(),
        folder: "/f".into(),
    });
    WireGpu {
        state: state.into(),
        devices: text(&["NVIDIA H200, 140 GB"]),
        driver: Some("580".into()),
        engine: Some("cuda".into()),
        library: None,
        message: "m".into(),
        remedy: "r".into(),
        setup,
    }
}

#[test]
fn what_is_told_of_the_machine_is_what_it_is_documented_to_be() {
    let job = JobId(6);
    let gpus = [
        (GpuState::NoGpu, "no_gpu"),
        (GpuState::Unusable, "unusable"),
        (GpuState::ToBeSetUp, "to_be_set_up"),
        (GpuState::Ready, "ready"),
    ];

    for (state, name) in gpus {
        for setup in [false, true] {
            let ours = Reply::GpuSetUp {
                job,
                gpu: gpu(state, setup),
            };
            assert!(ours.is_last() && ours.job() == Some(job));
            agree(
                &ours,
                &WireReply::GpuSetUp {
                    job: 6,
                    gpu: wire_gpu(name, setup),
                },
            );
        }
    }

    let models = [
        (ModelState::Bundled, "bundled", true),
        (ModelState::Fetched, "fetched", true),
        (ModelState::Incomplete, "incomplete", false),
        (ModelState::NotFetched, "not_fetched", false),
    ];

    for (state, name, ready) in models {
        let model = ModelInfo {
            name: "m".into(),
            about: "a".into(),
            stems: vec![Stem::Bass],
            state,
        };

        let wire = || WireModel {
            name: "m".into(),
            about: "a".into(),
            stems: text(&["bass"]),
            state: name.into(),
        };

        assert_eq!(model.is_ready(), ready, "{name}");
        let fetched = Reply::Fetched {
            job,
            model: model.clone(),
        };
        agree(
            &fetched,
            &WireReply::Fetched {
                job: 6,
                model: wire(),
            },
        );

        let machine = Machine {
            gpu: gpu(GpuState::NoGpu, false),
            models: vec![model],
        };
        let inspected = Reply::Inspected { job, machine };
        let wire = WireMachine {
            gpu: wire_gpu("no_gpu", false),
            models: vec![wire()],
        };

        agree(
            &inspected,
            &WireReply::Inspected {
                job: 6,
                machine: wire,
            },
        );

        assert!(fetched.is_last() && inspected.is_last() && inspected.job() == Some(job));
    }
}

#[test]
fn the_answers_about_models_and_engines_are_what_they_are_documented_to_be() {
    let job = JobId(6);
    for bytes in [None, Some(110)] {
        let (model, from, licence) = ("m".to_owned(), "h".to_owned(), "l".to_owned());
        let offer = Offer {
            model: model.clone(),
            from: from.clone(),
            bytes,
            licence: licence.clone(),
        };

        agree(
            &Reply::Offered { job, offer },
            &WireReply::Offered {
                job: 6,
                offer: WireOffer {
                    model,
                    from,
                    bytes,
                    licence,
                },
            },
        );
    }

    let checked = Checked {
        model: "/m".into(),
        stems: vec![Stem::Vocals],
        parameters: 3,
    };

    let wire = WireChecked {
        model: "/m".into(),
        stems: text(&["vocals"]),
        parameters: 3,
    };

    let checked = Reply::Checked { job, checked };
    agree(
        &checked,
        &WireReply::Checked {
            job: 6,
            checked: wire,
        },
    );

    let prepared = Reply::Prepared {
        job,
        engine: "e".into(),
        note: None,
    };

    agree(
        &prepared,
        &WireReply::Prepared {
            job: 6,
            engine: "e".into(),
            note: None,
        },
    );

    assert!(checked.is_last() && prepared.is_last() && prepared.job() == Some(job));
}
