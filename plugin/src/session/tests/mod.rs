//! Tests of opening and rendering files with the real worker, which is cancelled in the
//! middle.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sextet_protocol::worker::{RenderBits, RenderFormat};
use sextet_protocol::{Fingerprint, Stem};

mod captures;
#[cfg(unix)]
mod faults;

use super::*;
use crate::capture::Silenced;
use crate::saved::{SavedClip, SavedState, Settings};
use crate::test_folders::TestFolders;
use crate::worker::Stage;
use sextet_plugin_testing::entry;

const RATE_HZ: u32 = 48_000;
const PATIENCE: Duration = Duration::from_secs(120);

struct SessionFixture {
    session: Session,
    home: TestFolders,
}

impl SessionFixture {
    /// Starts a session that separates nothing automatically.
    fn new() -> Self {
        let home = TestFolders::with_command();
        let launcher = Launcher::new(home.folders.clone());
        Self::start(home, launcher)
    }

    fn start(home: TestFolders, launcher: Launcher) -> Self {
        let saved = Arc::new(SavedField::default());
        let session = Session::start_at(saved, Ok(launcher), RepaintNotifier::default()).unwrap();
        let fixture = Self { session, home };
        fixture.load(None);
        fixture
    }

    fn load(&self, clip: Option<SavedClip>) {
        let settings = Settings {
            automatic: false,
            ..Settings::default()
        };
        self.send(Command::Load(Box::new(SavedState {
            clip,
            settings,
            ..SavedState::default()
        })));
    }

    fn send(&self, command: Command) {
        self.session.remote().send(command);
    }

