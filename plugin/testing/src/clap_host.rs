//! A CLAP host on clack-host that can hand over buses as badly as the worst of hosts do.

use std::collections::HashMap;
use std::ffi::{CStr, c_void};
use std::ptr;
use std::time::Duration;

use clack_extensions::gui::{GuiSize, HostGui, HostGuiImpl};
use clack_host::prelude::*;
use clap_sys::audio_buffer::clap_audio_buffer;
use clap_sys::events::*;
use clap_sys::ext::audio_ports::{
    CLAP_EXT_AUDIO_PORTS, clap_audio_port_info, clap_plugin_audio_ports,
};
use clap_sys::ext::audio_ports_config::{
    CLAP_EXT_AUDIO_PORTS_CONFIG, clap_audio_ports_config, clap_plugin_audio_ports_config,
};
#[cfg(windows)]
use clap_sys::ext::gui::CLAP_WINDOW_API_WIN32;
#[cfg(not(windows))]
use clap_sys::ext::gui::CLAP_WINDOW_API_X11;
use clap_sys::ext::gui::{CLAP_EXT_GUI, clap_plugin_gui, clap_window, clap_window_handle};
use clap_sys::ext::latency::{CLAP_EXT_LATENCY, clap_plugin_latency};
use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_param_info, clap_plugin_params};
use clap_sys::ext::render::{
    CLAP_EXT_RENDER, CLAP_RENDER_OFFLINE, CLAP_RENDER_REALTIME, clap_plugin_render,
};
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_plugin_state};
use clap_sys::fixedpoint::CLAP_SECTIME_FACTOR;
use clap_sys::plugin::clap_plugin;
use clap_sys::process::{CLAP_PROCESS_ERROR, clap_process};
use clap_sys::stream::{clap_istream, clap_ostream};

use crate::{BusAudio, library, project};

pub struct Shared;
impl SharedHandler<'_> for Shared {
    fn request_restart(&self) {}
    fn request_process(&self) {}
    fn request_callback(&self) {}
}

impl HostGuiImpl for Shared {
    fn resize_hints_changed(&self) {}
    fn request_resize(&self, _size: GuiSize) -> Result<(), HostError> {
        Ok(())
    }
    fn request_show(&self) -> Result<(), HostError> {
        Ok(())
    }
    fn request_hide(&self) -> Result<(), HostError> {
        Ok(())
    }
    fn closed(&self, _was_destroyed: bool) {}
}

pub struct TestHost;
impl HostHandlers for TestHost {
    type Shared<'a> = Shared;
    type MainThread<'a> = ();
    type AudioProcessor<'a> = ();

    fn declare_extensions(builder: &mut HostExtensions<'_, Self>, _shared: &Self::Shared<'_>) {
        builder.register::<HostGui>();
    }
}

/// The way in which a block's buses are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buses {
    /// All buses.
    All,
    /// Only the main output is in the table.
    MainOnly,
    /// All buses are in the table, but the auxiliary ones have no channels.
    NoAuxChannels,
    /// The auxiliary buses have a null table of channels.
    NullAuxTables,
    /// The auxiliary buses' channels are null.
    NullAuxChannels,
    /// Every second auxiliary bus has a null table.
    Holes,
    /// No input at all.
    NoInput,
    /// The main output has null channels.
    NullMain,
}

/// One call of `process`.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Channels of the input; their length is the block's.
    pub input: [&'a [f32]; 2],
    /// Position of the transport; `None` while it stands.
    pub position: Option<i64>,
    pub buses: Buses,
    /// Parameter changes: parameter, frame, value.
    pub changes: &'a [(u32, u32, f64)],
    /// Jumps of the transport within the block: frame and new position.
    pub locates: &'a [(u32, i64)],
}

pub struct Host {
    instance: Option<PluginInstance<TestHost>>,
    processor: Option<StartedPluginAudioProcessor<TestHost>>,
    rate_hz: f64,
    /// The stretch in which the transport loops, in seconds.
    pub loop_s: Option<[f64; 2]>,
    params: HashMap<String, u32>,
    /// Channels of the main input and the main output.
    main: [usize; 2],
}

impl Host {
    pub fn new() -> Self {
        project::folders();

        // SAFETY: the library is our own.
        let entry = unsafe { PluginEntry::load(library()) }.unwrap();
        let info = HostInfo::new("Sextet's tests", "Sextet", "", "1").unwrap();
        let id = c"dev.sextet.separator";
        let instance =
            PluginInstance::<TestHost>::new(|_| Shared, |_| (), &entry, id, &info).unwrap();

        let mut host = Self {
            instance: Some(instance),
            processor: None,
            rate_hz: 0.0,
            loop_s: None,
            params: HashMap::new(),
            main: [2, 2],
        };

        host.params = host.list_params();
        host
    }

