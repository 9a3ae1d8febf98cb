//! Errands: collecting a clip and looking for its capture, on a thread of their own.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver};
use std::thread::{JoinHandle, Thread};

use sextet_protocol::Folders;

use super::transfer::Watch;
use super::{collect, find};
use crate::saved::SavedClip;

/// The work of an errand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ErrandTask {
    /// Copies the clip's capture, which is at this path, and its stems to a folder.
    Collect { capture: PathBuf, folder: PathBuf },
    /// Looks for the clip's capture in a folder.
    Find { folder: PathBuf },
}

/// The result of an errand.
#[derive(Debug)]
pub(crate) enum ErrandOutcome {
    /// The clip's capture is at this path.
    At(PathBuf),
    /// The folder does not have it.
    NotFound,
    /// The system's error.
    Failed(io::Error),
}

/// A running errand. Dropping it cancels it.
pub(crate) struct Errand {
    pub(crate) clip: SavedClip,
    pub(crate) task: ErrandTask,
    watch: Arc<Watch>,
    outcome: Receiver<ErrandOutcome>,
    thread: Option<JoinHandle<()>>,
}

impl Errand {
    /// Starts an errand for a clip, which wakes the thread `session` when it is done.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        clip: SavedClip,
        task: ErrandTask,
        folders: Folders,
        session: Thread,
    ) -> io::Result<Self> {
        let watch = Arc::new(Watch::default());
        let (sender, outcome) = mpsc::channel();
        let work = {
            let (clip, task, watch) = (clip.clone(), task.clone(), watch.clone());
            move || {
                // Ignore the error: the errand was cancelled.
                let _ = sender.send(run(&clip, &task, &folders, &watch));
                session.unpark();
            }
        };

        let named = std::thread::Builder::new().name("sextet errand".to_owned());
        let thread = Some(named.spawn(work)?);
        Ok(Self {
            clip,
            task,
            watch,
            outcome,
            thread,
        })
    }

    /// Returns the part that is done, where it is known.
    pub(crate) fn part(&self) -> Option<f32> {
        let [done, total] =
            [&self.watch.done, &self.watch.total].map(|bytes| bytes.load(Ordering::Relaxed));
        (total > 0).then(|| (done as f32 / total as f32).min(1.0))
    }

    /// Returns the result, once there is one.
    pub(crate) fn poll(&self) -> Option<ErrandOutcome> {
        match self.outcome.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(mpsc::TryRecvError::Empty) => None,
            Err(mpsc::TryRecvError::Disconnected) => {
                let ended = io::Error::other("the thread ended unexpectedly");
                Some(ErrandOutcome::Failed(ended))
            }
        }
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.watch.is_cancelled.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(clip: &SavedClip, task: &ErrandTask, folders: &Folders, watch: &Watch) -> ErrandOutcome {
    let result = match task {
        ErrandTask::Collect { capture, folder } => {
            collect::collect(clip, capture, folders, folder, watch).map(Some)
        }
        ErrandTask::Find { folder } => find::find(clip, folders, folder, watch),
    };
    match result {
        Ok(Some(path)) => ErrandOutcome::At(path),
        Ok(None) => ErrandOutcome::NotFound,
        Err(error) => ErrandOutcome::Failed(error),
    }
}
