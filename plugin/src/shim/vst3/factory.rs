//! The VST3 factory of one class.

#![allow(non_snake_case, reason = "the names are VST3's")]

use std::ffi::c_void;
use std::marker::PhantomData;

use nice_plug::prelude::Vst3Plugin;
use nice_plug::wrapper::vst3::PluginInfo;
use nice_plug::wrapper::vst3::vst3::Steinberg::*;
use nice_plug::wrapper::vst3::vst3::{Class, ComWrapper};

use super::Shim;
use super::fence::keep_worker;

/// The factory of the plugin `P`.
struct Factory<P> {
    info: PluginInfo,
    plugin: PhantomData<fn() -> P>,
}

impl<P: Vst3Plugin> Class for Factory<P> {
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

impl<P: Vst3Plugin> IPluginFactoryTrait for Factory<P> {
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

        keep_worker::<P>();
        let shim = ComWrapper::new(Shim::<P>::new());
        let Some(unknown) = shim.as_com_ref::<FUnknown>() else {
            return kNoInterface;
        };

        let unknown = unknown.as_ptr();

        // SAFETY: `unknown` is a live object; the query takes the reference that the host gets.
        unsafe { ((*(*unknown).vtbl).queryInterface)(unknown, interface.cast(), object) }
    }
}

impl<P: Vst3Plugin> IPluginFactory2Trait for Factory<P> {
    unsafe fn getClassInfo2(&self, index: int32, info: *mut PClassInfo2) -> tresult {
        // SAFETY: the host's pointer.
        unsafe { describe(index, info, || self.info.create_class_info_2()) }
    }
}

impl<P: Vst3Plugin> IPluginFactory3Trait for Factory<P> {
    unsafe fn getClassInfoUnicode(&self, index: int32, info: *mut PClassInfoW) -> tresult {
        // SAFETY: the host's pointer.
        unsafe { describe(index, info, || self.info.create_class_info_unicode()) }
    }

    unsafe fn setHostContext(&self, _context: *mut FUnknown) -> tresult {
        kResultOk
    }
}

/// Creates the factory of the plugin `P`, which the host owns from then on.
pub(crate) fn create_factory<P: Vst3Plugin>() -> *mut c_void {
    let factory = ComWrapper::new(Factory::<P> {
        info: PluginInfo::for_plugin::<P>(),
        plugin: PhantomData,
    });
    factory
        .to_com_ptr::<IPluginFactory>()
        .map_or(std::ptr::null_mut(), |pointer| pointer.into_raw().cast())
}
