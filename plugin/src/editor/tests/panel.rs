//! Tests of the settings' panel in every state of machine and models, and of the requests of its
//! buttons.

use std::sync::mpsc::Receiver;

use egui::Key;
use egui::accesskit::Role;
use sextet_cases::each_case;
use sextet_protocol::worker::{
    self, EngineName, Gpu, GpuSetup, GpuState, Machine, ModelInfo, ModelState, Offer,
};

use super::keyboard::{controls, sorted, walk};
use super::*;
use crate::editor::window;
use crate::session::{Remote, TaskState, UpkeepRequest, UpkeepState};
use crate::worker::{Fault, Loading, Stage};

/// Size of a new editor.
const SIZE: egui::Vec2 = egui::vec2(window::SIZE.width, window::SIZE.height);

/// An editor that shows a view given by the test.
struct Panel {
    harness: Harness<'static, EditorApp>,
    remote: Remote,
    inbox: Receiver<Command>,
}

impl Panel {
    /// Returns the field for a checkpoint's path: the settings have another one for a folder.
    fn checkpoint_field(&self) -> egui_kittest::Node<'_> {
        let is_it = |node: &egui_kittest::Node<'_>| {
            let node = node.accesskit_node();
            node.role() == Role::TextInput
                && node.placeholder() == Some("Path of a .safetensors, .th or .yaml file")
        };
        let fields = self.harness.root().children_recursive();
        fields.into_iter().find(is_it).unwrap()
    }

    fn showing(view: View) -> Self {
        Self::sized(view, SIZE)
    }

    fn sized(view: View, points: egui::Vec2) -> Self {
        let (remote, inbox) = Remote::detached();
        remote.view.set(view);
        let params = Arc::new(SextetParams::new(
            Arc::default(),
            RepaintNotifier::default(),
        ));

        let host = Arc::new(SlowHost {
            _params: params.clone(),
            changes: Mutex::default(),
        });
        let app = EditorApp::new(params, remote.clone());
        let context = GuiContext::new(host);
        let mut harness = Harness::builder()
            .with_size(points)
            .with_context_setup(theme::apply)
            .build_ui_state(move |ui, app: &mut EditorApp| app.draw(ui, &context), app);

        harness.run();
        Self {
            harness,
            remote,
            inbox,
        }
    }

    /// Opens the settings.
    fn open(upkeep: UpkeepState) -> Self {
        Self::opened(
            View {
                upkeep,
                ..View::default()
            },
            SIZE,
        )
    }

    fn opened(view: View, points: egui::Vec2) -> Self {
        let mut panel = Self::sized(view, points);
        panel.click("Settings");
        panel.inbox.try_iter().for_each(drop);
        panel
    }

    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        // The panel opens gradually, and a bar that moves by the clock never comes to rest.
        self.harness.run_steps(30);
    }

    fn shows(&self, part: &str) -> bool {
        self.harness
            .query_all_by_label_contains(part)
            .next()
            .is_some()
    }

    /// Returns whether the control of this name can be used.
    fn can(&self, label: &str) -> bool {
        self.harness
            .query_by_label(label)
            .is_some_and(|node| !node.accesskit_node().is_disabled())
    }

    /// Returns the requests to the upkeep since the last call.
    fn wishes(&self) -> Vec<UpkeepRequest> {
        let wish = |command| match command {
            Command::Upkeep(wish) => Some(wish),
            _ => None,
        };
        self.inbox.try_iter().filter_map(wish).collect()
    }
}

fn gpu(state: GpuState) -> Gpu {
    let there = state != GpuState::NoGpu;
    let setup = GpuSetup {
        what: "TensorRT-RTX 1.6.1".to_owned(),
        bytes: 91_800_000,
        licence: "TensorRT-RTX is NVIDIA's and proprietary.".to_owned(),
        folder: "/home/somebody/tensorrt".into(),
    };

    Gpu {
        state,
        devices: if there {
            vec!["NVIDIA GeForce RTX 4070, 12 GB".to_owned()]
        } else {
            Vec::new()
        },
        driver: there.then(|| "580.159.04".to_owned()),
        engine: match state {
            GpuState::Ready => Some(EngineName::Cuda),
            GpuState::ToBeSetUp => Some(EngineName::Tensorrt),
            _ => None,
        },
        library: None,
        message: format!("This is {state:?}."),
        remedy: if state == GpuState::Ready {
            String::new()
        } else {
            format!("What to do about {state:?}.")
        },
        setup: (state == GpuState::ToBeSetUp).then_some(setup),
    }
}

