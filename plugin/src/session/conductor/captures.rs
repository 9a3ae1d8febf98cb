//! The captures: which are in use, the list of them, and the clip's, which a project takes along.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sextet_protocol::{Fingerprint, Folders};

use super::Conductor;
use super::state::State;
use crate::captures::{self, Errand, ErrandOutcome, ErrandTask, capture_of};
use crate::saved::SavedClip;
use crate::session::view::{BackgroundJob, BackgroundKind};
use crate::worker::Launcher;

impl Conductor {
    fn folders(&self) -> Option<&Folders> {
        self.launcher.as_ref().ok().map(Launcher::folders)
    }

    /// Returns the path of the clip's capture; `None` without a clip.
    pub(super) fn capture_path(&self) -> Option<PathBuf> {
        let clip = self.history.clip()?;
        Some(capture_of(clip, &self.settings, self.folders()?))
    }

    /// Holds the captures of the clip and of its history, so that nobody deletes them.
    pub(super) fn hold_captures(&mut self) {
        let Ok(launcher) = &self.launcher else {
            return;
        };
        let folders = launcher.folders();
        let used = self.history.all();
        self.holds
            .set(used.map(|clip| capture_of(clip, &self.settings, folders)));
    }

    /// Names a new capture for people, and makes room for it.
    pub(super) fn new_capture(&mut self) {
        let (Some(path), Some(clip)) = (self.capture_path(), self.history.clip()) else {
            return;
        };
        // Ignore the error: the list shows the fingerprint then.
        let _ = captures::write_label(&path, &clip.name);
        self.make_room();
    }

    fn make_room(&mut self) {
        let folder = self.folders().map(Folders::captures);
        let deleted = folder.map_or(0, |folder| captures::keep_within_limit(&folder));
        if deleted > 0 {
            let captures = match deleted {
                1 => "The capture that was used longest ago was".to_owned(),
                deleted => format!("The {deleted} captures that were used longest ago were"),
            };
            let message = format!("{captures} deleted, to keep within the limit.");
            let remedy = "Set another limit, or none, in Settings.";
            self.notice = Some((message, remedy.to_owned()));
        }
        if self.capture_list.is_some() {
            self.list_captures();
        }
    }

    pub(super) fn list_captures(&mut self) {
        let list = self
            .folders()
            .map(|folders| captures::list(&folders.captures()));
        self.capture_list = list.map(Arc::new);
    }

    pub(super) fn delete_capture(&mut self, audio: &Fingerprint) {
        let Some(folder) = self.folders().map(Folders::captures) else {
            return;
        };
        match captures::delete(&folder, audio) {
            Ok(true) => {}
            Ok(false) => {
                let message = "The capture is in use by an open project, and was not deleted.";
                let remedy = "Remove the clip there, or close that project, then delete it.";
                self.notice = Some((message.to_owned(), remedy.to_owned()));
            }
            Err(error) => {
                let message = format!(
                    "The capture cannot be deleted from {}: {error}.",
                    folder.display()
                );
                let remedy = "Check that the folder can be written to.";
                self.notice = Some((message, remedy.to_owned()));
            }
        }
        self.list_captures();
    }

    pub(super) fn limit_captures(&mut self, limit_bytes: Option<u64>) {
        let Some(folder) = self.folders().map(Folders::captures) else {
            return;
        };
        if let Err(error) = captures::set_limit(&folder, limit_bytes) {
            let message = format!("The limit cannot be kept in {}: {error}.", folder.display());
            let remedy = "Check that the folder can be written to.";
            self.notice = Some((message, remedy.to_owned()));
        }
        self.make_room();
    }

    /// Starts collecting the clip into a folder.
    pub(super) fn collect(&mut self, folder: PathBuf) {
        let Some(capture) = self.capture_path() else {
            return;
        };
        if capture.is_file() {
            return self.start_errand(ErrandTask::Collect { capture, folder });
        }
        let message = format!("The clip's capture is gone: {}.", capture.display());
        let remedy = "Look for it in a folder, or capture the clip again.";
        self.notice = Some((message, remedy.to_owned()));
    }

