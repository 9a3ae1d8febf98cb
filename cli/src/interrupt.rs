//! Ctrl-C and SIGTERM end the process within a moment, whatever the engine is doing, and leave
//! nothing half-written.

use std::sync::atomic::{AtomicBool, Ordering};

use sextet_separator::exit_at_once;

use crate::fault::Kind;
use crate::stdio;
use crate::unfinished::Unfinished;

/// Installs the signal handler. The first signal ends the process once the unfinished files are
/// deleted; the second ends it at once.
///
/// The handler runs on a thread of its own and never waits for the engine: a chunk may take
/// seconds, and a native engine may not return at all.
///
/// # Errors
/// When the system refuses the handler.
pub(crate) fn install(unfinished: &Unfinished) -> anyhow::Result<()> {
    let unfinished = unfinished.clone();
    let asked_before = AtomicBool::new(false);
    ctrlc::set_handler(move || {
        let code = i32::from(Kind::Interrupted.exit_code());
        if asked_before.swap(true, Ordering::SeqCst) {
            exit_at_once(code);
        }

        let unfinished = unfinished.clone();
        std::thread::spawn(move || {
            unfinished.close();
            stdio::err("\ninterrupted");
            exit_at_once(code);
        });
    })?;

    Ok(())
}
