//! The hint about an unused GPU: shown once to a user, after a clip was separated on the CPU.

use std::fs;
use std::path::PathBuf;

use sextet_protocol::worker::{EngineName, GpuState};

use super::Conductor;
use crate::session::upkeep::UpkeepRequest;

/// File of the data folder that exists once the hint was read.
const READ_FILE: &str = "gpu-hint-was-read";

/// The state of the hint in one instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum GpuHint {
    /// No clip has given a reason for it yet.
    #[default]
    Unconsidered,
    /// The hint waits for the report on the GPU.
    Awaited,
    /// There is a GPU to be set up, and the hint says so.
    Shown,
    /// The hint is not needed, or was read.
    Over,
}

impl GpuHint {
    pub(super) fn is_shown(self) -> bool {
        self == Self::Shown
    }

    /// Takes note that the GPU was set up.
    pub(super) fn gpu_is_ready(&mut self) {
        if self.is_shown() {
            *self = Self::Over;
        }
    }
}

impl Conductor {
    /// Looks for a GPU after the first clip that was separated on the CPU although the CPU was not
    /// chosen.
    pub(super) fn consider_hint(&mut self, cached: bool) {
        let on_cpu = self
            .state
            .stems()
            .is_some_and(|stems| stems.stem_origin.engine() == Some(EngineName::Cpu));
        let is_new = self.hint == GpuHint::Unconsidered;
        if cached || !on_cpu || self.settings.engine != EngineName::Auto || !is_new {
            return;
        }

        self.hint = GpuHint::Over;
        if self.hint_file().is_some_and(|file| !file.exists()) {
            self.hint = GpuHint::Awaited;
            if self.upkeep.machine().is_none() {
                self.upkeep.handle(
                    UpkeepRequest::Inspect,
                    &self.launcher,
                    &std::thread::current(),
                );
            }
        }
    }

    /// Shows the hint once it is known that there is a GPU to be set up.
    pub(super) fn show_hint(&mut self) {
        let Some(machine) = self.upkeep.machine() else {
            return;
        };
        if self.hint == GpuHint::Awaited {
            self.hint = if machine.gpu.state == GpuState::ToBeSetUp {
                GpuHint::Shown
            } else {
                GpuHint::Over
            };
        }
    }

    /// Hides the hint and records that it was read, so that no instance shows it any more.
    pub(super) fn dismiss_hint(&mut self) {
        if !self.hint.is_shown() {
            return;
        }
        self.hint = GpuHint::Over;
        if let Some(file) = self.hint_file() {
            // Ignore errors: if the file cannot be written, the hint is shown again.
            let _ = file.parent().map(fs::create_dir_all);
            let _ = fs::write(file, "");
        }
    }

    fn hint_file(&self) -> Option<PathBuf> {
        self.launcher
            .as_ref()
            .ok()
            .map(|launcher| launcher.folders().data().join(READ_FILE))
    }
}