fn models() -> Vec<ModelInfo> {
    let states = [
        ModelState::Bundled,
        ModelState::Fetched,
        ModelState::NotFetched,
        ModelState::Incomplete,
    ];

    let names = ["sextet-mini", "htdemucs", "htdemucs_6s", "htdemucs_ft"];
    let model = |(name, state): (&str, ModelState)| {
        let (name, about) = (name.to_owned(), format!("what {name} is"));
        ModelInfo {
            name,
            about,
            stems: Stem::ALL.to_vec(),
            state,
        }
    };

    names.into_iter().zip(states).map(model).collect()
}

fn found(state: GpuState) -> UpkeepState {
    let machine = Machine {
        gpu: gpu(state),
        models: models(),
    };
    UpkeepState {
        machine: Some(Arc::new(machine)),
        ..UpkeepState::default()
    }
}

fn fetching(done: u64) -> TaskState {
    let stage = Some(worker::Stage::Fetching);
    TaskState::Running(Stage::Working {
        stage,
        done,
        total: 91_800_000,
        speed: None,
        left_s: Some(12.0),
    })
}

fn broken() -> TaskState {
    let (message, remedy) = (
        "The hub could not be reached.".to_owned(),
        "Try again: it goes on there.".to_owned(),
    );
    TaskState::Failed(Fault::Failed { message, remedy })
}

#[test]
fn the_machine_is_looked_at_when_the_panel_opens_for_the_first_time() {
    let mut panel = Panel::showing(View::default());
    assert_eq!(panel.wishes(), [], "not before");
    panel.click("Settings");

    assert_eq!(panel.wishes(), [UpkeepRequest::Inspect]);
    panel.harness.key_press(Key::Escape);
    panel.harness.run();

    assert!(!panel.shows("Captures extend the clip"), "Escape closes it");
    panel.click("Settings");

    assert!(panel.shows("Captures extend the clip"));
    assert_eq!(panel.wishes(), [], "what was found is kept");
}

#[test]
fn each_state_of_the_gpu_is_told_and_only_what_helps_is_offered() {
    use GpuState::{NoGpu, Ready, ToBeSetUp, Unusable};
    let states = [NoGpu, Unusable, ToBeSetUp, Ready];
    each_case(states, |state| {
        let panel = Panel::open(found(state));
        assert!(panel.shows(&format!("This is {state:?}.")));

        // The setup is described by its button.
        assert_eq!(
            panel.shows("What to do"),
            !matches!(state, Ready | ToBeSetUp),
            "{state:?}"
        );

        assert_eq!(
            panel.shows("92 MB to be fetched, once"),
            state == ToBeSetUp,
            "{state:?}"
        );

        assert_eq!(panel.shows("RTX 4070"), state != NoGpu, "{state:?}");

        assert_eq!(panel.can("Set up the GPU"), state == ToBeSetUp, "{state:?}");
    });

    println!("{} states", states.len());
}

/// The GPU's own sentence is true for the fastest engine.
#[test]
fn an_engine_that_is_at_odds_with_the_gpu_is_told() {
    let cases = [
        (GpuState::Ready, EngineName::Auto, ""),
        (GpuState::Ready, EngineName::Cuda, ""),
        (
            GpuState::Ready,
            EngineName::Tensorrt,
            "TensorRT was chosen before",
        ),
        (
            GpuState::Ready,
            EngineName::Cpu,
            "The CPU is chosen, so the GPU is not used.",
        ),
        (GpuState::NoGpu, EngineName::Cpu, ""),
        (GpuState::NoGpu, EngineName::Auto, ""),
        (
            GpuState::NoGpu,
            EngineName::Cuda,
            "nothing can be separated now: choose Fastest or CPU.",
        ),
        (
            GpuState::ToBeSetUp,
            EngineName::Tensorrt,
            "nothing can be separated now: choose Fastest or CPU.",
        ),
    ];

    each_case(cases, |(state, engine, told)| {
        let settings = Settings {
            engine,
            ..Settings::default()
        };
        let panel = Panel::opened(
            View {
                upkeep: found(state),
                settings,
                ..View::default()
            },
            SIZE,
        );

        let is_told = ["is chosen, so", "was chosen before"]
            .iter()
            .any(|said| panel.shows(said));
        assert_eq!(is_told, !told.is_empty(), "{state:?}, {engine:?}");
        assert!(
            told.is_empty() || panel.shows(told),
            "{state:?}, {engine:?}"
        );
    });

    println!("{} cases", cases.len());
}

