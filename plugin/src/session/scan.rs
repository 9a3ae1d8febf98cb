//! The scan: a thread that reads a clip's files for their waveforms, and checks that the stems are
//! unchanged.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use sextet_protocol::{ErrorKind, Stem};
use sextet_wav::{FloatWav, WavError};

use crate::overview::Overview;
use crate::playback::{CHANNELS, StemFiles};

/// Number of frames that are read at a time.
const RUN_FRAMES: usize = 1 << 15;
/// Interval at which the editor is told of the progress.
const REPORT: Duration = Duration::from_millis(250);

/// The files that are scanned.
pub(super) enum ScanSubject {
    /// A capture, given by its path.
    Clip(PathBuf),
    /// An entry of the cache, and whether its files may have changed since they were made.
    Stems { files: Box<StemFiles>, verify: bool },
}

/// A finding of the scan.
pub(super) enum ScanEvent {
    /// The overview of the clip so far.
    Clip(Overview),
    /// The overviews of the stems so far, and the overview of their sum, which is the clip.
    Stems(Box<[Overview; Stem::ALL.len()]>, Overview),
    /// The reason for which the stems are damaged: they differ from their manifest.
    Damaged(String),
}

/// A running scan. Dropping it ends the scan.
pub(super) struct Scan {
    events: Receiver<ScanEvent>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scan {
    /// Starts a scan of `subject`, which wakes the thread `session` for every finding. `None` if
    /// the system gives no thread.
    pub(super) fn start(subject: ScanSubject, session: Thread) -> Option<Self> {
        let (sender, events) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let scanner = Scanner {
            sender,
            session,
            stop: stop.clone(),
            reported: Instant::now(),
        };

        let named = std::thread::Builder::new().name("sextet scan".to_owned());
        let thread = named.spawn(move || scanner.run(subject)).ok()?;
        Some(Self {
            events,
            stop,
            thread: Some(thread),
        })
    }

    /// Returns the next finding; `None` if there is none.
    pub(super) fn poll(&self) -> Option<ScanEvent> {
        self.events.try_recv().ok()
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Scanner {
    sender: Sender<ScanEvent>,
    session: Thread,
    stop: Arc<AtomicBool>,
    reported: Instant,
}

impl Scanner {
    fn run(mut self, subject: ScanSubject) {
        match subject {
            ScanSubject::Clip(path) => {
                // A capture that cannot be read is noticed where it is needed.
                let wav = File::open(path)
                    .map_err(WavError::from)
                    .and_then(FloatWav::open);
                if let Ok(wav) = wav {
                    self.clip(wav);
                }
            }
            ScanSubject::Stems { files, verify } => self.stems(*files, verify),
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn report(&mut self, events: ScanEvent) {
        let _ = self.sender.send(events);
        self.session.unpark();
        self.reported = Instant::now();
    }

    fn clip(&mut self, mut wav: FloatWav) {
        let mut overview = Overview::silent(wav.frames());
        let mut run = Vec::new();
        for first in (0..wav.frames()).step_by(RUN_FRAMES) {
            run.resize(
                2 * (wav.frames() - first).min(RUN_FRAMES as u64) as usize,
                0.0,
            );
            if self.stopped() || wav.read_into(first, &mut run).is_err() {
                return;
            }

            for side in 0..2 {
                overview.add(first, run.iter().skip(side).step_by(2).copied());
            }

            if self.reported.elapsed() > REPORT {
                self.report(ScanEvent::Clip(overview.clone()));
            }
        }

        self.report(ScanEvent::Clip(overview));
    }

    fn stems(&mut self, mut files: StemFiles, verify: bool) {
        let frames = files.frames();
        let mut overviews = Box::new(Stem::ALL.map(|_| Overview::silent(frames)));
        let mut clip = Overview::silent(frames);

        let mut planar = vec![0.0; CHANNELS * RUN_FRAMES];
        for first in (0..frames).step_by(RUN_FRAMES) {
            let count = (frames - first).min(RUN_FRAMES as u64) as usize;
            if self.stopped()
                || files
                    .read_into(first.cast_signed(), RUN_FRAMES, &mut planar)
                    .is_err()
            {
                return;
            }
            let channels: Vec<&[f32]> = planar
                .chunks_exact(RUN_FRAMES)
                .map(|channel| &channel[..count])
                .collect();

            // Add the samples to the stems' overviews, and their sum to the clip's.
            for (overview, pair) in overviews.iter_mut().zip(channels.chunks_exact(2)) {
                pair.iter()
                    .for_each(|channel| overview.add(first, channel.iter().copied()));
            }

            for side in 0..2 {
                let sum = |frame: usize| {
                    channels
                        .iter()
                        .skip(side)
                        .step_by(2)
                        .map(|channel| channel[frame])
                        .sum()
                };
                clip.add(first, (0..count).map(sum));
            }

            if self.reported.elapsed() > REPORT {
                self.report(ScanEvent::Stems(overviews.clone(), clip.clone()));
            }
        }

        self.report(ScanEvent::Stems(overviews, clip));
        // Compare the files with the manifest.
        if verify
            && let Err(error) = files.entry().verify(&|| self.stopped())
            && error.kind() != ErrorKind::Cancelled
        {
            self.report(ScanEvent::Damaged(error.to_string()));
        }
    }
}
