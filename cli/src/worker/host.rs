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
/// while another process holds the other end open.
pub(super) fn exit_with_parent(unfinished: &Unfinished) {
    let Some(parent) = Parent::now() else { return };
    let unfinished = unfinished.clone();
    std::thread::spawn(move || {
        parent.wait();
        unfinished.close();
        std::process::exit(i32::from(crate::fault::Kind::Interrupted.exit_code()));
    });
}

/// The process that has started this one.
#[cfg(unix)]
struct Parent(u32);

#[cfg(unix)]
impl Parent {
    fn now() -> Option<Self> {
        Some(Self(std::os::unix::process::parent_id()))
    }

    /// Waits until the parent has died.
    fn wait(&self) {
        const EVERY: std::time::Duration = std::time::Duration::from_millis(500);
        // An orphan gets another parent.
        while std::os::unix::process::parent_id() == self.0 {
            std::thread::sleep(EVERY);
        }
    }
}

/// The process that has started this one, open for being waited for.
#[cfg(windows)]
struct Parent(std::os::windows::io::OwnedHandle);

#[cfg(windows)]
impl Parent {
    /// Returns the parent; `None` if it has died already, or may not be waited for.
    fn now() -> Option<Self> {
        use std::os::windows::io::{FromRawHandle as _, OwnedHandle};
        use windows_sys::Win32::System::Threading::{
            GetCurrentProcess, OpenProcess, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SYNCHRONIZE,
        };

        let access = PROCESS_SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION;
        // SAFETY: the call takes numbers; what it returns is checked.
        let parent = unsafe { OpenProcess(access, 0, Self::id()?) };
        if parent.is_null() {
            return None;
        }

        // SAFETY: the handle is open, and nobody else has it.
        let parent = Self(unsafe { OwnedHandle::from_raw_handle(parent) });

        // A number is given again once its process has died: a process that is younger than this
        // one has not started it.
        // SAFETY: the call takes nothing, and what it returns needs no closing.
        let own = began(unsafe { GetCurrentProcess() })?;
        (parent.began()? <= own).then_some(parent)
    }

    /// Returns the number of the process that has started this one.
    fn id() -> Option<u32> {
        use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
        use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
        use windows_sys::Win32::System::Diagnostics::ToolHelp::{
            CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW,
            TH32CS_SNAPPROCESS,
        };

        // SAFETY: the call takes numbers; what it returns is checked.
        let all = unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0) };
        if all == INVALID_HANDLE_VALUE {
            return None;
        }

        // SAFETY: the handle is open, and nobody else has it.
        let all = unsafe { OwnedHandle::from_raw_handle(all) };
        let mut process = PROCESSENTRY32W {
            dwSize: size_of::<PROCESSENTRY32W>() as u32,
            ..PROCESSENTRY32W::default()
        };

        // SAFETY: the snapshot is open, and the entry says how large it is.
        let mut found = unsafe { Process32FirstW(all.as_raw_handle(), &raw mut process) };
        while found != 0 && process.th32ProcessID != std::process::id() {
            // SAFETY: as above.
            found = unsafe { Process32NextW(all.as_raw_handle(), &raw mut process) };
        }
        (found != 0).then_some(process.th32ParentProcessID)
    }

    fn began(&self) -> Option<u64> {
        use std::os::windows::io::AsRawHandle as _;
        began(self.0.as_raw_handle())
    }

    /// Waits until the parent has died.
    fn wait(&self) {
        use std::os::windows::io::AsRawHandle as _;
        use windows_sys::Win32::System::Threading::{INFINITE, WaitForSingleObject};
        // SAFETY: the handle is open as long as `self` is there.
        unsafe {
            WaitForSingleObject(self.0.as_raw_handle(), INFINITE);
        }
    }
}

/// Returns the time at which `process` has begun, in units of 100 ns.
#[cfg(windows)]
fn began(process: windows_sys::Win32::Foundation::HANDLE) -> Option<u64> {
    use windows_sys::Win32::Foundation::FILETIME;
    use windows_sys::Win32::System::Threading::GetProcessTimes;

    let mut times = [FILETIME::default(); 4];
    let [begin, end, kernel, user] = &mut times;
    // SAFETY: the handle is open, and the four times are there to be written.
    let known = unsafe { GetProcessTimes(process, begin, end, kernel, user) };
    let begin = times[0];
    (known != 0).then_some(u64::from(begin.dwHighDateTime) << 32 | u64::from(begin.dwLowDateTime))
}
