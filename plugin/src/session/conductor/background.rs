//! Background jobs beside the separation: opening a file, and rendering files. Each has a worker of
//! its own.

use std::path::Path;
use std::time::Instant;

use sextet_protocol::worker::{JobId, Render};

use super::Conductor;
use crate::capture::Silenced;
use crate::saved::SavedClip;
use crate::session::command::RenderRequest;
use crate::session::conductor::captures::errand_job;
use crate::session::view::{BackgroundJob, BackgroundKind};
use crate::worker::{Fault, Job, JobOutcome, Stage, Task};

impl Conductor {
    pub(super) fn open(&mut self, path: &Path) {
        self.import = self.start_background(Task::Import {
            song: path.to_owned(),
        });
        if self.import.is_some() {
            self.warm_up();
        }
    }

    pub(super) fn render(&mut self, order: RenderRequest) {
        let Some((key, name)) = self
            .history
            .clip()
            .and_then(|clip| Some((clip.key?, clip.name.clone())))
        else {
            return;
        };

        let RenderRequest {
            folder,
            stems,
            mixes,
            format,
            bits,
            rate_hz,
        } = order;

        // The worker assigns the job's number.
        let render = Render {
            job: JobId(0),
            key,
            stems,
            mixes,
            folder,
            name,
            format,
            bits,
            rate_hz,
        };

        self.render = self.start_background(Task::Render(Box::new(render)));
    }

    fn start_background(&mut self, task: Task) -> Option<Job> {
        let started = match &self.launcher {
            Ok(launcher) => Job::start(task, launcher, std::thread::current()),
            Err(reason) => Err(Fault::NoFolder(reason.clone())),
        };
        match started {
            Ok(job) => {
                self.notice = None;
                Some(job)
            }
            Err(fault) => {
                self.show_notice(&fault);
                None
            }
        }
    }

    pub(super) fn cancel_background(&mut self, kind: BackgroundKind) {
        match kind {
            BackgroundKind::Import => self.import = None,
            BackgroundKind::Render => self.render = None,
            BackgroundKind::Errand => self.errand = None,
        }
    }

    /// Returns the job that is shown: the file that is being opened before files that are
    /// written.
    pub(super) fn background_job(&self) -> Option<BackgroundJob> {
        let kinds = [
            (BackgroundKind::Import, &self.import),
            (BackgroundKind::Render, &self.render),
        ];
        let running = kinds
            .into_iter()
            .find_map(|(kind, job)| Some((kind, job.as_ref()?)));
        let Some((kind, job)) = running else {
            return self.errand.as_ref().map(errand_job);
        };

        let what = match job.task() {
            Task::Import { song } => format!("Opening {}", song.display()),
            _ => "Rendering to files".to_owned(),
        };

        let part = match job.stage() {
            Stage::Working { done, total, .. } if *total > 0 => Some(*done as f32 / *total as f32),
            _ => None,
        };
        Some(BackgroundJob { kind, what, part })
    }

    pub(super) fn step_background(&mut self) {
        let now = Instant::now();
        if let Some(ended) = self.import.as_mut().and_then(|job| job.step(now)) {
            self.end_import(ended);
        }
        if let Some(ended) = self.render.as_mut().and_then(|job| job.step(now)) {
            self.end_render(ended);
        }
    }

    fn end_import(&mut self, ended: JobOutcome) {
        let Some(job) = self.import.take() else {
            return;
        };
        match (job.task(), ended) {
            // The file is the clip's own, which was missing. It stays in its place on the timeline.
            (_, JobOutcome::Imported { audio, .. })
                if self.history.clip().is_some_and(|clip| clip.audio == audio) =>
            {
                self.retry_missing_capture();
            }
            (
                Task::Import { song },
                JobOutcome::Imported {
                    audio,
                    rate_hz,
                    frames,
                },
            ) => {
                let name = song
                    .file_stem()
                    .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                self.replace_clip(Some(SavedClip {
                    audio,
                    start_frame: 0,
                    frames,
                    rate_hz,
                    name,
                    key: None,
                    silenced: Silenced::default(),
                    file: None,
                }));
                self.new_capture();

                if self.settings.automatic {
                    self.separate();
                }
            }
            (_, JobOutcome::Failed(fault)) => self.show_notice(&fault),
            _ => {}
        }
    }

    fn end_render(&mut self, ended: JobOutcome) {
        let Some(job) = self.render.take() else {
            return;
        };
        match (job.task(), ended) {
            (Task::Render(order), JobOutcome::Rendered { paths }) => {
                let folder = paths
                    .first()
                    .and_then(|path| path.parent())
                    .unwrap_or(&order.folder)
                    .to_owned();

                let count = match paths.len() {
                    1 => "1 file was".to_owned(),
                    count => format!("{count} files were"),
                };
                let message = format!("{count} written to {}.", folder.display());
                self.notice = Some((message, String::new()));

                self.rendered = Some(folder);
            }
            (_, JobOutcome::Failed(fault)) => self.show_notice(&fault),
            _ => {}
        }
    }
}
