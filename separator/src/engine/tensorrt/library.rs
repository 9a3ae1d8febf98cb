//! TensorRT's libraries: finding, checking and loading them.
//!
//! The binding calls C++ virtual functions by position, so a library of another version would crash
//! the process instead of failing. Each library is therefore asked for its version, through a plain
//! C function, before anything else is called.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use super::error::TensorRtError;
use super::version::{FILES, LibraryVersion, REQUIRED_VERSION};
use super::whole;
use crate::timings::stage;

/// Functions that return the version of the runtime and of the parser.
const VERSION_SYMBOLS: [&str; 2] = ["getInferLibVersion", "getNvOnnxParserVersion"];

/// TensorRT's libraries, found, checked for their version, and loaded for the life of the process.
#[derive(Clone, Debug)]
pub struct Library {
    /// Path of the runtime; a bare name when the system's loader found it.
    pub path: PathBuf,
    /// Version of the runtime.
    pub version: LibraryVersion,
}

static LOADED: Mutex<Option<Library>> = Mutex::new(None);
static LOADING: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);

impl Library {
    /// Searches `folders` in their order, then the system's folders, and loads the libraries.
    ///
    /// # Errors
    /// Returns [`TensorRtError::NoLibrary`] when no library is found, and
    /// [`TensorRtError::Damaged`], [`TensorRtError::Unloadable`], [`TensorRtError::NotTensorRt`] or
    /// [`TensorRtError::WrongVersion`] when the first one found cannot be used.
    pub fn load(folders: &[PathBuf]) -> Result<Self, TensorRtError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = &*loaded {
            return Ok(library.clone());
        }

        let _loading = stage("load TensorRT's libraries");
        let [runtime, parser] = Self::find(folders);

        for file in [&runtime, &parser] {
            whole::check(file)?;
        }

        load_version(&runtime, 0, REQUIRED_VERSION, folders)?;
        load_version(&parser, 1, parser_version(), folders)?;
        let failed = |error: trtx::Error| TensorRtError::Failed {
            action: "load its library",
            reason: error.to_string(),
        };

        trtx::dynamically_load_tensorrt(Some(&runtime)).map_err(failed)?;
        trtx::dynamically_load_tensorrt_onnxparser(Some(&parser)).map_err(failed)?;
        Ok(loaded
            .insert(Library {
                path: runtime,
                version: REQUIRED_VERSION,
            })
            .clone())
    }

    /// Returns whether the runtime is in one of `folders`, or loaded.
    pub(super) fn is_there(folders: &[PathBuf]) -> bool {
        Self::find(folders)[0].is_file()
            || LOADED
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_some()
    }

    /// Begins to load the libraries on a thread of its own. The next call of [`Library::load`]
    /// waits for it and receives its result.
    pub(super) fn begin_to_load(folders: &[PathBuf]) {
        let folders = folders.to_vec();
        let thread = std::thread::spawn(move || drop(Self::load(&folders)));
        *LOADING.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    }

    /// Waits for the end of the loading that [`Library::begin_to_load`] has begun.
    pub(super) fn wait() {
        let loading = LOADING
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(loading.map(JoinHandle::join));
    }

    /// Returns both files in the first folder that has the runtime, or their bare names if there is
    /// none.
    fn find(folders: &[PathBuf]) -> [PathBuf; 2] {
        let folder = folders
            .iter()
            .find(|folder| folder.join(FILES[0]).is_file());
        FILES.map(|file| folder.map_or_else(|| PathBuf::from(file), |folder| folder.join(file)))
    }
}

/// Returns the parser's own version, which is counted apart from TensorRT's: that of the header
/// with which the binding was built.
fn parser_version() -> LibraryVersion {
    // SAFETY: a C function of the binding that returns a constant.
    let number = unsafe { trtx::trtx_sys::get_nvonnxparser_version() };
    LibraryVersion::from_number(i32::try_from(number).unwrap_or(0))
}

/// Loads `path`, the library number `which`, if its version is the `expected` one.
fn load_version(
    path: &Path,
    which: usize,
    expected: LibraryVersion,
    folders: &[PathBuf],
) -> Result<(), TensorRtError> {
    let (file, symbol) = (FILES[which], VERSION_SYMBOLS[which]);

    // SAFETY: loading runs the library's initialisers; it was found under TensorRT's own name in a
    // folder that the user or the system trusts with code.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| {
        if path.is_file() {
            TensorRtError::Unloadable {
                path: path.to_owned(),
                source: error.into(),
            }
        } else {
            TensorRtError::NoLibrary {
                file: file.to_owned(),
                searched: folders.to_vec(),
            }
        }
    })?;

    // SAFETY: TensorRT's headers declare both functions as `int32_t f(void)`.
    let number = unsafe {
        library
            .get::<unsafe extern "C" fn() -> i32>(symbol.as_bytes())
            .map(|version| version())
    }
    .map_err(|_| TensorRtError::NotTensorRt {
        path: path.to_owned(),
        symbol,
    })?;

    let found = LibraryVersion::from_number(number);
    if found != expected {
        // The library is unloaded, so that another file in its place can be loaded next time: the
        // system identifies loaded libraries by their path.
        return Err(TensorRtError::WrongVersion {
            path: path.to_owned(),
            found,
            expected,
        });
    }

    // The library stays loaded: TensorRT does not survive being unloaded once it was used.
    std::mem::forget(library);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_of_something_else_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILES[0]);
        std::fs::write(&path, b"not a library").unwrap();
        let error = load_version(&path, 0, REQUIRED_VERSION, &[]).unwrap_err();
        assert!(matches!(error, TensorRtError::Unloadable { .. }), "{error}");
        assert!(error.to_string().contains(FILES[0]), "{error}");
        let error =
            load_version(&folder.path().join("none"), 0, REQUIRED_VERSION, &[]).unwrap_err();
        assert!(matches!(error, TensorRtError::NoLibrary { .. }), "{error}");
    }
}