    /// Starts looking for the clip's capture in a folder.
    pub(super) fn find_capture(&mut self, folder: PathBuf) {
        self.start_errand(ErrandTask::Find { folder });
    }

    fn start_errand(&mut self, task: ErrandTask) {
        let (Some(clip), Some(folders)) = (self.history.clip(), self.folders()) else {
            return;
        };
        let session = std::thread::current();
        match Errand::start(clip.clone(), task.clone(), folders.clone(), session) {
            Ok(errand) => (self.errand, self.notice) = (Some(errand), None),
            Err(error) => self.errand_failed(&task, &error),
        }
    }

    pub(super) fn step_errand(&mut self) {
        let Some(outcome) = self.errand.as_ref().and_then(Errand::poll) else {
            return;
        };
        let Some(errand) = self.errand.take() else {
            return;
        };

        let name = &errand.clip.name;
        match outcome {
            ErrandOutcome::At(path) => self.relink(&errand, path),
            ErrandOutcome::NotFound => {
                let ErrandTask::Find { folder } = &errand.task else {
                    return;
                };
                let message = format!(
                    "None of the WAV files in {} is the capture of {name}.",
                    folder.display()
                );
                let remedy = "Look in another folder, capture the clip again, or open its file.";
                self.notice = Some((message, remedy.to_owned()));
            }
            ErrandOutcome::Failed(error) => self.errand_failed(&errand.task, &error),
        }
    }

    fn errand_failed(&mut self, task: &ErrandTask, error: &io::Error) {
        let (message, remedy) = match task {
            ErrandTask::Collect { folder, .. } => (
                format!(
                    "The clip cannot be collected into {}: {error}.",
                    folder.display()
                ),
                "Make room there, or choose a folder that can be written to.",
            ),
            ErrandTask::Find { folder } => (
                format!(
                    "The capture cannot be looked for in {}: {error}.",
                    folder.display()
                ),
                "Choose a folder that can be read.",
            ),
        };
        self.notice = Some((message, remedy.to_owned()));
    }

    /// Uses the clip's capture from another path from now on. That can be undone.
    fn relink(&mut self, errand: &Errand, path: PathBuf) {
        // The clip may have been replaced meanwhile.
        let clip = self
            .history
            .clip()
            .filter(|clip| clip.audio == errand.clip.audio);
        let Some(clip) = clip.cloned() else {
            return;
        };

        let is_usual = self
            .folders()
            .is_some_and(|folders| folders.capture(&clip.audio) == path);
        let Some(text) = path.to_str() else {
            let message = format!(
                "A project cannot keep the path {}, which is not Unicode.",
                path.display()
            );
            let remedy = "Choose a folder with another name.";
            self.notice = Some((message, remedy.to_owned()));
            return;
        };
        let file = Some(text.to_owned()).filter(|_| !is_usual);
        let is_found = matches!(errand.task, ErrandTask::Find { .. });
        let message = match (is_found, &file) {
            (true, _) => format!("The capture was found: {}.", path.display()),
            (false, _) => format!("{} was collected: {}.", clip.name, path.display()),
        };

        self.rendered = path.parent().map(PathBuf::from).filter(|_| !is_found);
        if self.history.replace(Some(SavedClip { file, ..clip })) {
            self.hold_captures();
            self.save();
        }

        self.retry_missing_capture();
        if !matches!(self.state, State::Ready(_)) && !self.state.is_capturing() {
            self.show_clip();
            self.open_stems(true);
        }
        self.notice = Some((message, String::new()));
    }
}

/// Returns an errand as the editor shows it.
pub(super) fn errand_job(errand: &Errand) -> BackgroundJob {
    let what = match &errand.task {
        ErrandTask::Collect { folder, .. } => {
            format!("Collecting {} into {}", errand.clip.name, folder.display())
        }
        ErrandTask::Find { folder } => {
            format!("Looking for {} in {}", errand.clip.name, folder.display())
        }
    };
    BackgroundJob {
        kind: BackgroundKind::Errand,
        what,
        part: errand.part(),
    }
}