    fn raw(&self) -> &clap_plugin {
        self.instance.as_ref().unwrap().raw_instance()
    }

    fn extension<T>(&self, id: &CStr) -> &T {
        // SAFETY: the table's type belongs to the name.
        unsafe {
            (self.raw().get_extension.unwrap()(self.raw(), id.as_ptr()).cast::<T>())
                .as_ref()
                .unwrap()
        }
    }

    fn list_params(&self) -> HashMap<String, u32> {
        let params: &clap_plugin_params = self.extension(CLAP_EXT_PARAMS);
        // SAFETY: plain C structures, for which zeros are fine.
        unsafe {
            let count = params.count.unwrap()(self.raw());
            let info = |index| {
                let mut info: clap_param_info = std::mem::zeroed();
                assert!(params.get_info.unwrap()(self.raw(), index, &mut info));
                let name = CStr::from_ptr(info.name.as_ptr())
                    .to_str()
                    .unwrap()
                    .to_owned();
                (name, info.id)
            };

            (0..count).map(info).collect()
        }
    }

    /// Returns a parameter's number by its name.
    pub fn param(&self, name: &str) -> u32 {
        *self
            .params
            .get(name)
            .unwrap_or_else(|| panic!("no '{name}' among {:?}", self.params.keys()))
    }

    /// Returns a parameter's value.
    pub fn value(&self, name: &str) -> f64 {
        let params: &clap_plugin_params = self.extension(CLAP_EXT_PARAMS);
        let mut value = 0.0;
        // SAFETY: the plugin's own function.
        assert!(unsafe { params.get_value.unwrap()(self.raw(), self.param(name), &mut value) });
        value
    }

    /// Returns the value that the host hands over for a plain value: this framework's CLAP
    /// parameters are normalized, choices are counted.
    pub fn normalized(&self, name: &str, plain: f64) -> f64 {
        if !name.ends_with("gain") {
            return plain;
        }

        let params: &clap_plugin_params = self.extension(CLAP_EXT_PARAMS);
        let text = std::ffi::CString::new(plain.to_string()).unwrap();
        let mut value = 0.0;

        // SAFETY: the plugin's own function and a text that ends in zero.
        assert!(unsafe {
            params.text_to_value.unwrap()(self.raw(), self.param(name), text.as_ptr(), &mut value)
        });
        value
    }

    pub fn params(&self) -> Vec<String> {
        self.params.keys().cloned().collect()
    }

    pub fn port_names(&self, is_input: bool) -> Vec<String> {
        let ports = self.ports(is_input).into_iter();
        ports.map(|(name, _)| name).collect()
    }

    /// Returns the name of each port and its number of channels.
    pub fn ports(&self, is_input: bool) -> Vec<(String, u32)> {
        let ports: &clap_plugin_audio_ports = self.extension(CLAP_EXT_AUDIO_PORTS);
        // SAFETY: plain C structures, for which zeros are fine.
        unsafe {
            let name = |index| {
                let mut info: clap_audio_port_info = std::mem::zeroed();
                assert!(ports.get.unwrap()(self.raw(), index, is_input, &mut info));
                let name = CStr::from_ptr(info.name.as_ptr()).to_str().unwrap();
                (name.to_owned(), info.channel_count)
            };
            (0..ports.count.unwrap()(self.raw(), is_input))
                .map(name)
                .collect()
        }
    }

    /// Returns the channels of the main input and output in each layout that is offered.
    pub fn layouts(&self) -> Vec<[u32; 2]> {
        let layouts: &clap_plugin_audio_ports_config = self.extension(CLAP_EXT_AUDIO_PORTS_CONFIG);
        // SAFETY: plain C structures, for which zeros are fine.
        unsafe {
            let channels = |index| {
                let mut config: clap_audio_ports_config = std::mem::zeroed();
                assert!(layouts.get.unwrap()(self.raw(), index, &mut config));
                assert_eq!((config.id, config.output_port_count), (index, 7));
                [
                    config.main_input_channel_count,
                    config.main_output_channel_count,
                ]
            };
            (0..layouts.count.unwrap()(self.raw()))
                .map(channels)
                .collect()
        }
    }

