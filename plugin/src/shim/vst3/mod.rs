//! The VST3 class, which owns nice-plug's wrapper and forwards to it. It adds complete ports in
//! `process`, the right mode in `setupProcessing`, and the main output's name.

mod arrangement;
mod factory;
mod fence;
mod forward;
mod points;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use nice_plug::prelude::{AudioIOLayout, Vst3Plugin};
use nice_plug::wrapper::vst3::Wrapper;
use nice_plug::wrapper::vst3::vst3::Class;
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::*;
use nice_plug::wrapper::vst3::vst3::Steinberg::*;

use super::mode;
use super::ports::{HostPort, Missing, Ports, main_output_name, write_name};
pub(crate) use factory::create_factory;
pub(crate) use fence::{Fence, remember_executor};
use points::BoundedPoints;

fn bus(table: *mut *mut f32, channels: u32) -> AudioBusBuffers {
    AudioBusBuffers {
        numChannels: channels as i32,
        silenceFlags: 0,
        __field0: AudioBusBuffers__type0 {
            channelBuffers32: table,
        },
    }
}

/// The ports that complete a block.
struct Block {
    max_frames: usize,
    inputs: Ports,
    outputs: Ports,
    input_table: Vec<AudioBusBuffers>,
    output_table: Vec<AudioBusBuffers>,
    /// Whether the host handed over one channel for the main output, which has two.
    has_mono_output: bool,
    points: BoundedPoints,
}

// SAFETY: the tables' pointers are written before they are read in every call, and never used
// between calls.
unsafe impl Send for Block {}

/// One instance of the plugin, as a VST3 host sees it.
struct Shim<P: Vst3Plugin> {
    inner: Wrapper<P>,
    is_active: AtomicBool,
    /// Whether the host has a mono main output, where nice-plug has a stereo one.
    has_mono_output: AtomicBool,
    block: Mutex<Block>,
}

impl<P: Vst3Plugin> Class for Shim<P> {
    type Interfaces = (
        IComponent,
        IEditController,
        IAudioProcessor,
        IProcessContextRequirements,
        IUnitInfo,
    );
}

impl<P: Vst3Plugin> Shim<P> {
    fn new() -> Self {
        Self {
            inner: Wrapper::new(),
            is_active: AtomicBool::new(false),
            has_mono_output: AtomicBool::new(false),
            block: Mutex::new(Block::new(&P::AUDIO_IO_LAYOUTS[0], P::INPUT_EVENT_CAPACITY)),
        }
    }

    /// Activates or deactivates the plugin. Hosts set the bus arrangements until then.
    ///
    /// # Safety
    /// As VST3 demands of the host.
    unsafe fn set_active(&self, state: TBool) -> tresult {
        if state != 0
            && let Ok(mut block) = self.block.lock()
        {
            block.lay_out(self.layout());
        }

        // SAFETY: forwarded as it came.
        let result = unsafe { self.inner.setActive(state) };
        let is_active = state != 0 && result == kResultOk;
        self.is_active.store(is_active, Ordering::Release);
        result
    }

    /// # Safety
    /// `setup` is null or the host's.
    unsafe fn setup_processing(&self, setup: *mut ProcessSetup) -> tresult {
        // SAFETY: null or the host's, as the caller promises.
        let Some(wanted) = (unsafe { setup.as_ref() }) else {
            return kInvalidArgument;
        };

        let max_frames = wanted.maxSamplesPerBlock.max(0) as usize;
        if let Ok(mut block) = self.block.lock() {
            block.max_frames = max_frames;
            block.lay_out(self.layout());
        }

        // SAFETY: forwarded as it came. The wrapper keeps the mode of the call before: the second
        // call keeps this one's.
        unsafe {
            self.inner.setupProcessing(setup);
            self.inner.setupProcessing(setup)
        }
    }

    /// # Safety
    /// `data` is null or the host's, its tables valid for the counts it gives and its channels for
    /// the block's frames.
    unsafe fn process_block(&self, data: *mut ProcessData) -> tresult {
        // SAFETY: null or the host's, as the caller promises.
        let Some(data) = (unsafe { data.as_ref() }) else {
            return kInvalidArgument;
        };
        // The lock can only be held by a host that sets up while it processes.
        let Ok(mut block) = self.block.try_lock() else {
            return kResultFalse;
        };

        // SAFETY: passed on from the caller.
        let mut full = unsafe { block.complete(data) };

        // Realtime is also what hosts leave there that say it with `setupProcessing` alone.
        let is_offline = data.processMode == ProcessModes_::kOffline as i32;

        // SAFETY: every pointer in `full` is valid during this call.
        let result = mode::during_block(is_offline.then_some(true), || unsafe {
            self.inner.process(&mut full)
        });
        if full.numSamples > 0 && block.has_mono_output {
            // SAFETY: the ports were completed for this block.
            unsafe { block.outputs.fold_main(full.numSamples as usize) };
        }
        result
    }