/// Results that arrive late never move a control that can be pressed.
#[test]
fn the_panel_keeps_its_place_and_stays_within_the_smallest_editor() {
    let long = "/mnt/studio/".to_owned() + &"a-folder-with-a-long-name/".repeat(12);
    let message =
        format!("'{long}model.th': the checkpoint holds 'os.system', which Sextet does not know.");
    let fault = TaskState::Failed(Fault::Failed {
        message,
        remedy: "Convert it.".to_owned(),
    });

    let crowded = UpkeepState {
        set_up: fault.clone(),
        question: fault,
        asked_model: long,
        ..found(GpuState::ToBeSetUp)
    };

    let smallest = egui::vec2(window::MIN_SIZE.width, window::MIN_SIZE.height);
    each_case([smallest, SIZE, egui::vec2(1360.0, 860.0)], |size| {
        let places = [
            UpkeepState::default(),
            found(GpuState::NoGpu),
            crowded.clone(),
        ]
        .map(|upkeep| {
            let panel = Panel::opened(
                View {
                    upkeep,
                    ..View::default()
                },
                size,
            );

            let foot = panel.harness.get_by_label("Close").rect();
            let window = egui::Rect::from_min_size(egui::Pos2::ZERO, size);
            assert!(window.contains_rect(foot), "{size}: {foot}");

            foot.min
        });
        assert!(
            places.iter().all(|place| *place == places[0]),
            "{size}: {places:?}"
        );
    });
}

#[test]
fn nothing_is_fetched_before_its_size_and_licence_were_shown() {
    let mut panel = Panel::open(found(GpuState::ToBeSetUp));
    for answer in ["Do not set up the GPU", "Set up"] {
        panel.click("Set up the GPU");
        assert!(panel.shows("To be fetched: TensorRT-RTX 1.6.1, 92 MB"));
        assert!(panel.shows("NVIDIA's and proprietary") && panel.shows("/home/somebody/tensorrt"));
        assert_eq!(panel.wishes(), []);
        panel.click(answer);
    }
    assert_eq!(panel.wishes(), [UpkeepRequest::SetUpGpu]);
}

#[test]
fn setting_up_shows_how_far_it_is_and_goes_on_after_a_fault() {
    let mut panel = Panel::open(UpkeepState {
        set_up: fetching(40_000_000),
        ..found(GpuState::ToBeSetUp)
    });
    assert!(panel.shows("40 MB of 92 MB") && panel.shows("12 s left"));
    assert!(!panel.shows("Set up the GPU"));
    panel.click("Cancel setting up the GPU");

    assert_eq!(panel.wishes(), [UpkeepRequest::CancelSetUp]);

    let mut panel = Panel::open(UpkeepState {
        set_up: broken(),
        ..found(GpuState::ToBeSetUp)
    });
    assert!(panel.shows("could not be reached") && panel.shows("Try again: it goes on there."));
    panel.click("Go on setting up the GPU");

    assert_eq!(panel.wishes(), [UpkeepRequest::SetUpGpu]);
}