    /// Selects a layout by its number; returns whether the plugin took it. The host hands over as
    /// many channels as it has from then on.
    pub fn select_layout(&mut self, id: u32) -> bool {
        let layouts: &clap_plugin_audio_ports_config = self.extension(CLAP_EXT_AUDIO_PORTS_CONFIG);
        // SAFETY: the plugin's own function.
        let taken = unsafe { layouts.select.unwrap()(self.raw(), id) };
        if taken {
            self.main = [true, false].map(|is_input| self.ports(is_input)[0].1 as usize);
        }
        taken
    }

    pub fn latency(&self) -> u32 {
        let latency: &clap_plugin_latency = self.extension(CLAP_EXT_LATENCY);
        // SAFETY: the plugin's own function.
        unsafe { latency.get.unwrap()(self.raw()) }
    }

    pub fn set_offline(&self, offline: bool) {
        let render: &clap_plugin_render = self.extension(CLAP_EXT_RENDER);
        let mode = if offline {
            CLAP_RENDER_OFFLINE
        } else {
            CLAP_RENDER_REALTIME
        };
        // SAFETY: the plugin's own function.
        assert!(unsafe { render.set.unwrap()(self.raw(), mode) });
    }

    pub fn activate(&mut self, rate_hz: u32, max_frames: u32) {
        self.deactivate();
        self.rate_hz = f64::from(rate_hz);
        let config = PluginAudioConfiguration {
            sample_rate: self.rate_hz,
            min_frames_count: 1,
            max_frames_count: max_frames,
        };

        let stopped = self
            .instance
            .as_mut()
            .unwrap()
            .activate(|_, _| (), config)
            .unwrap();

        self.processor = Some(stopped.start_processing().unwrap());
    }

    pub fn deactivate(&mut self) {
        if let Some(processor) = self.processor.take() {
            let stopped = processor.stop_processing();
            self.instance.as_mut().unwrap().deactivate(stopped);
        }
    }

    /// Processes a block with all buses.
    pub fn play(&mut self, input: [&[f32]; 2], position: Option<i64>) -> BusAudio {
        self.process(&Call {
            input,
            position,
            buses: Buses::All,
            changes: &[],
            locates: &[],
        })
    }

    /// Changes parameters while nothing sounds.
    pub fn set(&mut self, values: &[(&str, f64)]) {
        let changes: Vec<_> = values
            .iter()
            .map(|(name, value)| (self.param(name), 0, *value))
            .collect();
        let silence = [0.0; 1];

        let input = [silence.as_slice(); 2];
        self.process(&Call {
            input,
            position: None,
            buses: Buses::All,
            changes: &changes,
            locates: &[],
        });
    }

    /// Processes a block. Buses and channels that were not handed over are NaN.
    pub fn process(&mut self, call: &Call<'_>) -> BusAudio {
        assert!(self.processor.is_some(), "not active");
        let frames = call.input[0].len();
        let mut heard: BusAudio =
            std::array::from_fn(|_| std::array::from_fn(|_| vec![f32::NAN; frames]));

        let mut input: Vec<Vec<f32>> = call.input.iter().map(|channel| channel.to_vec()).collect();
        let mut input_table: Vec<*mut f32> = input.iter_mut().map(Vec::as_mut_ptr).collect();
        input_table.truncate(self.main[0]);
        let mut tables: Vec<Vec<*mut f32>> = heard
            .iter_mut()
            .map(|bus| bus.iter_mut().map(Vec::as_mut_ptr).collect())
            .collect();

        tables[0].truncate(self.main[1]);
        let inputs = [buffer(&mut input_table)];
        let mut outputs: Vec<_> = tables
            .iter_mut()
            .enumerate()
            .map(|(bus, table)| handed(call.buses, bus, table))
            .collect();

        if call.buses == Buses::MainOnly {
            outputs.truncate(1);
        }

        let mut events = self.events(call);

        // A standing transport needs a position other than 0, which would be taken for no
        // transport.
        let mut transport = self.transport(call.position.unwrap_or(1), 0);
        if call.position.is_none() {
            transport.flags &= !CLAP_TRANSPORT_IS_PLAYING;
        }

        let list = clap_input_events {
            ctx: (&raw mut events).cast(),
            size: Some(event_count),
            get: Some(event_at),
        };

        let out = clap_output_events {
            ctx: ptr::null_mut(),
            try_push: Some(drop_event),
        };
        let with_input = call.buses != Buses::NoInput;
        let process = clap_process {
            steady_time: -1,
            frames_count: frames as u32,
            transport: &transport,
            audio_inputs: if with_input {
                inputs.as_ptr()
            } else {
                ptr::null()
            },
            audio_outputs: outputs.as_mut_ptr(),
            audio_inputs_count: u32::from(with_input),
            audio_outputs_count: outputs.len() as u32,
            in_events: &list,
            out_events: &out,
        };

        // SAFETY: all pointers live until the end of this call.
        let status = unsafe { self.raw().process.unwrap()(self.raw(), &process) };
        assert_ne!(status, CLAP_PROCESS_ERROR);
        heard
    }