    /// # Safety
    /// `info` may be written to.
    unsafe fn bus_info(
        &self,
        kind: MediaType,
        direction: BusDirection,
        index: int32,
        info: *mut BusInfo,
    ) -> tresult {
        // SAFETY: forwarded as it came.
        let result = unsafe { self.inner.getBusInfo(kind, direction, index, info) };
        let main_output = kind == MediaTypes_::kAudio as i32
            && direction == BusDirections_::kOutput as i32
            && index == 0;

        if result == kResultOk && main_output {
            // SAFETY: nice-plug has just written there.
            let (name, channels) = unsafe { (&mut (*info).name, &mut (*info).channelCount) };
            if self.has_mono_output.load(Ordering::Acquire) {
                *channels = 1;
            }
            write_name(
                name,
                main_output_name(&P::AUDIO_IO_LAYOUTS[0])
                    .encode_utf16()
                    .map(|unit| unit as TChar),
            );
        }

        result
    }
}

impl Block {
    fn new(layout: &AudioIOLayout, most_points: usize) -> Self {
        let (inputs, outputs) = (Ports::inputs(layout), Ports::outputs(layout));
        let tables = [inputs.count(), outputs.count()]
            .map(|count| (0..count).map(|_| bus(std::ptr::null_mut(), 0)).collect());
        let [input_table, output_table] = tables;
        Self {
            max_frames: 0,
            inputs,
            outputs,
            input_table,
            output_table,
            has_mono_output: false,
            points: BoundedPoints::new(most_points),
        }
    }

    /// Prepares for a layout. Its ports are as many as those of any other. Allocates.
    fn lay_out(&mut self, layout: &AudioIOLayout) {
        (self.inputs, self.outputs) = (Ports::inputs(layout), Ports::outputs(layout));
        self.inputs.resize(self.max_frames);
        self.outputs.resize(self.max_frames);
    }

    /// Returns the block with all ports; without any frames where the host only hands over
    /// parameters.
    ///
    /// # Safety
    /// The host's tables are valid for the counts it gives, its channels for the block's frames.
    unsafe fn complete(&mut self, data: &ProcessData) -> ProcessData {
        let mut full = *data;
        let frames = data.numSamples.max(0) as usize;
        // SAFETY: the host's changes are valid during this call.
        full.inputParameterChanges = unsafe { self.points.bound(data.inputParameterChanges) };

        // SAFETY: passed on from the caller.
        let (inputs, outputs) = unsafe {
            (
                of_host(data.inputs, data.numInputs),
                of_host(data.outputs, data.numOutputs),
            )
        };

        // A host may flush parameters by passing no channels at all.
        let any = (0..self.outputs.count())
            .any(|i| outputs(i).is_some_and(|(table, n)| n > 0 && !table.is_null()));
        if frames == 0 || frames > self.outputs.max_frames() || !any {
            full.numSamples = 0;
            return full;
        }

        self.has_mono_output =
            outputs(0).is_some_and(|(table, channels)| channels == 1 && !table.is_null());
        let (input_table, output_table) = (&mut self.input_table, &mut self.output_table);

        // SAFETY: passed on from the caller.
        unsafe {
            self.inputs
                .complete(frames, Missing::Mono, inputs, |i, table, n| {
                    input_table[i] = bus(table, n)
                });
            self.outputs
                .complete(frames, Missing::Scratch, outputs, |i, table, n| {
                    output_table[i] = bus(table, n)
                });
        }

        full.inputs = self.input_table.as_mut_ptr();
        full.numInputs = self.input_table.len() as i32;
        full.outputs = self.output_table.as_mut_ptr();
        full.numOutputs = self.output_table.len() as i32;

        full
    }
}

/// Returns the host's bus of a number, if it has one.
///
/// # Safety
/// `buses` is null or holds `count` buses.
unsafe fn of_host(buses: *mut AudioBusBuffers, count: int32) -> impl Fn(usize) -> Option<HostPort> {
    move |number| {
        let there = number < count.max(0) as usize && !buses.is_null();
        // SAFETY: within the host's table, as the caller promises.
        let bus = there.then(|| unsafe { &*buses.add(number) })?;
        // SAFETY: both variants of the union are a pointer; only 32-bit samples are accepted by the
        // wrapper.
        Some((
            unsafe { bus.__field0.channelBuffers32 },
            bus.numChannels.max(0) as usize,
        ))
    }
}

impl<P: Vst3Plugin> Drop for Shim<P> {
    fn drop(&mut self) {
        fence::drain_worker();
    }
}
