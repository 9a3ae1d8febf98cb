//! The CLAP object: forwards to nice-plug's, except for `process`, `activate`, `destroy` and the
//! audio-ports extension.

mod transport;

use std::ffi::{CStr, c_char, c_void};
use std::sync::{Arc, Mutex};

use clap_sys::audio_buffer::clap_audio_buffer;
use clap_sys::ext::audio_ports::{
    CLAP_EXT_AUDIO_PORTS, clap_audio_port_info, clap_plugin_audio_ports,
};
use clap_sys::ext::gui::CLAP_EXT_GUI;
use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_plugin_params};
use clap_sys::host::clap_host;
use clap_sys::plugin::clap_plugin;
use clap_sys::process::{
    CLAP_PROCESS_CONTINUE, CLAP_PROCESS_ERROR, clap_process, clap_process_status,
};
use nice_plug::prelude::ClapPlugin;
use nice_plug::wrapper::clap::Wrapper;

use super::ports::{HostPort, Ports, layout, main_output_name, write_name};
use transport::CorrectedTransport;

const EMPTY: clap_audio_buffer = clap_audio_buffer {
    data32: std::ptr::null_mut(),
    data64: std::ptr::null_mut(),
    channel_count: 0,
    latency: 0,
    constant_mask: 0,
};

/// The object that the host receives. `plugin` comes first, so that the host's pointer to it is a
/// pointer to the whole. Its `plugin_data` is nice-plug's, so that nice-plug's callbacks accept the
/// object as their own.
#[repr(C)]
struct Shim {
    plugin: clap_plugin,
    inner: *const clap_plugin,
    /// Whether the host has its side of the editor's extension.
    host_has_gui: bool,
    main_output: &'static str,
    audio: Mutex<Block>,
}

/// The ports and events that complete a block.
struct Block {
    inputs: Ports,
    outputs: Ports,
    input_table: Vec<clap_audio_buffer>,
    output_table: Vec<clap_audio_buffer>,
    corrected: Box<CorrectedTransport>,
}

static AUDIO_PORTS: clap_plugin_audio_ports = clap_plugin_audio_ports {
    count: Some(ports_count),
    get: Some(ports_get),
};

/// Creates an instance of the plugin `P`.
///
/// # Safety
/// `host` is a host's and outlives the object, as CLAP demands.
pub(crate) unsafe fn create<P: ClapPlugin>(host: *const clap_host) -> *const clap_plugin {
    // SAFETY: a host answers what it is asked for its extensions.
    let gui = unsafe {
        (*host)
            .get_extension
            .map(|get| get(host, CLAP_EXT_GUI.as_ptr()))
    };

    let host_has_gui = gui.is_some_and(|gui| !gui.is_null());

    // SAFETY: passed on from the caller.
    let wrapper = Arc::into_raw(unsafe { Wrapper::<P>::new(host) });

    // SAFETY: the wrapper lives until its `destroy`, which ours calls.
    let inner: *const clap_plugin = unsafe { (*wrapper).clap_plugin.as_ptr() };
    let layout = layout::<P>();
    let (inputs, outputs) = (Ports::inputs(layout), Ports::outputs(layout));
    let (input_table, output_table) = (vec![EMPTY; inputs.count()], vec![EMPTY; outputs.count()]);

    let plugin = clap_plugin {
        destroy: Some(destroy),
        activate: Some(activate),
        process: Some(process),
        get_extension: Some(get_extension),
        // SAFETY: `inner` points into the wrapper, see above.
        ..unsafe { *inner }
    };

    let corrected = Box::new(CorrectedTransport::new());
    let audio = Mutex::new(Block {
        inputs,
        outputs,
        input_table,
        output_table,
        corrected,
    });

    Box::into_raw(Box::new(Shim {
        plugin,
        inner,
        host_has_gui,
        main_output: main_output_name(layout),
        audio,
    }))
    .cast()
}

impl Shim {
    /// # Safety
    /// `plugin` was made by [`create`] and is not destroyed yet.
    unsafe fn of<'a>(plugin: *const clap_plugin) -> &'a Self {
        // SAFETY: `plugin` is the first field of a `Shim`, see there.
        unsafe { &*plugin.cast() }
    }

    /// Returns one of nice-plug's own extensions.
    ///
    /// # Safety
    /// `T` is the extension's table.
    unsafe fn extension<'a, T>(&self, id: &CStr) -> Option<&'a T> {
        // SAFETY: the inner object lives as long as the shim; its tables are static.
        unsafe {
            (*self.inner).get_extension?(self.inner, id.as_ptr())
                .cast::<T>()
                .as_ref()
        }
    }
}

unsafe extern "C" fn destroy(plugin: *const clap_plugin) {
    // SAFETY: the host destroys what `create` made, once.
    let shim = unsafe { Box::from_raw(plugin.cast_mut().cast::<Shim>()) };
    // SAFETY: the inner object is destroyed here and nowhere else.
    if let Some(destroy) = unsafe { (*shim.inner).destroy } {
        // SAFETY: as above.
        unsafe { destroy(shim.inner) }
    }
}

unsafe extern "C" fn activate(
    plugin: *const clap_plugin,
    rate_hz: f64,
    min_frames: u32,
    max_frames: u32,
) -> bool {
    // SAFETY: the host passes the object that it got.
    let shim = unsafe { Shim::of(plugin) };
    let Ok(mut block) = shim.audio.lock() else {
        return false;
    };

    block.inputs.resize(max_frames as usize);
    block.outputs.resize(max_frames as usize);
    block.corrected.set_rate(rate_hz);
    drop(block);

    // SAFETY: forwarded as it came; `plugin_data` is the wrapper's.
    unsafe {
        (*shim.inner)
            .activate
            .is_some_and(|activate| activate(plugin, rate_hz, min_frames, max_frames))
    }
}

