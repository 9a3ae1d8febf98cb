//! A worker that only pretends, for pictures of machines that are not at hand: what it is to say comes from a file.

use std::io::{BufRead as _, BufReader, Write as _, stdin, stdout};
use std::path::Path;

use sextet_protocol::worker::{
    FailKind, Gpu, GpuSetup, GpuState, JobId, Machine, ModelState, Offer, PROTOCOL, Reply, Request, Stage, Welcome,
    to_line,
};

/// Names the file with a [`Machine`] that it tells of.
pub(crate) const MACHINE_VARIABLE: &str = "SEXTET_PICTURE_MACHINE";
/// Set where nothing can be fetched.
pub(crate) const OFFLINE_VARIABLE: &str = "SEXTET_PICTURE_OFFLINE";

/// Serves until its input ends.
pub(crate) fn serve() {
    let path = std::env::var_os(MACHINE_VARIABLE).expect("a machine to tell of");
    let machine: Machine = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for line in BufReader::new(stdin()).lines() {
        let request: Request = serde_json::from_str(&line.unwrap()).unwrap();
        answer(request, &machine);
    }
}

fn answer(request: Request, machine: &Machine) {
    match request {
        Request::Hello { .. } => say(&Reply::Hello(Welcome {
            protocol: PROTOCOL,
            version: "0.1.0".to_owned(),
            engines: Vec::new(),
            models: machine.models.clone(),
        })),
        Request::Inspect { job } => say(&Reply::Inspected { job, machine: machine.clone() }),
        Request::SetUpGpu { job, .. } => fetch(job, 38_400_000, 91_787_264),
        Request::Offer { job, model } => say(&Reply::Offered { job, offer: offer(model) }),
        Request::Fetch { job, .. } => fetch(job, 21_300_000, 54_996_327),
        _ => {}
    }
}

/// As far as it comes.
fn fetch(job: JobId, done: u64, total: u64) {
    let (stage, seconds_left) = (Stage::Fetching, Some(9.0));
    say(&Reply::Progress { job, stage, done, total, speed: None, seconds_left });
    if std::env::var_os(OFFLINE_VARIABLE).is_some() {
        say(&Reply::Failed {
            job,
            kind: FailKind::Network,
            message: "files.pythonhosted.org was lost in the middle: the connection was reset.".to_owned(),
            remedy: "Try again when the network is back: it goes on where it stopped.".to_owned(),
        });
    }
}

/// What the command offers.
fn offer(model: String) -> Offer {
    let licence = "The licence of the official demucs weights is unsettled upstream: the code is MIT, but its author wrote that \
        the weights are not covered by that and are meant for scientific purposes (facebookresearch/demucs issues 327 and \
        418). Sextet does not ship them; whether you may use them for what you have in mind is yours to judge.";
    Offer { model, from: "huggingface.co".to_owned(), bytes: Some(54_996_327), licence: licence.to_owned() }
}

fn say(reply: &Reply) {
    let mut out = stdout().lock();
    out.write_all(to_line(reply).unwrap().as_bytes()).unwrap();
    out.flush().unwrap();
}

/// A machine with an NVIDIA GPU, otherwise like this one.
pub(crate) fn with_gpu(this: &Machine, state: GpuState) -> Machine {
    let name = "NVIDIA GeForce RTX 4070";
    let library = "TensorRT-RTX 1.6.1";
    let (message, remedy) = match state {
        GpuState::Ready => (format!("Separations run on the GPU: {library} on {name}."), ""),
        GpuState::ToBeSetUp => (
            format!("{name} can be used once NVIDIA's library is there."),
            "Set up the GPU: the library is fetched for you, once.",
        ),
        _ => (
            "The driver is too old: it supports CUDA 12.2, and 13.0 is needed.".to_owned(),
            "Update NVIDIA's driver to 580 or newer.",
        ),
    };
    let setup = GpuSetup {
        what: library.to_owned(),
        bytes: 91_787_264,
        licence: "TensorRT-RTX is NVIDIA's and proprietary; its licence lies beside it as LICENSE.txt, and using it means that \
            you accept that. Sextet does not ship it."
            .to_owned(),
        folder: Path::new("/home/you/.local/share/sextet/tensorrt").to_owned(),
    };
    let gpu = Gpu {
        state,
        devices: vec![format!("{name}, 12 GB")],
        driver: Some(if state == GpuState::Unusable { "535.183.01" } else { "580.95.05" }.to_owned()),
        library: (state == GpuState::Ready).then(|| library.to_owned()),
        message,
        remedy: remedy.to_owned(),
        setup: (state == GpuState::ToBeSetUp).then_some(setup),
    };
    Machine { gpu, ..this.clone() }
}

/// The same with nothing fetched.
pub(crate) fn with_nothing_fetched(mut this: Machine) -> Machine {
    for model in this.models.iter_mut().filter(|model| model.state != ModelState::Bundled) {
        model.state = ModelState::NotFetched;
    }
    this
}
