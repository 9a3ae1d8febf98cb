//! TensorRT's libraries: where they are, whether they are the right ones, and loading them.
//!
//! The binding calls C++ virtual functions by position, so a library of another version crashes the process instead of
//! failing. Each library is therefore asked for its version, through a plain C function, before anything else is called.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use trtx::{LogHandler, Logger, Severity};

use super::error::TensorRtError;
use crate::timings::stage;

/// A version of TensorRT-RTX.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LibraryVersion {
    /// Major, minor and patch number.
    pub parts: (i32, i32, i32),
}

/// The version that this build is made for. 1.7 refuses the H100 and the H200, which 1.6 runs on.
pub const REQUIRED_VERSION: LibraryVersion = LibraryVersion { parts: (1, 6, 1) };

impl LibraryVersion {
    /// From `NV_TENSORRT_VERSION` as the library gives it: 10601 is 1.6.1.
    fn from_number(number: i32) -> Self {
        Self { parts: (number / 10_000, number / 100 % 100, number % 100) }
    }
}

impl fmt::Display for LibraryVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.parts;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// File names of the runtime and of the ONNX parser.
const FILES: [&str; 2] = if cfg!(windows) {
    ["tensorrt_rtx_1_6.dll", "tensorrt_onnxparser_rtx_1_6.dll"]
} else {
    ["libtensorrt_rtx.so.1", "libtensorrt_onnxparser_rtx.so.1"]
};

/// The functions that say the version of either.
const VERSION_SYMBOLS: [&str; 2] = ["getInferLibVersion", "getNvOnnxParserVersion"];

/// TensorRT's libraries, found and of the right version, and loaded for as long as the process lives.
#[derive(Clone, Debug)]
pub struct Library {
    /// The file of the runtime; a bare name when the system's loader found it.
    pub path: PathBuf,
    /// Its version.
    pub version: LibraryVersion,
}

static LOADED: Mutex<Option<Library>> = Mutex::new(None);
static LOADING: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);

impl Library {
    /// Looks into `folders` in their order, then wherever the system looks, and loads what is found.
    ///
    /// # Errors
    /// [`TensorRtError::NoLibrary`] when nothing is found; [`TensorRtError::Unloadable`],
    /// [`TensorRtError::NotTensorRt`] or [`TensorRtError::WrongVersion`] when the first that is found cannot be used.
    pub fn load(folders: &[PathBuf]) -> Result<Self, TensorRtError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = &*loaded {
            return Ok(library.clone());
        }
        let _loading = stage("load TensorRT's libraries");
        let [runtime, parser] = Self::find(folders);
        let version = LibraryVersion::from_number(ask(&runtime, VERSION_SYMBOLS[0], FILES[0], folders)?);
        let parsers = LibraryVersion::from_number(ask(&parser, VERSION_SYMBOLS[1], FILES[1], folders)?);
        if version != REQUIRED_VERSION {
            return Err(TensorRtError::WrongVersion { path: runtime, found: version, expected: REQUIRED_VERSION });
        }
        if parsers != parser_version() {
            return Err(TensorRtError::WrongVersion { path: parser, found: parsers, expected: parser_version() });
        }
        let failed =
            |error: trtx::Error| TensorRtError::Failed { action: "load its library", reason: error.to_string() };
        trtx::dynamically_load_tensorrt(Some(&runtime)).map_err(failed)?;
        trtx::dynamically_load_tensorrt_onnxparser(Some(&parser)).map_err(failed)?;
        Ok(loaded.insert(Library { path: runtime, version }).clone())
    }

    /// Whether the runtime is in one of `folders`, or loaded.
    pub(super) fn is_there(folders: &[PathBuf]) -> bool {
        Self::find(folders)[0].is_file() || LOADED.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Begins to load them on a thread of its own. Whoever loads them next waits for it, and hears why they cannot be had.
    pub(super) fn begin_to_load(folders: &[PathBuf]) {
        let folders = folders.to_vec();
        let thread = std::thread::spawn(move || drop(Self::load(&folders)));
        *LOADING.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    }

    /// Waits for the end of what [`Library::begin_to_load`] has begun.
    pub(super) fn wait() {
        let loading = LOADING.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(loading.map(JoinHandle::join));
    }

    /// Both files in the first folder that has the runtime, else by their bare names.
    fn find(folders: &[PathBuf]) -> [PathBuf; 2] {
        let folder = folders.iter().find(|folder| folder.join(FILES[0]).is_file());
        FILES.map(|file| folder.map_or_else(|| PathBuf::from(file), |folder| folder.join(file)))
    }
}

