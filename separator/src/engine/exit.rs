//! The end of a process in which an engine's library may be at work on threads of its own.

/// Ends the process with exit code `code`, and runs nothing of what libraries have registered for
/// its end: there TensorRT takes its statics down, under threads that may still be building an
/// engine, and the process dies of it. Whoever calls this has written out all that was buffered.
/// Windows ends other threads before it takes libraries down.
pub fn exit_at_once(code: i32) -> ! {
    #[cfg(unix)]
    // SAFETY: a C function that takes a number, asks for nothing else and does not return.
    unsafe {
        libc::_exit(code)
    }
    #[cfg(not(unix))]
    std::process::exit(code)
}
