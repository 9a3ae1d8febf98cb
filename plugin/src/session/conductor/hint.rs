//! The hint about an unused GPU: shown once to a user, after a clip was separated on the CPU.

use std::fs;
use std::path::PathBuf;

use sextet_protocol::worker::{EngineName, GpuState};

use super::Conductor;
use crate::session::upkeep::Wish;

/// File of the data folder that exists once the hint was read.
const READ_FILE: &str = "gpu-hint-was-read";

impl Conductor {
    /// Looks for a GPU after the first clip that was separated on the CPU although the CPU was not
    /// chosen.
    pub(super) fn consider_hint(&mut self, cached: bool) {
        let on_cpu = self
            .made_with
            .as_ref()
            .is_some_and(|made| made.engine() == Some(EngineName::Cpu));
        if cached || !on_cpu || self.settings.engine != EngineName::Auto || self.considered_hint {
            return;
        }

        self.considered_hint = true;
        if self.hint_file().is_some_and(|file| !file.exists()) {
            self.awaits_hint = true;
            if self.upkeep.machine().is_none() {
                self.upkeep
                    .obey(Wish::Inspect, &self.folders, &std::thread::current());
            }
        }
    }

    /// Shows the hint once it is known that there is a GPU to be set up.
    pub(super) fn show_hint(&mut self) {
        let Some(machine) = self.upkeep.machine().filter(|_| self.awaits_hint) else {
            return;
        };
        self.has_hint = machine.gpu.state == GpuState::ToBeSetUp;
        self.awaits_hint = false;
    }

    /// Hides the hint and records that it was read, so that no instance shows it any more.
    pub(super) fn dismiss_hint(&mut self) {
        if !std::mem::take(&mut self.has_hint) {
            return;
        }
        if let Some(file) = self.hint_file() {
            // Ignore errors: if the file cannot be written, the hint is shown again.
            let _ = file.parent().map(fs::create_dir_all);
            let _ = fs::write(file, "");
        }
    }

    fn hint_file(&self) -> Option<PathBuf> {
        self.folders
            .as_ref()
            .ok()
            .map(|folders| folders.data().join(READ_FILE))
    }
}
