//! Replies of the worker about itself and about jobs.

use sextet_cases::each_case;

use super::*;

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

    each_case(stages, |(stage, name)| {
        let cases = [(None, None), (Some(2.5), Some(30.0))];
        each_case(cases, |(speed, seconds_left)| {
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
        });
    });

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

    each_case(kinds, |(kind, name)| {
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
    });

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

    each_case([done, imported, rendered], |last| {
        assert!(last.is_last() && last.job() == Some(job));
    });
}