#[test]
fn models_are_chosen_where_they_are_here_and_fetched_where_they_are_not() {
    let mut panel = Panel::open(found(GpuState::NoGpu));
    panel.click("htdemucs");

    let chosen: Vec<_> = panel.inbox.try_iter().collect();
    assert!(matches!(&chosen[..], [Command::Settings(settings)] if settings.model == "htdemucs"));
    assert!(
        !panel.can("htdemucs_6s") && !panel.can("htdemucs_ft"),
        "they are not here"
    );

    panel.click("Fetch htdemucs_6s");
    panel.click("Go on fetching htdemucs_ft");

    let offers = ["htdemucs_6s", "htdemucs_ft"].map(|name| UpkeepRequest::Offer(name.to_owned()));
    assert_eq!(panel.wishes(), offers);

    let offer = Offer {
        model: "htdemucs_6s".to_owned(),
        from: "huggingface.co".to_owned(),
        bytes: Some(54_900_000),
        licence: "The licence is unsettled upstream.".to_owned(),
    };

    let offered = UpkeepState {
        offer: Some(offer),
        asked_model: "htdemucs_6s".to_owned(),
        ..found(GpuState::NoGpu)
    };

    let mut panel = Panel::open(offered);
    assert!(
        panel.shows("To be fetched from huggingface.co: 55 MB")
            && panel.shows("unsettled upstream")
    );
    assert!(
        panel.harness.query_by_label("Fetch htdemucs_6s").is_none(),
        "it is asked for once"
    );

    panel.click("Do not fetch htdemucs_6s");
    panel.click("Fetch");

    assert_eq!(
        panel.wishes(),
        [
            UpkeepRequest::CloseQuestion,
            UpkeepRequest::Fetch("htdemucs_6s".to_owned())
        ]
    );

    let fetched = "htdemucs_6s".to_owned();
    let going = UpkeepState {
        fetch: fetching(9_000_000),
        fetched_model: fetched.clone(),
        ..found(GpuState::NoGpu)
    };

    let mut panel = Panel::open(going);
    assert!(
        panel.shows("9 MB of 92 MB") && !panel.can("Go on fetching htdemucs_ft"),
        "one after the other"
    );
    assert!(
        panel.harness.query_by_label("Fetch htdemucs_6s").is_none(),
        "it is being fetched"
    );

    panel.click("Cancel fetching htdemucs_6s");
    assert_eq!(panel.wishes(), [UpkeepRequest::CancelFetch]);

    let mut panel = Panel::open(UpkeepState {
        fetch: broken(),
        fetched_model: fetched.clone(),
        ..found(GpuState::NoGpu)
    });

    assert!(panel.shows("could not be reached"));
    panel.click("Go on fetching htdemucs_6s");

    assert_eq!(panel.wishes(), [UpkeepRequest::Fetch(fetched)]);
}

#[test]
fn a_checkpoint_is_looked_at_before_it_is_the_model() {
    let mut panel = Panel::open(found(GpuState::NoGpu));
    assert!(
        !panel.can("Add the checkpoint"),
        "there is nothing to add yet"
    );
    panel.checkpoint_field().focus();
    panel.harness.run();
    panel.checkpoint_field().type_text("/models/mine.th");

    panel.harness.run();
    panel.click("Add the checkpoint");

    assert_eq!(
        panel.wishes(),
        [UpkeepRequest::Check("/models/mine.th".to_owned())]
    );

    let asked_model = "/models/mine.th".to_owned();
    let panel = Panel::open(UpkeepState {
        question: broken(),
        asked_model,
        ..found(GpuState::NoGpu)
    });

    assert!(
        panel.shows("could not be reached") && panel.shows("Try again"),
        "what went wrong and what to do"
    );
}

/// Both are below the visible part in the smallest editor.
#[test]
fn what_went_wrong_and_what_is_offered_is_scrolled_to() {
    let offer = Offer {
        model: "htdemucs_ft".to_owned(),
        from: "a hub".to_owned(),
        bytes: None,
        licence: "L".to_owned(),
    };

    let base = found(GpuState::ToBeSetUp);
    let cases = [
        (
            "Try again",
            UpkeepState {
                question: broken(),
                asked_model: "/models/mine.th".to_owned(),
                ..base.clone()
            },
        ),
        (
            "Try again",
            UpkeepState {
                fetch: broken(),
                fetched_model: "htdemucs_ft".to_owned(),
                ..base.clone()
            },
        ),
        (
            "Do not fetch",
            UpkeepState {
                offer: Some(offer),
                asked_model: "htdemucs_ft".to_owned(),
                ..base.clone()
            },
        ),
    ];

    each_case(cases, |(what, upkeep)| {
        let size = egui::vec2(window::MIN_SIZE.width, window::MIN_SIZE.height);
        let mut panel = Panel::opened(
            View {
                upkeep: base.clone(),
                ..View::default()
            },
            size,
        );

        panel.remote.view.set(View {
            upkeep,
            ..View::default()
        });
        panel.harness.run_steps(60);
        let place = panel.harness.get_by_label_contains(what).rect();

        let foot = panel.harness.get_by_label("Close").rect();
        assert!(
            place.bottom() < foot.top(),
            "{what}: {place}, and the panel ends at {foot}"
        );
    });
}

