//! A stand-in worker, for pictures of machines that are not at hand. A file tells its replies.
//! Their sentences are those of the real worker.

use std::io::{BufRead as _, BufReader, Write as _, stdin, stdout};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sextet_protocol::worker::{
    Checked, EngineName, FailKind, Gpu, GpuSetup, GpuState, JobId, Machine, ModelState, Offer,
    PROTOCOL, Reply, Request, Stage, Waiting, Welcome, to_line,
};
use sextet_protocol::{Fingerprint, Remedy, Stem};

use sextet_plugin_testing::{ask, command, project};

/// Environment variable that names the file with a [`Script`].
const SCRIPT_VARIABLE: &str = "SEXTET_PICTURE_SCRIPT";

/// The script of the worker's replies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Script {
    /// The machine that the worker reports.
    pub(crate) machine: Machine,
    /// Whether the network works.
    pub(crate) is_online: bool,
    pub(crate) separation: Separation,
}

/// The stage at which a separation stops.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Separation {
    /// The middle of the first building of an engine.
    Building,
    /// The GPU's own compiling, which reports no progress.
    Compiling,
    /// The queue.
    Waiting,
    /// The end, on the CPU. The stems exist already.
    Done(Fingerprint),
}

impl Script {
    pub(crate) fn of(machine: Machine) -> Self {
        Self {
            machine,
            is_online: true,
            separation: Separation::Building,
        }
    }
}

/// Returns the report on this machine, with the first model of the catalogue fetched and the last
/// one fetched in part.
pub(crate) fn this_machine() -> Machine {
    project::use_command(command());
    let answer = ask(&[
        Request::hello("pictures"),
        Request::Inspect { job: JobId(1) },
    ]);
    let Reply::Inspected { mut machine, .. } = answer else {
        panic!("this machine tells nothing: {answer:?}")
    };

    for model in machine
        .models
        .iter_mut()
        .filter(|model| model.state != ModelState::Bundled)
    {
        model.state = match model.name.as_str() {
            "htdemucs" => ModelState::Fetched,
            "htdemucs_ft" => ModelState::Incomplete,
            _ => ModelState::NotFetched,
        };
    }

    machine
}

/// Makes this program the worker of all sessions that start from now on.
pub(crate) fn play(script: &Script) {
    project::use_command(&std::env::current_exe().unwrap());
    let file = project::folders().cache().join("script.json");
    std::fs::write(&file, serde_json::to_string(script).unwrap()).unwrap();
    // SAFETY: no session is about to start a worker.
    unsafe { std::env::set_var(SCRIPT_VARIABLE, &file) };
}

/// Serves until the input ends.
pub(crate) fn serve() {
    let path = std::env::var_os(SCRIPT_VARIABLE).expect("a script");
    let script: Script = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for line in BufReader::new(stdin()).lines() {
        let request: Request = serde_json::from_str(&line.unwrap()).unwrap();
        answer(request, &script);
    }
}

fn answer(request: Request, script: &Script) {
    let machine = &script.machine;
    match request {
        Request::Hello { .. } => send(&Reply::Hello(Welcome {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            engines: Vec::new(),
            models: machine.models.clone(),
        })),
        Request::Inspect { job } => send(&Reply::Inspected {
            job,
            machine: machine.clone(),
        }),
        Request::SetUpGpu { job, .. } => {
            fetch(
                job,
                (46_100_000, 92_382_349),
                script.is_online,
                "cannot fetch from files.pythonhosted.org",
            );
        }
        Request::Offer { job, model } => send(&Reply::Offered {
            job,
            offer: offer(model),
        }),
        Request::Fetch { job, .. } => {
            let lost = "lost the connection to the model hub at https://huggingface.co";
            fetch(job, (27_300_000, 54_996_327), script.is_online, lost);
        }
        Request::Check { job, model } => send(&check(job, model)),
        Request::Separate(order) => separate(order.job, order.model, &script.separation),
        _ => {}
    }
}

fn separate(job: JobId, model: String, separation: &Separation) {
    let loading = |what: &str, done, total, usual_s| {
        let what = format!("{what}, once for this model");
        send(&Reply::Loading {
            job,
            what,
            done,
            total,
            usual_s,
        });
    };
    match *separation {
        Separation::Building => loading("building the engine", 243, 500, None),
        Separation::Compiling => loading("the GPU compiles the engine", 0, 0, Some(20.0)),
        Separation::Waiting => send(&Reply::Queued {
            job,
            reason: Waiting::OtherProcess,
        }),
        Separation::Done(key) => {
            let (engine, stems) = ("CPU".to_owned(), Stem::ALL.to_vec());
            send(&Reply::Started {
                job,
                key,
                model,
                engine,
                note: None,
                stems,
            });

            send(&Reply::Done {
                job,
                key,
                cached: false,
                seconds: 9.0,
            });
        }
    }
}

