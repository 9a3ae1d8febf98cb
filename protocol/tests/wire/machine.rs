//! Replies about the machine and its models.

use sextet_cases::each_case;

use super::*;

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

    each_case(gpus, |(state, name)| {
        each_case([false, true], |setup| {
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
        });
    });

    let models = [
        (ModelState::Bundled, "bundled", true),
        (ModelState::Fetched, "fetched", true),
        (ModelState::Incomplete, "incomplete", false),
        (ModelState::NotFetched, "not_fetched", false),
    ];

    each_case(models, |(state, name, ready)| {
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
    });
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
