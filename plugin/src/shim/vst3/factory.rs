//! The VST3 factory of one class, and the module's entry points on each system.

#![allow(non_snake_case, reason = "the names are VST3's")]
#![allow(unreachable_pub, reason = "hosts look the entry points up by name")]

use std::ffi::c_void;

use nice_plug::wrapper::vst3::PluginInfo;
use nice_plug::wrapper::vst3::vst3::Steinberg::*;
use nice_plug::wrapper::vst3::vst3::{Class, ComWrapper};

use super::Shim;
use super::fence::keep_worker;
use crate::Sextet;

struct Factory {
    info: PluginInfo,
}

impl Class for Factory {
    type Interfaces = (IPluginFactory, IPluginFactory2, IPluginFactory3);
}

/// Writes the class description of `index`; there is one class.
///
/// # Safety
/// `to` is null or may be written to.
unsafe fn describe<T>(index: int32, to: *mut T, with: impl FnOnce() -> T) -> tresult {
    if index != 0 || to.is_null() {
        return kInvalidArgument;
    }
    // SAFETY: as the caller promises.
    unsafe { to.write(with()) };
    kResultOk
}

impl IPluginFactoryTrait for Factory {
    unsafe fn getFactoryInfo(&self, info: *mut PFactoryInfo) -> tresult {
        // SAFETY: the host's pointer.
        unsafe { describe(0, info, || self.info.create_factory_info()) }
    }

    unsafe fn countClasses(&self) -> int32 {
        1
    }

    unsafe fn getClassInfo(&self, index: int32, info: *mut PClassInfo) -> tresult {
        // SAFETY: the host's pointer.
        unsafe { describe(index, info, || self.info.create_class_info()) }
    }

    unsafe fn createInstance(
        &self,
        class: FIDString,
        interface: FIDString,
        object: *mut *mut c_void,
    ) -> tresult {
        if class.is_null() || interface.is_null() || object.is_null() {
            return kInvalidArgument;
        }

        // SAFETY: class identifiers are 16 bytes.
        if unsafe { *class.cast::<[u8; 16]>() } != *self.info.cid {
            return kInvalidArgument;
        }

        keep_worker();
        let shim = ComWrapper::new(Shim::new());
        let Some(unknown) = shim.as_com_ref::<FUnknown>() else {
            return kNoInterface;
        };

        let unknown = unknown.as_ptr();

        // SAFETY: `unknown` is a live object; the query takes the reference that the host gets.
        unsafe { ((*(*unknown).vtbl).queryInterface)(unknown, interface.cast(), object) }
    }
}

impl IPluginFactory2Trait for Factory {
    unsafe fn getClassInfo2(&self, index: int32, info: *mut PClassInfo2) -> tresult {
        // SAFETY: the host's pointer.
        unsafe { describe(index, info, || self.info.create_class_info_2()) }
    }
}

impl IPluginFactory3Trait for Factory {
    unsafe fn getClassInfoUnicode(&self, index: int32, info: *mut PClassInfoW) -> tresult {
        // SAFETY: the host's pointer.
        unsafe { describe(index, info, || self.info.create_class_info_unicode()) }
    }

    unsafe fn setHostContext(&self, _context: *mut FUnknown) -> tresult {
        kResultOk
    }
}

/// Function that VST3 hosts look for in the library.
#[unsafe(no_mangle)]
pub extern "system" fn GetPluginFactory() -> *mut c_void {
    let factory = ComWrapper::new(Factory {
        info: PluginInfo::for_plugin::<Sextet>(),
    });
    factory
        .to_com_ptr::<IPluginFactory>()
        .map_or(std::ptr::null_mut(), |pointer| pointer.into_raw().cast())
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
