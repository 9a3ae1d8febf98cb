//! NVRTC, NVIDIA's compiler of kernels as a library, which is loaded at run time (`nvrtc.h`).

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::null_mut;

use anyhow::{Context as _, Result, bail};
use libloading::Library;

use super::list::Source;

/// `nvrtcProgram`, a pointer that only the library looks behind.
type Program = *mut c_void;
/// `nvrtcResult`; 0 is success.
type Status = c_int;

type Create = unsafe extern "C" fn(
    *mut Program,
    *const c_char,
    *const c_char,
    c_int,
    *const *const c_char,
    *const *const c_char,
) -> Status;
type Destroy = unsafe extern "C" fn(*mut Program) -> Status;
type Compile = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> Status;
type Size = unsafe extern "C" fn(Program, *mut usize) -> Status;
type Get = unsafe extern "C" fn(Program, *mut c_char) -> Status;
type ErrorString = unsafe extern "C" fn(Status) -> *const c_char;

/// Functions that give a result of a program: its size, then its bytes.
#[derive(Clone, Copy)]
struct Output {
    size: Size,
    get: Get,
}

/// The library. Programs may be compiled on several threads at once.
pub(super) struct Nvrtc {
    create: Create,
    destroy: Destroy,
    compile: Compile,
    log: Output,
    machine_code: Output,
    ptx: Output,
    error_string: ErrorString,
    /// Keeps the functions above in memory.
    _library: Library,
}

impl Nvrtc {
    /// Loads the library at `path`.
    ///
    /// # Errors
    /// When there is none, or it lacks a function.
    pub(super) fn load(path: &Path) -> Result<Self> {
        // SAFETY: the file is NVIDIA's, of the version that is pinned; its initialisers have no
        // conditions. The functions' types are those of nvrtc.h of this version.
        let load = || unsafe {
            let library = Library::new(path)?;
            let output = |size: &str, get: &str| -> Result<Output, libloading::Error> {
                Ok(Output {
                    size: *library.get(size)?,
                    get: *library.get(get)?,
                })
            };
            Ok::<_, libloading::Error>(Self {
                create: *library.get("nvrtcCreateProgram")?,
                destroy: *library.get("nvrtcDestroyProgram")?,
                compile: *library.get("nvrtcCompileProgram")?,
                log: output("nvrtcGetProgramLogSize", "nvrtcGetProgramLog")?,
                machine_code: output("nvrtcGetCUBINSize", "nvrtcGetCUBIN")?,
                ptx: output("nvrtcGetPTXSize", "nvrtcGetPTX")?,
                error_string: *library.get("nvrtcGetErrorString")?,
                _library: library,
            })
        };
        load().with_context(|| format!("cannot load NVRTC, '{}'", path.display()))
    }

    /// Compiles `source` to machine code or PTX. Returns it and the log.
    ///
    /// # Errors
    /// When the compiler refuses the source; the error holds its log.
    pub(super) fn compile(
        &self,
        source: &Source,
        headers: &[Source],
        options: &[String],
        to_machine_code: bool,
    ) -> Result<(Vec<u8>, String)> {
        let texts: Vec<_> = headers.iter().map(|header| header.text.as_ptr()).collect();
        let names: Vec<_> = headers.iter().map(|header| header.name.as_ptr()).collect();
        let mut program = Running {
            nvrtc: self,
            program: null_mut(),
        };
        // SAFETY: all strings end with a zero, both arrays have as many as is said, and the library
        // copies them.
        let status = unsafe {
            (self.create)(
                &raw mut program.program,
                source.text.as_ptr(),
                source.name.as_ptr(),
                c_int::try_from(headers.len())?,
                texts.as_ptr(),
                names.as_ptr(),
            )
        };
        self.succeed(status)?;

        let options: Vec<CString> = options
            .iter()
            .map(|option| CString::new(option.as_str()))
            .collect::<Result<_, _>>()?;
        let options: Vec<_> = options.iter().map(|option| option.as_ptr()).collect();
        let count = c_int::try_from(options.len())?;
        // SAFETY: the program was created above, and the array has `count` strings.
        let status = unsafe { (self.compile)(program.program, count, options.as_ptr()) };

        let log = program.output(self.log)?;
        let log = String::from_utf8_lossy(&log);
        let log = log.trim_end_matches('\0');
        if let Err(error) = self.succeed(status) {
            bail!("{error}\n{log}");
        }

        let image = if to_machine_code {
            self.machine_code
        } else {
            self.ptx
        };
        Ok((program.output(image)?, log.to_owned()))
    }

    fn succeed(&self, status: Status) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the library returns a constant string for any number.
        let message = unsafe { CStr::from_ptr((self.error_string)(status)) };
        bail!("{}", message.to_string_lossy())
    }
}

/// A program of the library. Dropping it frees its memory.
struct Running<'a> {
    nvrtc: &'a Nvrtc,
    program: Program,
}

impl Running<'_> {
    fn output(&self, output: Output) -> Result<Vec<u8>> {
        let mut size = 0;
        // SAFETY: the program was created, and `size` is written.
        let status = unsafe { (output.size)(self.program, &raw mut size) };
        self.nvrtc.succeed(status)?;

        let mut bytes = vec![0_u8; size];
        // SAFETY: the library writes as many bytes as it has just said.
        let status = unsafe { (output.get)(self.program, bytes.as_mut_ptr().cast()) };
        self.nvrtc.succeed(status)?;
        Ok(bytes)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.program.is_null() {
            // SAFETY: the program was created, and nothing uses it any more.
            unsafe { (self.nvrtc.destroy)(&raw mut self.program) };
        }
    }
}
