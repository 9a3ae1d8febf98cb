//! The CLAP entry point, and its factory of the one plugin.

#![allow(unreachable_pub, reason = "hosts look the entry point up by name")]

use std::ffi::{CStr, c_char, c_void};
use std::sync::LazyLock;

use clap_sys::entry::clap_plugin_entry;
use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
use clap_sys::host::clap_host;
use clap_sys::plugin::{clap_plugin, clap_plugin_descriptor};
use clap_sys::version::CLAP_VERSION;
use nice_plug::wrapper::clap::PluginDescriptor;

use crate::{Sextet, shim};

static DESCRIPTOR: LazyLock<PluginDescriptor> =
    LazyLock::new(PluginDescriptor::for_plugin::<Sextet>);

static FACTORY: clap_plugin_factory = clap_plugin_factory {
    get_plugin_count: Some(count),
    get_plugin_descriptor: Some(descriptor),
    create_plugin: Some(create),
};

/// Entry point that CLAP hosts look for in the library.
#[unsafe(no_mangle)]
#[used]
#[allow(non_upper_case_globals, reason = "the name is CLAP's")]
pub static clap_entry: clap_plugin_entry = clap_plugin_entry {
    clap_version: CLAP_VERSION,
    init: Some(init),
    deinit: Some(deinit),
    get_factory: Some(factory),
};

unsafe extern "C" fn init(_path: *const c_char) -> bool {
    nice_plug::wrapper::setup_logger::<Sextet>();
    true
}

unsafe extern "C" fn deinit() {}

unsafe extern "C" fn factory(id: *const c_char) -> *const c_void {
    // SAFETY: the host passes a name that ends in zero, or null.
    let known = !id.is_null() && unsafe { CStr::from_ptr(id) } == CLAP_PLUGIN_FACTORY_ID;
    if known {
        (&raw const FACTORY).cast()
    } else {
        std::ptr::null()
    }
}

unsafe extern "C" fn count(_factory: *const clap_plugin_factory) -> u32 {
    1
}

unsafe extern "C" fn descriptor(
    _factory: *const clap_plugin_factory,
    index: u32,
) -> *const clap_plugin_descriptor {
    if index == 0 {
        DESCRIPTOR.clap_plugin_descriptor()
    } else {
        std::ptr::null()
    }
}

unsafe extern "C" fn create(
    _factory: *const clap_plugin_factory,
    host: *const clap_host,
    id: *const c_char,
) -> *const clap_plugin {
    // SAFETY: the host passes a name that ends in zero, or null.
    if host.is_null() || id.is_null() || unsafe { CStr::from_ptr(id) } != DESCRIPTOR.clap_id() {
        return std::ptr::null();
    }
    // SAFETY: the host outlives its plugins, as CLAP demands.
    unsafe { shim::clap::create::<Sextet>(host) }
}
