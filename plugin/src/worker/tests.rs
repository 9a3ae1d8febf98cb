//! Tests with the real worker: kept from one separation to the next, killed, and given up.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sextet_protocol::worker::{BUNDLED_MODEL, EngineName};

use super::*;
use crate::test_folders::TestFolders;

const RATE_HZ: u32 = 44_100;
/// Time limit of a test: chunks take long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

struct WorkerFixture {
    home: TestFolders,
    launcher: Launcher,
}

impl WorkerFixture {
    fn new() -> Self {
        let home = TestFolders::with_command();
        let launcher = Launcher::new(home.folders.clone());
        Self { home, launcher }
    }

    /// Makes a song of so many seconds.
    fn song(&self, name: &str, seconds: u32, level: f32) -> PathBuf {
        self.home.song(name, RATE_HZ, seconds, level)
    }

    /// Starts a worker and waits until it has loaded the bundled model.
    fn warm(&self) -> IdleWorker {
        let mut idle =
            IdleWorker::start(computing(), &self.launcher, std::thread::current()).unwrap();
        wait("the model", || {
            assert!(idle.step(Instant::now(), true), "the worker is of no use");
            idle.has_loaded()
        });
        idle
    }
}

fn computing() -> (String, EngineName) {
    (BUNDLED_MODEL.to_owned(), EngineName::Cpu)
}

fn separate(song: &Path) -> Task {
    let (model, engine) = computing();
    Task::Separate {
        song: song.to_owned(),
        model,
        engine,
    }
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Steps a job to its end; returns the result and every stage that was seen.
fn finish(job: &mut Job) -> (JobOutcome, Vec<Stage>) {
    let (mut end, mut stages) = (None, Vec::new());
    wait("an end", || {
        end = job.step(Instant::now());
        stages.push(job.stage().clone());
        end.is_some()
    });
    (end.unwrap(), stages)
}

fn is_running(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    state.is_ok_and(|state| !state.contains(") Z"))
}

#[cfg(target_os = "linux")]
fn kill(pid: u32) {
    assert!(
        std::process::Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
    wait("its end", || !is_running(pid));
}

#[test]
fn one_worker_does_one_separation_after_the_other_and_loads_once() {
    let fixture = WorkerFixture::new();
    let mut idle = fixture.warm();

    let pid = idle.pid();
    for (number, level) in [0.5, 0.25, 0.5].into_iter().enumerate() {
        let song = fixture.song(&format!("{number}.wav"), 1, level);
        let mut job = Job::on(idle, separate(&song));
        let (ended, stages) = finish(&mut job);

        // The third is the first once more.
        assert!(
            matches!(ended, JobOutcome::Separated { cached, .. } if cached == (number == 2)),
            "{ended:?}"
        );
        let loads = stages
            .iter()
            .any(|stage| matches!(stage, Stage::Loading(_)));

        assert!(!loads, "it was loaded already: {stages:?}");
        idle = job.keep_worker().unwrap();

        assert_eq!(idle.pid(), pid);
        assert!(idle.step(Instant::now(), false));
    }

    drop(idle);
    #[cfg(target_os = "linux")]
    assert!(!is_running(pid), "it goes when nobody keeps it");
}

/// A separation that is started while the model is still loaded shows the loading, and waits for
/// it.
#[test]
fn a_separation_may_come_before_all_is_loaded() {
    let fixture = WorkerFixture::new();
    let idle = IdleWorker::start(computing(), &fixture.launcher, std::thread::current()).unwrap();
    let mut job = Job::on(idle, separate(&fixture.song("song.wav", 1, 0.5)));
    let (ended, stages) = finish(&mut job);

    assert!(
        matches!(ended, JobOutcome::Separated { cached: false, .. }),
        "{ended:?}"
    );
    let loading = stages.iter().find_map(|stage| match stage {
        Stage::Loading(loading) => Some(loading.what.as_str()),
        _ => None,
    });

    assert!(
        loading.is_some_and(|what| what.starts_with(char::is_lowercase)),
        "a phrase: {stages:?}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_died_while_nobody_needed_it_is_noticed_and_costs_no_clip() {
    let fixture = WorkerFixture::new();
    let mut idle = fixture.warm();
    kill(idle.pid());
    wait("that it is noticed", || !idle.step(Instant::now(), true));

    // The worker's end is not noticed before the job starts.
    let idle = fixture.warm();
    kill(idle.pid());
    let mut job = Job::on(idle, separate(&fixture.song("song.wav", 1, 0.5)));
    let (ended, _) = finish(&mut job);
    let JobOutcome::Failed(fault) = ended else {
        panic!("{ended:?}")
    };

    assert!(job.was_never_begun(&fault), "{fault}");

    // The end of a worker in the middle of a job is reported.
    let mut job = Job::on(fixture.warm(), separate(&fixture.song("long.wav", 60, 0.5)));
    let mut pid = None;
    wait("its beginning", || {
        assert_eq!(job.step(Instant::now()), None);
        pid = Some(job.pid());
        matches!(
            job.stage(),
            Stage::Working {
                stage: Some(sextet_protocol::worker::Stage::Separating),
                ..
            }
        )
    });

    kill(pid.unwrap());
    let (ended, _) = finish(&mut job);
    let JobOutcome::Failed(fault) = ended else {
        panic!("{ended:?}")
    };

    assert!(
        !job.was_never_begun(&fault) && fault.to_string().contains("ended unexpectedly"),
        "{fault}"
    );
}

/// A worker that is given up is soon free for the next clip, or ended, whatever it was doing.
#[cfg(target_os = "linux")]
#[test]
fn a_separation_that_is_given_up_frees_its_worker_or_ends_it() {
    let fixture = WorkerFixture::new();
    let long = fixture.song("long.wav", 60, 0.5);
    let fresh = Job::start(separate(&long), &fixture.launcher, std::thread::current()).unwrap();

    let pid = fresh.pid();
    assert!(
        fresh.cancel().is_none() && !is_running(pid),
        "it has not said hello"
    );

    let mut job = Job::on(fixture.warm(), separate(&long));
    let pid = job.pid();
    wait("its beginning", || {
        assert_eq!(job.step(Instant::now()), None);
        matches!(
            job.stage(),
            Stage::Working {
                stage: Some(sextet_protocol::worker::Stage::Separating),
                ..
            }
        )
    });

    let mut idle = job.cancel().unwrap();
    let mut is_of_use = true;
    wait("that it has left off", || {
        is_of_use = idle.step(Instant::now(), false);
        !is_of_use || !idle.is_cancelling()
    });

    println!(
        "after half a second the worker is {}",
        if is_of_use { "free" } else { "still computing" }
    );
    if is_of_use {
        let mut job = Job::on(idle, separate(&fixture.song("short.wav", 1, 0.5)));
        assert!(matches!(finish(&mut job).0, JobOutcome::Separated { .. }));
    } else {
        drop(idle);
        assert!(!is_running(pid));
    }
}
