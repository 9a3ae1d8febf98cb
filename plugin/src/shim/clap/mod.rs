//! The CLAP object: forwards to nice-plug's, except for `process`, `activate`, `deactivate`,
//! `destroy` and a few extensions, which are in `extensions.rs`.

mod extensions;
mod transport;

use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use clap_sys::audio_buffer::clap_audio_buffer;
use clap_sys::ext::gui::CLAP_EXT_GUI;
use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_plugin_params};
use clap_sys::host::clap_host;
use clap_sys::plugin::clap_plugin;
use clap_sys::process::{
    CLAP_PROCESS_CONTINUE, CLAP_PROCESS_ERROR, clap_process, clap_process_status,
};
use nice_plug::prelude::{AudioIOLayout, ClapPlugin};
use nice_plug::wrapper::clap::Wrapper;

use super::mode::{self, HostMode};
use super::ports::{HostPort, Missing, Ports, layout_with};
use extensions::get_extension;
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
    layouts: &'static [AudioIOLayout],
    is_active: AtomicBool,
    /// The mode that the host has set last. It may do so between two blocks.
    mode: HostMode,
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

    let plugin = clap_plugin {
        destroy: Some(destroy),
        activate: Some(activate),
        deactivate: Some(deactivate),
        process: Some(process),
        get_extension: Some(get_extension),
        // SAFETY: `inner` points into the wrapper, see above.
        ..unsafe { *inner }
    };

    let layouts = P::AUDIO_IO_LAYOUTS;
    Box::into_raw(Box::new(Shim {
        plugin,
        inner,
        host_has_gui,
        layouts,
        is_active: AtomicBool::new(false),
        mode: HostMode::default(),
        audio: Mutex::new(Block::new(&layouts[0])),
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

    /// Returns the layout that the host has selected.
    ///
    /// # Safety
    /// `plugin` is this object.
    unsafe fn layout(&self, plugin: *const clap_plugin) -> &'static AudioIOLayout {
        // SAFETY: passed on from the caller.
        let [inputs, outputs] =
            [true, false].map(|is_input| unsafe { extensions::channels(plugin, is_input) });
        layout_with(self.layouts, inputs, outputs)
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

    // SAFETY: the object is the host's.
    let layout = unsafe { shim.layout(plugin) };
    block.lay_out(layout, max_frames as usize);
    block.corrected.set_rate(rate_hz);
    drop(block);

    // SAFETY: forwarded as it came; `plugin_data` is the wrapper's.
    let done = unsafe {
        (*shim.inner)
            .activate
            .is_some_and(|activate| activate(plugin, rate_hz, min_frames, max_frames))
    };
    shim.is_active.store(done, Ordering::Release);
    done
}

unsafe extern "C" fn deactivate(plugin: *const clap_plugin) {
    // SAFETY: the host passes the object that it got; forwarded as it came.
    unsafe {
        let shim = Shim::of(plugin);
        if let Some(deactivate) = (*shim.inner).deactivate {
            deactivate(plugin);
        }
        shim.is_active.store(false, Ordering::Release);
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
    mode::during_block(shim.mode.is_offline(), || unsafe {
        (*shim.inner)
            .process
            .map_or(CLAP_PROCESS_ERROR, |process| process(plugin, &full))
    })
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
    fn new(layout: &AudioIOLayout) -> Self {
        let (inputs, outputs) = (Ports::inputs(layout), Ports::outputs(layout));
        Self {
            input_table: vec![EMPTY; inputs.count()],
            output_table: vec![EMPTY; outputs.count()],
            inputs,
            outputs,
            corrected: Box::new(CorrectedTransport::new()),
        }
    }

    /// Prepares for blocks of up to `max_frames` in a layout. Allocates.
    fn lay_out(&mut self, layout: &AudioIOLayout, max_frames: usize) {
        (self.inputs, self.outputs) = (Ports::inputs(layout), Ports::outputs(layout));
        self.inputs.resize(max_frames);
        self.outputs.resize(max_frames);
        self.input_table.resize(self.inputs.count(), EMPTY);
        self.output_table.resize(self.outputs.count(), EMPTY);
    }

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
                .complete(frames, Missing::Mono, hosts_inputs, |i, table, n| {
                    inputs[i] = port(table, n)
                });
            self.outputs
                .complete(frames, Missing::Scratch, hosts_outputs, |i, table, n| {
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