/// Reports the progress of a fetch, and its failure without a network.
fn fetch(job: JobId, (done, total): (u64, u64), is_online: bool, lost: &str) {
    let (stage, seconds_left) = (Stage::Fetching, Some(9.0));
    send(&Reply::Progress {
        job,
        stage,
        done,
        total,
        speed: None,
        seconds_left,
    });

    if !is_online {
        send(&Reply::Failed {
            job,
            kind: FailKind::Network,
            message: format!(
                "{lost}: it ended after {:.1} of {:.1} MB",
                done as f64 / 1e6,
                total as f64 / 1e6
            ),
            remedy: "check the network and try again: it goes on where it stopped".to_owned(),
            remedies: Vec::new(),
        });
    }
}

/// Returns the command's terms for a model.
fn offer(model: String) -> Offer {
    let licence = "The licence of the official demucs weights is unsettled upstream: the code is MIT, but its author wrote that \
        the weights are not covered by that and are meant for scientific purposes (facebookresearch/demucs issues 327 and \
        418). Sextet does not ship them; whether you may use them for what you have in mind is yours to judge.";
    Offer {
        model,
        from: "huggingface.co".to_owned(),
        bytes: Some(54_996_327),
        licence: licence.to_owned(),
    }
}

/// Returns the reply for a checkpoint: six stems, or a failure if it is a whole module of
/// PyTorch's.
fn check(job: JobId, model: String) -> Reply {
    if Path::new(&model)
        .extension()
        .is_none_or(|kind| kind != "th")
    {
        return Reply::Checked {
            job,
            checked: Checked {
                model,
                stems: Stem::ALL.to_vec(),
                parameters: 27_300_000,
            },
        };
    }

    let remedies = vec![Remedy::ConvertCheckpoint, Remedy::ChooseModel];
    Reply::Failed {
        job,
        kind: FailKind::Model,
        message: format!(
            "'{model}': the checkpoint holds 'torch.nn.modules.linear.Linear', which Sextet does not know; expected tensors, numbers, texts and containers of them"
        ),
        remedy: Remedy::join(&remedies, Remedy::phrase),
        remedies,
    }
}

fn send(reply: &Reply) {
    let mut out = stdout().lock();
    out.write_all(to_line(reply).unwrap().as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Returns `this` machine with an NVIDIA GPU in this state, or without one. The GPU that has to be
/// set up is one that CUDA kernels do not run on.
pub(crate) fn with_gpu(this: &Machine, state: GpuState) -> Machine {
    let (name, memory) = match state {
        GpuState::ToBeSetUp => ("NVIDIA GeForce RTX 2070", "8 GB"),
        _ => ("NVIDIA GeForce RTX 4070", "12 GB"),
    };
    let library = "TensorRT-RTX 1.6.1";
    let (message, remedy) = match state {
        GpuState::Ready => (
            format!("Separations run on the GPU: CUDA kernels on {name}."),
            "",
        ),
        GpuState::ToBeSetUp => (
            format!("{name} can be used once NVIDIA's library, TensorRT-RTX, is there."),
            "Set up the GPU: the library is fetched, once.",
        ),
        GpuState::Unusable => (
            "The GPU's driver is too old: it supports CUDA 11.4, and CUDA 12.0 is needed."
                .to_owned(),
            "Update NVIDIA's driver to version 525 or newer.",
        ),
        GpuState::NoGpu => (
            "No NVIDIA GPU was found: separations run on the CPU.".to_owned(),
            "",
        ),
    };

    let setup = GpuSetup {
        what: library.to_owned(),
        bytes: 92_382_349,
        licence: "TensorRT-RTX is NVIDIA's and proprietary; its licence lies beside it as LICENSE.txt, and using it means that \
            you accept that. Sextet does not ship it."
            .to_owned(),
        folder: Path::new("/home/you/.local/share/sextet/tensorrt").to_owned(),
    };

    let has_gpu = state != GpuState::NoGpu;
    let driver = if state == GpuState::Unusable {
        "470.256.02"
    } else {
        "580.95.05"
    };

    let gpu = Gpu {
        state,
        devices: if has_gpu {
            vec![format!("{name}, {memory}")]
        } else {
            Vec::new()
        },
        driver: has_gpu.then(|| driver.to_owned()),
        engine: match state {
            GpuState::Ready => Some(EngineName::Cuda),
            GpuState::ToBeSetUp => Some(EngineName::Tensorrt),
            _ => None,
        },
        library: None,
        message,
        remedy: remedy.to_owned(),
        setup: (state == GpuState::ToBeSetUp).then_some(setup),
    };

    Machine {
        gpu,
        ..this.clone()
    }
}
