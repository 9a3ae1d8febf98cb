//! Clips: audio files that are read, decoded and hashed.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sextet_protocol::worker::{Reply, Stage};
use sextet_protocol::{AudioHasher, Fingerprint};
use sextet_separator::audio::{Audio, AudioFile, AudioStream as _, Folded};
use sextet_separator::{DecodeOptions, Decoded, Listener, Progress};

use super::job::Job;
use crate::decoding;

/// Pause between two replies about the same stage.
const EVERY: Duration = Duration::from_millis(100);

/// A clip that has been read once.
pub(super) struct Clip {
    pub(super) file: AudioFile,
    /// Fingerprint of its stereo form, which is what is separated.
    pub(super) audio: Fingerprint,
    pub(super) rate_hz: u32,
    pub(super) frames: u64,
}

impl Clip {
    /// Reads the file at `path` from beginning to end.
    ///
    /// # Errors
    /// When it cannot be read or decoded, or the job is cancelled.
    pub(super) fn read(path: &Path, job: &Job) -> Result<Self> {
        let file = decoding::open(path).with_context(|| format!("'{}'", path.display()))?;
        let mut stream = Folded::new(file.stream()?);
        let layout = stream.layout();
        let total = file.info().frames.unwrap_or(0);
        let (mut hasher, mut frames) = (AudioHasher::new(layout.channels, layout.rate_hz), 0);

        let mut progress = Throttled::new(job);
        while let Some(block) = stream.next_block()? {
            job.check()?;
            hasher.push(block.channels());
            frames += block.frames() as u64;
            progress.tell(Stage::Reading, frames, total, None, None);
        }

        Ok(Self {
            file,
            audio: hasher.finish(),
            rate_hz: layout.rate_hz,
            frames,
        })
    }
}

/// A clip that has been read for separation.
pub(super) struct DecodedClip {
    pub(super) song: Decoded<AudioFile>,
    /// Fingerprint of its stereo form, which is what is separated.
    pub(super) audio: Fingerprint,
}

impl DecodedClip {
    /// Reads the file at `path` from beginning to end; hashes, measures and keeps it in the same
    /// pass.
    ///
    /// # Errors
    /// When it cannot be read or decoded, or the job is cancelled.
    pub(super) fn read(path: &Path, options: DecodeOptions, job: &Job) -> Result<Self> {
        let file = decoding::open(path).with_context(|| format!("'{}'", path.display()))?;
        let total = file.info().frames.unwrap_or(0);
        let mut hasher = AudioHasher::new(2, file.info().layout.rate_hz);

        let mut listener = ReadListener {
            job,
            progress: Throttled::new(job),
            total,
        };

        let song = Decoded::read(file, options, &mut listener, &mut |block: &Audio| {
            hasher.push(block.channels())
        });
        job.check()?;
        Ok(Self {
            song: song?,
            audio: hasher.finish(),
        })
    }

    pub(super) fn rate_hz(&self) -> u32 {
        self.song.layout().rate_hz
    }

    /// Returns the length in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.song.frames() as f64 / f64::from(self.rate_hz())
    }

    /// Returns the file's name, for people.
    pub(super) fn name(&self) -> &str {
        &self.song.source().info().file_name
    }
}

/// Listener for the progress of reading a clip.
struct ReadListener<'a> {
    job: &'a Job,
    progress: Throttled<'a>,
    total: u64,
}

impl Listener for ReadListener<'_> {
    fn progress(&mut self, progress: Progress) {
        if let Progress::Reading { frames } = progress {
            self.progress
                .tell(Stage::Reading, frames, self.total, None, None);
        }
    }

    fn cancelled(&self) -> bool {
        self.job.is_over()
    }
}

/// Sends progress replies at a limited rate, and always when a stage is complete.
pub(super) struct Throttled<'a> {
    job: &'a Job,
    last: Option<Instant>,
}

impl<'a> Throttled<'a> {
    pub(super) fn new(job: &'a Job) -> Self {
        Self { job, last: None }
    }

    pub(super) fn tell(
        &mut self,
        stage: Stage,
        done: u64,
        total: u64,
        speed: Option<f64>,
        left_s: Option<f64>,
    ) {
        let whole = total > 0 && done == total;
        if !whole && self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }

        self.last = Some(Instant::now());
        let job = self.job.id();
        self.job.tell(&Reply::Progress {
            job,
            stage,
            done,
            total,
            speed,
            seconds_left: left_s,
        });
    }
}