/// The parser's own version, which it counts apart from TensorRT's: that of the header that the binding was built with.
fn parser_version() -> LibraryVersion {
    // SAFETY: a C function of the binding that returns a constant.
    let number = unsafe { trtx::trtx_sys::get_nvonnxparser_version() };
    LibraryVersion::from_number(i32::try_from(number).unwrap_or(0))
}

/// Opens `path` and asks for its version number.
fn ask(path: &Path, symbol: &'static str, file: &str, folders: &[PathBuf]) -> Result<i32, TensorRtError> {
    // SAFETY: loading runs the library's initialisers; it was found under TensorRT's own name in a folder that the user
    // or the system trusts with code.
    let library = unsafe { libloading::Library::new(path) }.map_err(|source| {
        if path.is_file() {
            TensorRtError::Unloadable { path: path.to_owned(), source }
        } else {
            TensorRtError::NoLibrary { file: file.to_owned(), searched: folders.to_vec() }
        }
    })?;
    // SAFETY: TensorRT's headers declare both functions as `int32_t f(void)`.
    let number = unsafe { library.get::<unsafe extern "C" fn() -> i32>(symbol.as_bytes()).map(|version| version()) }
        .map_err(|_| TensorRtError::NotTensorRt { path: path.to_owned(), symbol })?;
    // The library stays loaded: TensorRT does not survive being unloaded.
    std::mem::forget(library);
    Ok(number)
}

/// What TensorRT last complained of; its calls themselves only say that they failed.
static COMPLAINT: Mutex<String> = Mutex::new(String::new());

struct Complaints;

impl LogHandler for Complaints {
    fn log(&self, severity: Severity, message: &str) {
        if severity <= Severity::Error {
            message.clone_into(&mut COMPLAINT.lock().unwrap_or_else(PoisonError::into_inner));
        }
        if std::env::var_os("SEXTET_TENSORRT_LOG").is_some() {
            eprintln!("tensorrt {severity:?}: {message}");
        }
    }
}

/// The process's logger, which lives as long as the process.
pub(super) fn logger() -> Result<&'static Logger, TensorRtError> {
    static LOGGER: OnceLock<Option<Logger>> = OnceLock::new();
    let logger = LOGGER.get_or_init(|| Logger::new(Complaints).ok());
    logger.as_ref().ok_or_else(|| TensorRtError::Failed { action: "start logging", reason: "no memory".to_owned() })
}

/// Turns a failure of a call that tried to `action` into an error with TensorRT's own reason.
pub(super) fn failed(action: &'static str) -> impl Fn(trtx::Error) -> TensorRtError {
    move |error| {
        let reason = std::mem::take(&mut *COMPLAINT.lock().unwrap_or_else(PoisonError::into_inner));
        let memory = ["out of memory", "OutOfMemory", "cudaErrorMemoryAllocation"];
        if memory.iter().any(|sign| reason.contains(sign)) {
            return TensorRtError::OutOfMemory { action };
        }
        let reason = if reason.is_empty() { error.to_string() } else { reason };
        TensorRtError::Failed { action, reason: reason.trim().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_librarys_number() {
        assert_eq!(LibraryVersion::from_number(10_601), REQUIRED_VERSION);
        assert_eq!(LibraryVersion::from_number(10_601).to_string(), "1.6.1");
        assert!(LibraryVersion::from_number(10_700) > REQUIRED_VERSION);
    }

    #[test]
    fn a_library_of_something_else_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILES[0]);
        std::fs::write(&path, b"not a library").unwrap();
        let error = ask(&path, VERSION_SYMBOLS[0], FILES[0], &[]).unwrap_err();
        assert!(matches!(error, TensorRtError::Unloadable { .. }), "{error}");
        assert!(error.to_string().contains(FILES[0]), "{error}");
        let error = ask(&folder.path().join("none"), VERSION_SYMBOLS[0], FILES[0], &[]).unwrap_err();
        assert!(matches!(error, TensorRtError::NoLibrary { .. }), "{error}");
    }
}
