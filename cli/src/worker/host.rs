//! The worker beside a host: it gives way to the host's audio and ends with the host.

use crate::unfinished::Unfinished;

/// Lowers this process's priority, so that every other program, audio threads above all, goes
/// first. Threads that are started later inherit it. On Windows the host starts the worker with a
/// lower priority.
pub(super) fn lower_priority() {
    /// Half-way to the lowest.
    #[cfg(unix)]
    const NICENESS: i32 = 10;
    #[cfg(unix)]
    // Ignore the error: a system that refuses it loses nothing else.
    let _ = rustix::process::nice(NICENESS);
}

/// Ends this process when its parent has died. The end of standard input signals that, too, but not
/// while another process holds the other end open. Windows has no such sign: there standard input
/// alone decides.
#[cfg(unix)]
pub(super) fn exit_with_parent(unfinished: &Unfinished) {
    use std::os::unix::process::parent_id;
    use std::time::Duration;

    const EVERY: Duration = Duration::from_millis(500);
    let (parent, unfinished) = (parent_id(), unfinished.clone());
    std::thread::spawn(move || {
        // An orphan gets another parent.
        while parent_id() == parent {
            std::thread::sleep(EVERY);
        }
        unfinished.close();
        std::process::exit(i32::from(crate::fault::Kind::Interrupted.exit_code()));
    });
}

#[cfg(not(unix))]
pub(super) fn exit_with_parent(_unfinished: &Unfinished) {}
