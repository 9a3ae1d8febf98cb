//! Ctrl-C, SIGTERM and a console that is closed end the process within a moment, whatever the
//! engine is doing, and leave nothing half-written.

use std::sync::atomic::{AtomicBool, Ordering};

use sextet_separator::exit_at_once;

use crate::fault::Kind;
use crate::stdio;
use crate::unfinished::Unfinished;

/// Installs the signal handler. The first signal ends the process once the unfinished files are
/// deleted; the second ends it at once.
///
/// A signal that was ignored when the process began stays ignored: `nohup` asks for that, and
/// shells do for commands in the background.
///
/// The handler runs on a thread of its own and never waits for the engine: a chunk may take
/// seconds, and a native engine may not return at all.
///
/// # Errors
/// When the system refuses the handler.
pub(crate) fn install(unfinished: &Unfinished) -> anyhow::Result<()> {
    let unfinished = unfinished.clone();
    let asked_before = AtomicBool::new(false);
    #[cfg(unix)]
    let ignored = Ignored::now();
    #[cfg(windows)]
    let console = unfinished.clone();
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

    #[cfg(unix)]
    ignored.restore();
    #[cfg(windows)]
    end_with_console(console)?;
    Ok(())
}

/// Deletes the unfinished files when the console is closed, the user logs off or the system shuts
/// down. Windows ends the process as soon as the handlers of these events have returned, so the
/// files have to be deleted before; handlers that were installed last are called first.
#[cfg(windows)]
fn end_with_console(unfinished: Unfinished) -> std::io::Result<()> {
    use std::sync::OnceLock;
    use windows_sys::Win32::System::Console::{
        CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT, SetConsoleCtrlHandler,
    };

    static UNFINISHED: OnceLock<Unfinished> = OnceLock::new();

    /// Runs on a thread of its own, which the system starts.
    unsafe extern "system" fn ends(event: u32) -> windows_sys::core::BOOL {
        if matches!(
            event,
            CTRL_CLOSE_EVENT | CTRL_LOGOFF_EVENT | CTRL_SHUTDOWN_EVENT
        ) {
            if let Some(unfinished) = UNFINISHED.get() {
                unfinished.close();
            }
            exit_at_once(i32::from(Kind::Interrupted.exit_code()));
        }
        0
    }

    UNFINISHED.get_or_init(|| unfinished);
    // SAFETY: the handler is a function of this program, which stays where it is.
    if unsafe { SetConsoleCtrlHandler(Some(ends), 1) } == 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
}

/// Signals that are ignored.
#[cfg(unix)]
struct Ignored(Vec<libc::c_int>);

#[cfg(unix)]
impl Ignored {
    /// Notes the signals that are ignored now, among those that end the process.
    fn now() -> Self {
        let ends = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM];
        let is_ignored = |&signal: &libc::c_int| {
            let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: the action is zeroed, which is a valid value, and the call fills it; without
            // a new action it changes nothing.
            unsafe {
                libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
                    && action.assume_init().sa_sigaction == libc::SIG_IGN
            }
        };
        Self(ends.into_iter().filter(is_ignored).collect())
    }

    /// Ignores the signals again.
    fn restore(self) {
        for signal in self.0 {
            // SAFETY: a C function that takes two numbers; ignoring a signal runs no code.
            unsafe {
                libc::signal(signal, libc::SIG_IGN);
            }
        }
    }
}