    fn transport(&self, position: i64, time: u32) -> clap_event_transport {
        // SAFETY: a plain C structure, for which zeros are fine.
        let mut event: clap_event_transport = unsafe { std::mem::zeroed() };
        event.header = header(
            size_of::<clap_event_transport>(),
            time,
            CLAP_EVENT_TRANSPORT,
        );

        event.flags = CLAP_TRANSPORT_IS_PLAYING | CLAP_TRANSPORT_HAS_SECONDS_TIMELINE;
        let fixed = |seconds: f64| (seconds * CLAP_SECTIME_FACTOR as f64).round() as i64;
        event.song_pos_seconds = fixed(position as f64 / self.rate_hz);
        if let Some([start_s, end_s]) = self.loop_s {
            event.flags |= CLAP_TRANSPORT_IS_LOOP_ACTIVE;
            event.loop_start_seconds = fixed(start_s);
            event.loop_end_seconds = fixed(end_s);
        }
        event
    }

    /// Returns parameter changes and locates in the order of their frames.
    fn events(&self, call: &Call<'_>) -> Vec<Event> {
        let change = |&(param_id, time, value): &(u32, u32, f64)| {
            Event::Param(clap_event_param_value {
                header: header(
                    size_of::<clap_event_param_value>(),
                    time,
                    CLAP_EVENT_PARAM_VALUE,
                ),
                param_id,
                cookie: ptr::null_mut(),
                note_id: -1,
                port_index: -1,
                channel: -1,
                key: -1,
                value,
            })
        };

        let locate =
            |&(time, position): &(u32, i64)| Event::Transport(self.transport(position, time));
        let mut events: Vec<_> = call
            .changes
            .iter()
            .map(change)
            .chain(call.locates.iter().map(locate))
            .collect();

        events.sort_by_key(|event| event.header().time);
        events
    }

    pub fn save(&self) -> Vec<u8> {
        let state: &clap_plugin_state = self.extension(CLAP_EXT_STATE);
        let mut bytes: Vec<u8> = Vec::new();
        let stream = clap_ostream {
            ctx: (&raw mut bytes).cast(),
            write: Some(write),
        };
        // SAFETY: the stream lives until the end of this call.
        assert!(unsafe { state.save.unwrap()(self.raw(), &stream) });
        bytes
    }

    pub fn load(&self, bytes: &[u8]) -> bool {
        let state: &clap_plugin_state = self.extension(CLAP_EXT_STATE);
        let mut rest = bytes;
        let stream = clap_istream {
            ctx: (&raw mut rest).cast(),
            read: Some(read),
        };
        // SAFETY: the stream lives until the end of this call.
        unsafe { state.load.unwrap()(self.raw(), &stream) }
    }

    /// Opens the editor within an X11 window; returns its size.
    #[cfg(not(windows))]
    pub fn open_editor(&self, window: u32) -> (u32, u32) {
        let api = CLAP_WINDOW_API_X11.as_ptr();
        self.open_editor_in(&clap_window {
            api,
            specific: clap_window_handle { x11: window.into() },
        })
    }

    /// Opens the editor within a window of this thread; returns its size.
    #[cfg(windows)]
    pub fn open_editor(&self, window: &crate::window::Window) -> (u32, u32) {
        let api = CLAP_WINDOW_API_WIN32.as_ptr();
        let win32 = window.handle();
        self.open_editor_in(&clap_window {
            api,
            specific: clap_window_handle { win32 },
        })
    }

    fn open_editor_in(&self, parent: &clap_window) -> (u32, u32) {
        let gui: &clap_plugin_gui = self.extension(CLAP_EXT_GUI);
        let api = parent.api;
        let (mut width, mut height) = (0, 0);

        // SAFETY: the plugin's own functions; the window outlives the editor.
        unsafe {
            assert!(gui.create.unwrap()(self.raw(), api, false));
            assert!(gui.get_size.unwrap()(self.raw(), &mut width, &mut height));
            assert!(gui.set_parent.unwrap()(self.raw(), parent));
            gui.show.unwrap()(self.raw());
        }

        (width, height)
    }