    fn wait(&self, what: &str, is_so: impl Fn(&View) -> bool) {
        let begun = Instant::now();
        loop {
            let view = self.session.remote().view.get();
            if is_so(&view) {
                return;
            }

            assert!(
                begun.elapsed() < PATIENCE,
                "{what}: {:?}, {:?}, {:?}",
                view.phase,
                view.background_job,
                view.notice
            );

            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until there are half-written files in `folder`.
    fn wait_for_half(&self, folder: &Path) {
        self.wait("files that are being written", |view| {
            assert!(view.notice.is_none(), "{:?}", view.notice);
            !files(folder).is_empty()
        });
        let half = files(folder);
        assert!(half.iter().all(|path| is_unfinished(path)), "{half:?}");
    }

    /// Makes a song of so many seconds.
    fn song(&self, name: &str, seconds: u32) -> std::path::PathBuf {
        self.home.song(name, RATE_HZ, seconds, 0.5)
    }

    /// Removes the instance; returns what is left of its folders.
    fn remove(self) -> TestFolders {
        drop(self.session);
        self.home
    }
}

/// Returns all files in and below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Returns whether a file has the name of one that is not complete.
fn is_unfinished(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

#[test]
fn an_instance_is_removed_while_it_opens_a_file() {
    let fixture = SessionFixture::new();
    let song = fixture.song("song.wav", 240);
    fixture.send(Command::Open(song));

    let captures = fixture.home.folders.captures();
    fixture.wait_for_half(&captures);
    let _home = fixture.remove();

    assert_eq!(
        files(&captures),
        [] as [std::path::PathBuf; 0],
        "nothing half-written stays behind"
    );
}

#[test]
fn a_file_that_is_opened_is_the_clip() {
    let fixture = SessionFixture::new();
    let song = fixture.song("short song.wav", 2);
    fixture.send(Command::Open(song));
    fixture.wait("the clip", |view| {
        view.phase == Phase::Captured && view.name == "short song"
    });

    let mut captures = files(&fixture.home.folders.captures());
    captures.retain(|file| file.extension().is_some_and(|is| is == "wav"));
    assert_eq!(captures.len(), 1);
    assert_eq!(
        fixture
            .session
            .remote()
            .view
            .get()
            .clip
            .as_ref()
            .unwrap()
            .placement
            .frames,
        u64::from(2 * RATE_HZ)
    );
}

/// Starts a session that plays stems of so many seconds. Returns it and a folder to render into,
/// which does not exist yet.
fn with_stems(seconds: u32) -> (SessionFixture, std::path::PathBuf) {
    let fixture = SessionFixture::new();
    let frames = u64::from(seconds * RATE_HZ);
    let key = entry::make(
        &fixture.home.folders,
        RATE_HZ,
        frames,
        |stem: Stem, side, frame| {
            ((frame % 997) as f32 + side as f32 + stem as u8 as f32) / 4_000.0
        },
    );

    let audio = Fingerprint::of(b"a capture that nobody has");
    let name = "Clip".to_owned();
    fixture.load(Some(SavedClip {
        audio,
        start_frame: 0,
        frames,
        rate_hz: RATE_HZ,
        name,
        key: Some(key),
        silenced: Silenced::default(),
        file: None,
    }));

    fixture.wait("stems", |view| view.phase == Phase::Ready);
    let folder = fixture.home.path().join("rendered");
    (fixture, folder)
}

fn order(folder: &Path) -> Command {
    let (format, bits) = (RenderFormat::Flac, RenderBits::Int24);
    Command::Render(RenderRequest {
        folder: folder.to_owned(),
        stems: Stem::ALL.to_vec(),
        format,
        bits: Some(bits),
        ..RenderRequest::default()
    })
}

#[test]
fn an_instance_is_removed_while_it_renders_to_files() {
    let (fixture, folder) = with_stems(60);
    fixture.send(order(&folder));
    fixture.wait_for_half(&folder);
    let _home = fixture.remove();
    assert_eq!(
        files(&folder),
        [] as [std::path::PathBuf; 0],
        "nothing half-written stays behind"
    );
}

#[test]
fn a_render_that_is_given_up_leaves_nothing_and_another_one_can_be_asked_for() {
    let (fixture, folder) = with_stems(30);
    fixture.send(order(&folder));
    fixture.wait_for_half(&folder);
    fixture.send(Command::CancelBackground(view::BackgroundKind::Render));
    fixture.wait("an end", |view| view.background_job.is_none());

    assert_eq!(
        files(&folder),
        [] as [std::path::PathBuf; 0],
        "nothing half-written stays behind"
    );

    fixture.send(order(&folder));
    fixture.wait("the files", |view| view.rendered.is_some());

    assert_eq!(files(&folder).len(), Stem::ALL.len());
}

#[test]
fn the_machine_is_looked_at_and_a_checkpoint_becomes_the_model_once_it_can_be_used() {
    let fixture = SessionFixture::new();
    fixture.send(Command::Upkeep(UpkeepRequest::Inspect));
    fixture.wait("what was found", |view| view.upkeep.machine.is_some());

    let machine = fixture
        .session
        .remote()
        .view
        .get()
        .upkeep
        .machine
        .clone()
        .unwrap();

    assert!(!machine.gpu.message.is_empty(), "{machine:?}");
    assert!(
        machine
            .models
            .iter()
            .any(|model| model.name == "sextet-mini" && model.is_ready()),
        "{machine:?}"
    );

    let wrong = fixture.home.path().join("model.th");
    std::fs::write(&wrong, "PK").unwrap();
    fixture.send(Command::Upkeep(UpkeepRequest::Check(
        wrong.display().to_string(),
    )));
    fixture.wait("a refusal", |view| {
        matches!(view.upkeep.question, TaskState::Failed(_))
    });

    let view = fixture.session.remote().view.get();
    let TaskState::Failed(fault) = &view.upkeep.question else {
        panic!()
    };

    assert!(
        fault.to_string().contains("model.th") && !fault.remedy().is_empty(),
        "{fault} {}",
        fault.remedy()
    );

    assert_eq!(view.settings.model, "sextet-mini", "it is not the model");

    let checkpoint = fixture.home.path().join("mine.safetensors");
    std::fs::copy(
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../models/sextet-mini.safetensors"
        ),
        &checkpoint,
    )
    .unwrap();

    fixture.send(Command::Upkeep(UpkeepRequest::Check(
        checkpoint.display().to_string(),
    )));
    fixture.wait("the model", |view| {
        view.settings.model == checkpoint.display().to_string()
    });
    let view = fixture.session.remote().view.get();
    let [checked] = view.upkeep.checkpoints.as_slice() else {
        panic!("{:?}", view.upkeep)
    };

    assert_eq!(
        (checked.stems.as_slice(), view.upkeep.question.clone()),
        (Stem::ALL.as_slice(), TaskState::Idle)
    );
}

/// The hub accepts every connection and never answers.
#[test]
fn a_hub_that_does_not_answer_keeps_nothing_else_waiting() {
    let (fixture, folder) = with_stems(2);
    let hub = std::net::TcpListener::bind("127.0.0.1:0").unwrap();

    // SAFETY: the environment is read and written by the standard library detached, which locks it.
    unsafe {
        std::env::set_var(
            "HF_ENDPOINT",
            format!("http://{}", hub.local_addr().unwrap()),
        );
        std::env::set_var("HF_HOME", fixture.home.path().join("hub"));
        std::env::set_var("NO_PROXY", "*");
    }

    fixture.send(Command::Upkeep(UpkeepRequest::Fetch("htdemucs".to_owned())));
    fixture.send(Command::Upkeep(UpkeepRequest::Offer(
        "htdemucs_6s".to_owned(),
    )));
    let _calls = [hub.accept().unwrap(), hub.accept().unwrap()];

    fixture.send(Command::Upkeep(UpkeepRequest::Inspect));
    fixture.send(order(&folder));
    fixture.wait("the files", |view| {
        view.rendered.is_some() && view.upkeep.machine.is_some()
    });

    let upkeep = fixture.session.remote().view.get().upkeep.clone();
    assert!(
        upkeep.fetch.is_running() && upkeep.question.is_running(),
        "{upkeep:?}"
    );

    fixture.send(Command::Upkeep(UpkeepRequest::CancelFetch));
    fixture.send(Command::Upkeep(UpkeepRequest::CloseQuestion));
    fixture.wait("an end", |view| {
        (&view.upkeep.fetch, &view.upkeep.question) == (&TaskState::Idle, &TaskState::Idle)
    });
}

/// Three clips in a row, the second one cancelled: the stems must be those that were asked for.
#[test]
fn a_separation_that_is_given_up_is_followed_by_another() {
    let fixture = SessionFixture::new();
    for (number, seconds) in [(1, 1), (2, 60), (3, 2)] {
        let song = fixture.song(&format!("song {number}.wav"), seconds);
        fixture.send(Command::Open(song));
        fixture.wait("the clip", |view| {
            view.phase == Phase::Captured && view.name == format!("song {number}")
        });

        fixture.send(Command::Separate);
        if number == 2 {
            fixture.wait("its beginning", |view| {
                matches!(&view.phase, Phase::Separating(Stage::Working { .. }))
            });
            fixture.send(Command::Cancel);
            fixture.wait("its end", |view| view.phase == Phase::Captured);
        } else {
            fixture.wait("the stems", |view| view.phase == Phase::Ready);
            let made = fixture
                .session
                .remote()
                .view
                .get()
                .stem_origin
                .clone()
                .unwrap();
            assert_eq!(made.model, "sextet-mini");
        }
    }

    let entries = std::fs::read_dir(fixture.home.folders.stems())
        .unwrap()
        .flatten();
    let names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();

    let made = names.iter().filter(|name| name.len() == 32).count();
    assert_eq!(
        (made, names.iter().any(|name| name.starts_with(".making"))),
        (2, false),
        "{names:?}"
    );
}

/// A command counts as settled only when it was obeyed; otherwise an offline render would play on
/// without stems that are on their way.
#[test]
fn nothing_is_settled_before_it_is_obeyed() {
    const TOLD: usize = 50_000;
    let (remote, inbox) = Remote::detached();
    let (remote, obeyed) = (&remote, &AtomicUsize::new(0));

    std::thread::scope(|threads| {
        threads.spawn(move || {
            while !remote.shared.is_stopped() {
                let posted = remote.shared.posted();
                obeyed.fetch_add(inbox.try_iter().count(), Ordering::AcqRel);
                remote.shared.settle(posted);
            }
        });

        let mut early = 0;
        for told in 1..=TOLD {
            remote.send(Command::DismissNotice);
            while remote.shared.is_pending() {
                std::hint::spin_loop();
            }
            early += usize::from(obeyed.load(Ordering::Acquire) < told);
        }

        remote.shared.stop();
        assert_eq!(early, 0, "of {TOLD} commands");
    });

    println!("{TOLD} commands");
}
