//! The extensions that differ from nice-plug's: the main output has a name of its own, layouts are
//! only selected while nothing is active, and the mode of rendering is known with the next block.

use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::Ordering;

use clap_sys::ext::audio_ports::{
    CLAP_EXT_AUDIO_PORTS, clap_audio_port_info, clap_plugin_audio_ports,
};
use clap_sys::ext::audio_ports_config::{
    CLAP_EXT_AUDIO_PORTS_CONFIG, clap_audio_ports_config, clap_plugin_audio_ports_config,
};
use clap_sys::ext::gui::CLAP_EXT_GUI;
use clap_sys::ext::render::{
    CLAP_EXT_RENDER, CLAP_RENDER_OFFLINE, clap_plugin_render, clap_plugin_render_mode,
};
use clap_sys::id::clap_id;
use clap_sys::plugin::clap_plugin;

use super::Shim;
use crate::shim::ports::{main_output_name, write_name};

static AUDIO_PORTS: clap_plugin_audio_ports = clap_plugin_audio_ports {
    count: Some(ports_count),
    get: Some(ports_get),
};

static LAYOUTS: clap_plugin_audio_ports_config = clap_plugin_audio_ports_config {
    count: Some(layouts_count),
    get: Some(layouts_get),
    select: Some(layouts_select),
};

static RENDER: clap_plugin_render = clap_plugin_render {
    has_hard_realtime_requirement: Some(has_hard_realtime_requirement),
    set: Some(set_mode),
};

pub(super) unsafe extern "C" fn get_extension(
    plugin: *const clap_plugin,
    id: *const c_char,
) -> *const c_void {
    // SAFETY: the host passes the object that it got and a name that ends in zero.
    let (shim, name) = unsafe { (Shim::of(plugin), CStr::from_ptr(id)) };
    if name == CLAP_EXT_GUI && !shim.host_has_gui {
        return std::ptr::null();
    }

    // SAFETY: forwarded as it came.
    let found = unsafe {
        (*shim.inner)
            .get_extension
            .map_or(std::ptr::null(), |get| get(plugin, id))
    };
    match name {
        _ if found.is_null() => found,
        name if name == CLAP_EXT_AUDIO_PORTS => (&raw const AUDIO_PORTS).cast(),
        name if name == CLAP_EXT_AUDIO_PORTS_CONFIG => (&raw const LAYOUTS).cast(),
        name if name == CLAP_EXT_RENDER => (&raw const RENDER).cast(),
        _ => found,
    }
}

/// Returns the number of channels of the main input or output in the layout that the host has
/// selected; 0 if there is none.
///
/// # Safety
/// `plugin` is an object of ours.
pub(super) unsafe fn channels(plugin: *const clap_plugin, is_input: bool) -> u32 {
    // SAFETY: a plain C structure, for which zeros are fine, and our own object.
    unsafe {
        let mut info: clap_audio_port_info = std::mem::zeroed();
        if ports_get(plugin, 0, is_input, &mut info) {
            info.channel_count
        } else {
            0
        }
    }
}

/// Returns one of nice-plug's own extensions.
///
/// # Safety
/// `plugin` is an object of ours, `T` the extension's table.
unsafe fn own<'a, T>(plugin: *const clap_plugin, id: &CStr) -> Option<&'a T> {
    // SAFETY: passed on from the caller.
    unsafe { Shim::of(plugin).extension(id) }
}

unsafe extern "C" fn ports_count(plugin: *const clap_plugin, is_input: bool) -> u32 {
    // SAFETY: the host passes the object that it got; the table's type belongs to the name.
    let ports = unsafe { own::<clap_plugin_audio_ports>(plugin, CLAP_EXT_AUDIO_PORTS) };
    // SAFETY: forwarded as it came.
    ports
        .and_then(|ports| ports.count)
        .map_or(0, |count| unsafe { count(plugin, is_input) })
}

unsafe extern "C" fn ports_get(
    plugin: *const clap_plugin,
    index: u32,
    is_input: bool,
    info: *mut clap_audio_port_info,
) -> bool {
    // SAFETY: the host passes the object that it got; the table's type belongs to the name.
    let ports = unsafe { own::<clap_plugin_audio_ports>(plugin, CLAP_EXT_AUDIO_PORTS) };
    let Some(get) = ports.and_then(|ports| ports.get) else {
        return false;
    };

    // SAFETY: forwarded as it came.
    let done = unsafe { get(plugin, index, is_input, info) };
    if done && index == 0 && !is_input {
        // SAFETY: nice-plug has just written there; the object is the host's.
        let (name, layouts) = unsafe { (&mut (*info).name, Shim::of(plugin).layouts) };
        let text = main_output_name(&layouts[0]);
        write_name(name, text.bytes().map(|byte| byte as c_char));
    }

    done
}

unsafe extern "C" fn layouts_count(plugin: *const clap_plugin) -> u32 {
    // SAFETY: the host passes the object that it got.
    unsafe { Shim::of(plugin) }.layouts.len() as u32
}

unsafe extern "C" fn layouts_get(
    plugin: *const clap_plugin,
    index: u32,
    config: *mut clap_audio_ports_config,
) -> bool {
    // SAFETY: the host passes the object that it got; the table's type belongs to the name.
    let layouts =
        unsafe { own::<clap_plugin_audio_ports_config>(plugin, CLAP_EXT_AUDIO_PORTS_CONFIG) };
    // SAFETY: forwarded as it came.
    layouts
        .and_then(|layouts| layouts.get)
        .is_some_and(|get| unsafe { get(plugin, index, config) })
}

/// Selects a layout. nice-plug would take it while it is active, when the buffers are of the old
/// one.
unsafe extern "C" fn layouts_select(plugin: *const clap_plugin, id: clap_id) -> bool {
    // SAFETY: the host passes the object that it got.
    let shim = unsafe { Shim::of(plugin) };
    if shim.is_active.load(Ordering::Acquire) || id as usize >= shim.layouts.len() {
        return false;
    }

    // SAFETY: the table's type belongs to the name.
    let layouts =
        unsafe { own::<clap_plugin_audio_ports_config>(plugin, CLAP_EXT_AUDIO_PORTS_CONFIG) };
    // SAFETY: forwarded as it came.
    layouts
        .and_then(|layouts| layouts.select)
        .is_some_and(|select| unsafe { select(plugin, id) })
}

unsafe extern "C" fn has_hard_realtime_requirement(plugin: *const clap_plugin) -> bool {
    // SAFETY: the host passes the object that it got; the table's type belongs to the name.
    let render = unsafe { own::<clap_plugin_render>(plugin, CLAP_EXT_RENDER) };
    // SAFETY: forwarded as it came.
    render
        .and_then(|render| render.has_hard_realtime_requirement)
        .is_some_and(|has| unsafe { has(plugin) })
}

/// Sets the mode. nice-plug tells the plugin of it when it is activated the next time; the shim,
/// with the next block.
unsafe extern "C" fn set_mode(plugin: *const clap_plugin, mode: clap_plugin_render_mode) -> bool {
    // SAFETY: the host passes the object that it got; the table's type belongs to the name.
    let render = unsafe { own::<clap_plugin_render>(plugin, CLAP_EXT_RENDER) };
    // SAFETY: forwarded as it came.
    let done = render
        .and_then(|render| render.set)
        .is_some_and(|set| unsafe { set(plugin, mode) });

    if done {
        // SAFETY: the host passes the object that it got.
        let shim = unsafe { Shim::of(plugin) };
        shim.mode.set_offline(mode == CLAP_RENDER_OFFLINE);
    }
    done
}