    /// Resizes the editor.
    pub fn resize_editor(&self, width: u32, height: u32) -> bool {
        let gui: &clap_plugin_gui = self.extension(CLAP_EXT_GUI);
        // SAFETY: the plugin's own function.
        unsafe { gui.set_size.unwrap()(self.raw(), width, height) }
    }

    pub fn close_editor(&self) {
        let gui: &clap_plugin_gui = self.extension(CLAP_EXT_GUI);
        // SAFETY: the plugin's own function.
        unsafe { gui.destroy.unwrap()(self.raw()) }
    }

    /// Returns the status that the instance saves.
    pub fn status(&self) -> String {
        project::saved(&self.save())["status"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits until the instance's status begins with `status`.
    pub fn wait_for(&self, status: &str, patience: Duration) {
        project::until(status, patience, || {
            let found = self.status();
            if found.starts_with(status) {
                Ok(())
            } else {
                Err(found)
            }
        });
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.deactivate();
    }
}

enum Event {
    Param(clap_event_param_value),
    Transport(clap_event_transport),
}

impl Event {
    fn header(&self) -> &clap_event_header {
        match self {
            Self::Param(event) => &event.header,
            Self::Transport(event) => &event.header,
        }
    }
}

fn header(size: usize, time: u32, type_: u16) -> clap_event_header {
    clap_event_header {
        size: size as u32,
        time,
        space_id: CLAP_CORE_EVENT_SPACE_ID,
        type_,
        flags: 0,
    }
}

fn buffer(table: &mut [*mut f32]) -> clap_audio_buffer {
    let channel_count = table.len() as u32;
    clap_audio_buffer {
        data32: table.as_mut_ptr(),
        data64: ptr::null_mut(),
        channel_count,
        latency: 0,
        constant_mask: 0,
    }
}

/// Returns an output bus in the form in which the host hands it over.
fn handed(buses: Buses, bus: usize, table: &mut [*mut f32]) -> clap_audio_buffer {
    let (aux, main) = (bus > 0, bus == 0);
    match buses {
        Buses::NoAuxChannels if aux => buffer(&mut []),
        Buses::NullAuxTables if aux => clap_audio_buffer {
            data32: ptr::null_mut(),
            ..buffer(table)
        },
        Buses::Holes if aux && bus.is_multiple_of(2) => clap_audio_buffer {
            data32: ptr::null_mut(),
            ..buffer(table)
        },
        Buses::NullAuxChannels if aux => {
            table.fill(ptr::null_mut());
            buffer(table)
        }
        Buses::NullMain if main => {
            table.fill(ptr::null_mut());
            buffer(table)
        }
        _ => buffer(table),
    }
}

unsafe extern "C" fn event_count(list: *const clap_input_events) -> u32 {
    // SAFETY: the context is the list of `process`.
    unsafe { (*(*list).ctx.cast::<Vec<Event>>()).len() as u32 }
}

unsafe extern "C" fn event_at(
    list: *const clap_input_events,
    index: u32,
) -> *const clap_event_header {
    // SAFETY: the context is the list of `process`.
    let events = unsafe { &*(*list).ctx.cast::<Vec<Event>>() };
    events
        .get(index as usize)
        .map_or(ptr::null(), |event| ptr::from_ref(event.header()))
}

unsafe extern "C" fn drop_event(
    _list: *const clap_output_events,
    _event: *const clap_event_header,
) -> bool {
    true
}

unsafe extern "C" fn write(stream: *const clap_ostream, from: *const c_void, bytes: u64) -> i64 {
    // SAFETY: the context is the vector of `save`; the plugin hands over so many bytes.
    unsafe {
        let to = &mut *(*stream).ctx.cast::<Vec<u8>>();
        to.extend_from_slice(std::slice::from_raw_parts(from.cast(), bytes as usize));
    }
    bytes as i64
}

unsafe extern "C" fn read(stream: *const clap_istream, to: *mut c_void, bytes: u64) -> i64 {
    // SAFETY: the context is the slice of `load`; the plugin has room for so many bytes.
    unsafe {
        let rest = &mut *(*stream).ctx.cast::<&[u8]>();
        let count = rest.len().min(bytes as usize);
        ptr::copy_nonoverlapping(rest.as_ptr(), to.cast(), count);
        *rest = &rest[count..];
        count as i64
    }
}
