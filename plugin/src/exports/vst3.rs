//! The VST3 module's factory function, and its entry and exit points on each system.

#![allow(non_snake_case, reason = "the names are VST3's")]
#![allow(unreachable_pub, reason = "hosts look the entry points up by name")]

use std::ffi::c_void;

use crate::{Sextet, shim};

/// Function that VST3 hosts look for in the library.
#[unsafe(no_mangle)]
pub extern "system" fn GetPluginFactory() -> *mut c_void {
    shim::vst3::create_factory::<Sextet>()
}

/// Defines the entry and exit points that a system's hosts call.
macro_rules! module_entry {
    ($cfg:meta, $abi:literal, $enter:ident($($arg:ident: $ty:ty)?), $exit:ident) => {
        /// Called by the host when it has loaded the library.
        #[cfg($cfg)]
        #[unsafe(no_mangle)]
        pub extern $abi fn $enter($($arg: $ty)?) -> bool {
            nice_plug::wrapper::setup_logger::<Sextet>();
            true
        }

        /// Called by the host before it unloads the library.
        #[cfg($cfg)]
        #[unsafe(no_mangle)]
        pub extern $abi fn $exit() -> bool {
            true
        }
    };
}
module_entry!(all(target_family = "unix", not(target_os = "macos")), "C", ModuleEntry(_handle: *mut c_void), ModuleExit);
module_entry!(target_os = "macos", "C", bundleEntry(_handle: *mut c_void), bundleExit);
module_entry!(target_os = "windows", "system", InitDll(), ExitDll);