#[test]
fn everything_in_the_panel_is_reached_by_tab_and_has_a_name_of_its_own() {
    let offer = Offer {
        model: "htdemucs_6s".to_owned(),
        from: "a hub".to_owned(),
        bytes: None,
        licence: "L".to_owned(),
    };

    let cases = [
        ("nothing known", UpkeepState::default()),
        ("to be set up", found(GpuState::ToBeSetUp)),
        (
            "setting up",
            UpkeepState {
                set_up: fetching(1),
                ..found(GpuState::ToBeSetUp)
            },
        ),
        (
            "offered",
            UpkeepState {
                offer: Some(offer),
                ..found(GpuState::Ready)
            },
        ),
        (
            "fetching",
            UpkeepState {
                fetch: fetching(1),
                fetched_model: "htdemucs_6s".to_owned(),
                ..found(GpuState::Ready)
            },
        ),
    ];

    each_case(cases, |(case, upkeep)| {
        let mut panel = Panel::open(upkeep);
        let reached = walk(&mut panel.harness, "Separate as soon as there is a clip");

        let behind = ["Capture", "Open file", "Settings"];
        assert!(
            behind
                .iter()
                .all(|name| !reached.contains(&(*name).to_owned())),
            "{case}: {reached:?}"
        );

        let inside: Vec<_> = sorted(controls(&panel.harness))
            .into_iter()
            .filter(|name| reached.contains(name))
            .collect();
        assert_eq!(sorted(reached.clone()), inside, "{case}");

        let mut names = reached.clone();
        names.dedup();

        assert!(
            names.len() == reached.len() && names.iter().all(|name| !name.is_empty()),
            "{case}: {reached:?}"
        );
        println!("{case}: {}", reached.join(", "));
    });
}

#[test]
fn what_is_loaded_is_told_as_a_sentence_of_its_own() {
    let phrases = [
        ("loading sextet-mini", None, 0, "Loading sextet-mini", ""),
        (
            "building the engine, once for this model",
            None,
            6,
            "Building the engine, once for this model",
            "50 %",
        ),
        (
            "the GPU compiles the engine",
            Some(600.0),
            0,
            "The GPU compiles the engine",
            "about 10 min left",
        ),
        ("comparing", Some(0.0), 0, "Comparing", "longer than usual"),
    ];
    each_case(phrases, |(what, usual_s, total, said, time)| {
        let what = what.to_owned();
        let loading = Loading {
            what,
            done: 3,
            total,
            usual_s,
            since: Instant::now(),
        };

        let phase = Phase::Separating(Stage::Loading(loading));
        let panel = Panel::showing(View {
            phase,
            ..View::default()
        });

        assert!(panel.harness.query_by_label(said).is_some(), "{said}");
        assert!(
            time.is_empty() || panel.harness.query_all_by_label(time).next().is_some(),
            "{time}"
        );
    });
}

#[test]
fn the_hint_about_the_gpu_is_shown_until_it_was_read() {
    let mut panel = Panel::showing(View {
        phase: Phase::Ready,
        has_gpu_hint: true,
        ..View::default()
    });

    assert!(panel.shows("Your NVIDIA GPU, which is faster, is not set up yet."));
    panel.click("Close");
    panel.click("Set it up");

    assert!(
        panel.shows("Captures extend the clip"),
        "the settings are open"
    );
    let told: Vec<_> = panel.inbox.try_iter().collect();
    let dismissals = told
        .iter()
        .filter(|command| matches!(command, Command::DismissHint))
        .count();

    assert_eq!(
        dismissals, 2,
        "by its button, and by opening what it points to"
    );
    panel.remote.view.set(View {
        phase: Phase::Ready,
        ..View::default()
    });
    panel.harness.key_press(Key::Escape);
    panel.harness.run();

    assert!(!panel.shows("is not set up yet"));
}

#[test]
fn stems_of_another_choice_are_offered_to_be_made_again() {
    let mut fixture = EditorFixture::ready(egui::vec2(1020.0, 640.0), 1.0);

    // The entry of these tests was made by no model.
    assert!(fixture.view().differs_from_settings);
    assert!(
        fixture
            .harness
            .query_all_by_label_contains("Chosen now: sextet-mini.")
            .next()
            .is_some()
    );

    for (engine, fits) in [(EngineName::Auto, true), (EngineName::Cpu, false)] {
        let settings = Settings {
            automatic: false,
            model: "no model".to_owned(),
            engine,
            ..Settings::default()
        };

        fixture.session.remote().send(Command::Settings(settings));
        fixture.wait("the choice", |view| {
            view.settings.engine == engine && view.differs_from_settings != fits
        });
    }
}
