//! End of a process in which an engine's library may still run threads of its own.

/// Ends the process with exit code `code` without running the exit handlers of libraries. TensorRT
/// destroys its statics in such a handler while its threads may still be building an engine, which
/// crashes the process. The caller must flush all buffered output first. Windows ends other threads
/// before it unloads libraries.
///
/// Every ffmpeg that decodes a song is ended first.
pub fn exit_at_once(code: i32) -> ! {
    crate::audio::end_ffmpeg();
    #[cfg(unix)]
    // SAFETY: a C function that takes a number, asks for nothing else and does not return.
    unsafe {
        libc::_exit(code)
    }
    #[cfg(not(unix))]
    std::process::exit(code)
}