unsafe extern "C" fn process(
    plugin: *const clap_plugin,
    data: *const clap_process,
) -> clap_process_status {
    // SAFETY: the host passes the object that it got, and a process structure or null.
    let (shim, data) = unsafe { (Shim::of(plugin), data.as_ref()) };

    // The lock can only be held by a host that activates while it processes.
    let (Some(data), Ok(mut block)) = (data, shim.audio.try_lock()) else {
        return CLAP_PROCESS_ERROR;
    };

    let frames = data.frames_count as usize;
    if frames == 0 {
        // SAFETY: as for this call.
        return unsafe { flush(shim, plugin, data) };
    }

    if frames > block.outputs.max_frames() {
        return CLAP_PROCESS_ERROR;
    }

    // SAFETY: the host's tables are valid for the counts it gives and for this call.
    let full = unsafe { block.complete(data) };

    // SAFETY: every pointer in `full` is valid during this call.
    unsafe {
        (*shim.inner)
            .process
            .map_or(CLAP_PROCESS_ERROR, |process| process(plugin, &full))
    }
}

/// Handles a block of no frames, which only carries parameter changes.
///
/// # Safety
/// `plugin` is `shim`'s, `data` the host's.
unsafe fn flush(
    shim: &Shim,
    plugin: *const clap_plugin,
    data: &clap_process,
) -> clap_process_status {
    // SAFETY: the table's type belongs to the name.
    let params = unsafe { shim.extension::<clap_plugin_params>(CLAP_EXT_PARAMS) };
    if let Some(flush) = params.and_then(|params| params.flush)
        && !data.in_events.is_null()
        && !data.out_events.is_null()
    {
        // SAFETY: both lists are the host's and not null.
        unsafe { flush(plugin, data.in_events, data.out_events) };
    }
    CLAP_PROCESS_CONTINUE
}

impl Block {
    /// Returns the block with all ports, and with transport events where nice-plug will look for
    /// them.
    ///
    /// # Safety
    /// The host's tables are valid for the counts it gives, its channels for the block's frames.
    unsafe fn complete(&mut self, data: &clap_process) -> clap_process {
        let mut full = *data;
        let frames = data.frames_count as usize;
        let port = |data32: *mut *mut f32, channel_count| clap_audio_buffer {
            data32,
            channel_count,
            ..EMPTY
        };

        // SAFETY: passed on from the caller.
        let (hosts_inputs, hosts_outputs) = unsafe {
            (
                of_host(data.audio_inputs, data.audio_inputs_count),
                of_host(data.audio_outputs, data.audio_outputs_count),
            )
        };

        let (inputs, outputs) = (&mut self.input_table, &mut self.output_table);

        // SAFETY: passed on from the caller.
        unsafe {
            self.inputs
                .complete(frames, true, hosts_inputs, |i, table, n| {
                    inputs[i] = port(table, n)
                });
            self.outputs
                .complete(frames, false, hosts_outputs, |i, table, n| {
                    outputs[i] = port(table, n)
                });
        }

        full.audio_inputs = self.input_table.as_ptr();
        full.audio_inputs_count = self.input_table.len() as u32;
        full.audio_outputs = self.output_table.as_mut_ptr();
        full.audio_outputs_count = self.output_table.len() as u32;

        // SAFETY: lists and transport are the host's, valid during this call.
        unsafe { self.corrected.apply(&mut full) };
        full
    }
}

/// Returns the host's port of a number, if it has one.
///
/// # Safety
/// `ports` is null or holds `count` ports.
unsafe fn of_host(
    ports: *const clap_audio_buffer,
    count: u32,
) -> impl Fn(usize) -> Option<HostPort> {
    move |number| {
        let there = number < count as usize && !ports.is_null();
        // SAFETY: within the host's table, as the caller promises.
        let port = there.then(|| unsafe { &*ports.add(number) })?;
        Some((port.data32, port.channel_count as usize))
    }
}

unsafe extern "C" fn get_extension(plugin: *const clap_plugin, id: *const c_char) -> *const c_void {
    // SAFETY: the host passes the object that it got and a name that ends in zero.
    unsafe {
        let shim = Shim::of(plugin);
        let Some(get) = (*shim.inner).get_extension else {
            return std::ptr::null();
        };
        if CStr::from_ptr(id) == CLAP_EXT_GUI && !shim.host_has_gui {
            return std::ptr::null();
        }

        let found = get(plugin, id);
        if !found.is_null() && CStr::from_ptr(id) == CLAP_EXT_AUDIO_PORTS {
            return (&raw const AUDIO_PORTS).cast();
        }

        found
    }
}

unsafe extern "C" fn ports_count(plugin: *const clap_plugin, is_input: bool) -> u32 {
    // SAFETY: the host passes the object that it got; the table's type belongs to the name.
    let ports =
        unsafe { Shim::of(plugin).extension::<clap_plugin_audio_ports>(CLAP_EXT_AUDIO_PORTS) };
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
    let (shim, ports) = unsafe {
        let shim = Shim::of(plugin);
        let ports = shim.extension::<clap_plugin_audio_ports>(CLAP_EXT_AUDIO_PORTS);
        (shim, ports)
    };
    let Some(get) = ports.and_then(|ports| ports.get) else {
        return false;
    };

    // SAFETY: forwarded as it came.
    let done = unsafe { get(plugin, index, is_input, info) };
    if done && index == 0 && !is_input {
        // SAFETY: nice-plug has just written there.
        let name = unsafe { &mut (*info).name };
        write_name(name, shim.main_output.bytes().map(|byte| byte as c_char));
    }

    done
}
