//! The session: one instance's clip, from capture to stems. It runs on a thread of its own, off the
//! audio thread and off the host's. [`Session`] is the way to command it and to see its state.

mod channel;
mod command;
mod conductor;
mod examination;
mod scan;
#[cfg(test)]
mod tests;
mod upkeep;
mod view;

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::{JoinHandle, Thread};

use nice_plug_egui::RepaintNotifier;
use sextet_protocol::Folders;

use crate::saved::SavedField;
use crate::shared_state::SharedState;
use crate::worker::Launcher;
pub(crate) use channel::{AudioEndpoint, channel};
pub(crate) use command::{Command, RenderRequest, mix_as_heard, mix_without};
use conductor::Conductor;
pub(crate) use upkeep::{TaskState, UpkeepRequest, UpkeepState};
#[cfg(test)]
pub(crate) use view::Shown;
pub(crate) use view::{BackgroundJob, CloseUps, Phase, View, ViewCell, model_title};

/// A handle of a session. Dropping it ends the thread.
pub(crate) struct Session {
    remote: Remote,
    thread: Option<JoinHandle<()>>,
}

/// A handle to send commands to a session and to see its state.
#[derive(Clone)]
pub(crate) struct Remote {
    commands: Sender<Command>,
    thread: Thread,
    pub(crate) shared: Arc<SharedState>,
    pub(crate) view: Arc<ViewCell>,
}

impl Session {
    /// Starts a session for the user's folders.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(saved: Arc<SavedField>, repaint: RepaintNotifier) -> std::io::Result<Self> {
        Self::start_at(
            saved,
            Folders::of_user()
                .map(Launcher::new)
                .map_err(|error| error.to_string()),
            repaint,
        )
    }

    /// Starts a session for other folders, or another command.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start_at(
        saved: Arc<SavedField>,
        launcher: Result<Launcher, String>,
        repaint: RepaintNotifier,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = mpsc::channel();
        let (shared, view) = (
            Arc::new(SharedState::new(repaint)),
            Arc::new(ViewCell::default()),
        );
        let conductor =
            Conductor::new(inbox, launcher, saved.clone(), shared.clone(), view.clone());
        let named = std::thread::Builder::new().name("sextet session".to_owned());

        let thread = named.spawn(move || conductor.run())?;
        let remote = Remote {
            commands,
            thread: thread.thread().clone(),
            shared,
            view,
        };

        let on_load = remote.clone();
        saved.on_load(Some(Box::new(move |saved| {
            on_load.send(Command::Load(Box::new(saved)))
        })));
        Ok(Self {
            remote,
            thread: Some(thread),
        })
    }

    /// Returns the handle for other parts that send commands to the session.
    pub(crate) fn remote(&self) -> &Remote {
        &self.remote
    }
}

impl Remote {
    /// Sends a command.
    pub(crate) fn send(&self, command: Command) {
        // Ignore the error: a session whose thread is gone has nothing left to do.
        let _ = self.commands.send(command);

        // The command is counted after it was sent; otherwise the session could settle a command
        // that it has not seen.
        self.shared.post();
        self.thread.unpark();
    }

    /// Returns the handle of a session that does nothing, and the commands that it receives.
    #[cfg(test)]
    pub(crate) fn detached() -> (Self, mpsc::Receiver<Command>) {
        let (commands, inbox) = mpsc::channel();
        let (shared, view) = (Arc::default(), Arc::default());
        (
            Self {
                commands,
                thread: std::thread::current(),
                shared,
                view,
            },
            inbox,
        )
    }

    /// Returns the session's thread, to wake it.
    pub(crate) fn thread(&self) -> Thread {
        self.thread.clone()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.remote.shared.stop();
        self.remote.thread.unpark();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
