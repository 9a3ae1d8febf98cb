//! The arrangements of the buses: the layouts of the plugin, as VST3 negotiates them.

use std::sync::atomic::Ordering;

use nice_plug::prelude::{AudioIOLayout, NonZeroU32, Vst3Plugin};
use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::*;
use nice_plug::wrapper::vst3::vst3::Steinberg::*;

use super::Shim;
use crate::shim::ports::layout_with;

const INPUT: BusDirection = BusDirections_::kInput as BusDirection;
const OUTPUT: BusDirection = BusDirections_::kOutput as BusDirection;

impl<P: Vst3Plugin> Shim<P> {
    /// Returns the layout that the host has arranged.
    pub(super) fn layout(&self) -> &'static AudioIOLayout {
        let [inputs, outputs] = [INPUT, OUTPUT].map(|direction| {
            let mut arrangement = 0;
            // SAFETY: the wrapper writes to the number.
            let result = unsafe { self.inner.getBusArrangement(direction, 0, &mut arrangement) };
            if result == kResultOk {
                arrangement.count_ones()
            } else {
                0
            }
        });
        layout_with(P::AUDIO_IO_LAYOUTS, inputs, outputs)
    }

    /// Sets the arrangements, unless the plugin is active: its buffers are of the old ones then.
    ///
    /// A host may ask for others than there are, such as six mono outputs on a mono track, to which
    /// the answer is no. As VST3 has it, the plugin then keeps the nearest, and the host asks for
    /// it: the main buses as the host wants them, and the auxiliary ones as they are.
    ///
    /// nice-plug 0.4.2 compares every auxiliary bus with the one before it, and thereby refuses
    /// each layout whose main output has other channels than the first auxiliary one. So a mono
    /// output is the shim's: nice-plug has the layout with a stereo output, which the shim folds.
    ///
    /// # Safety
    /// The tables are null or as long as the host says.
    pub(super) unsafe fn set_bus_arrangements(
        &self,
        inputs: *mut SpeakerArrangement,
        num_ins: int32,
        outputs: *mut SpeakerArrangement,
        num_outs: int32,
    ) -> tresult {
        if self.is_active.load(Ordering::Acquire) {
            return kResultFalse;
        }

        // SAFETY: forwarded as it came.
        let result = unsafe {
            self.inner
                .setBusArrangements(inputs, num_ins, outputs, num_outs)
        };
        if result == kResultOk {
            self.has_mono_output.store(false, Ordering::Release);
        }
        if result != kResultFalse || num_ins < 1 || num_outs < 1 {
            return result;
        }

        // SAFETY: neither is null, or the wrapper had refused them as invalid; both are so long.
        let (inputs, outputs) = unsafe {
            (
                std::slice::from_raw_parts(inputs, num_ins as usize),
                std::slice::from_raw_parts(outputs, num_outs as usize),
            )
        };
        self.keep_nearest(inputs, outputs)
    }

    /// Keeps the layout with the main buses that are asked for, if there is one. Returns whether it
    /// is all that is asked for.
    fn keep_nearest(
        &self,
        inputs: &[SpeakerArrangement],
        outputs: &[SpeakerArrangement],
    ) -> tresult {
        let layout = layout_with(
            P::AUDIO_IO_LAYOUTS,
            inputs[0].count_ones(),
            outputs[0].count_ones(),
        );
        let kept_inputs = arrangements(layout.main_input_channels, layout.aux_input_ports);
        let kept_outputs = arrangements(layout.main_output_channels, layout.aux_output_ports);
        let same =
            |a: &SpeakerArrangement, b: &SpeakerArrangement| a.count_ones() == b.count_ones();
        if !same(&kept_inputs[0], &inputs[0]) || !same(&kept_outputs[0], &outputs[0]) {
            return kResultFalse;
        }

        // The wrapper has a stereo output in the place of a mono one.
        let is_mono = kept_outputs[0].count_ones() == 1;
        let mut own_inputs = kept_inputs.clone();
        let mut own_outputs = kept_outputs.clone();
        if is_mono {
            own_outputs[0] = SpeakerArr::kStereo;
        }
        let (num_ins, num_outs) = (own_inputs.len() as int32, own_outputs.len() as int32);
        // SAFETY: both tables are as long as they are said to be.
        let result = unsafe {
            self.inner.setBusArrangements(
                own_inputs.as_mut_ptr(),
                num_ins,
                own_outputs.as_mut_ptr(),
                num_outs,
            )
        };
        if result != kResultOk {
            return kResultFalse;
        }

        self.has_mono_output.store(is_mono, Ordering::Release);
        let all_same = |kept: &[SpeakerArrangement], asked: &[SpeakerArrangement]| {
            kept.len() == asked.len() && kept.iter().zip(asked).all(|(a, b)| same(a, b))
        };
        if all_same(&kept_inputs, inputs) && all_same(&kept_outputs, outputs) {
            kResultOk
        } else {
            kResultFalse
        }
    }

    /// Returns the arrangement of a bus: nice-plug's, but for a mono output.
    ///
    /// # Safety
    /// `arrangement` is null or may be written to.
    pub(super) unsafe fn bus_arrangement(
        &self,
        direction: BusDirection,
        index: int32,
        arrangement: *mut SpeakerArrangement,
    ) -> tresult {
        // SAFETY: forwarded as it came.
        let result = unsafe { self.inner.getBusArrangement(direction, index, arrangement) };
        let is_main = direction == OUTPUT && index == 0;
        if result == kResultOk && is_main && self.has_mono_output.load(Ordering::Acquire) {
            // SAFETY: nice-plug has just written there.
            unsafe { *arrangement = SpeakerArr::kMono };
        }
        result
    }
}

/// Returns an arrangement of as many speakers as each bus has channels.
fn arrangements(main: Option<NonZeroU32>, aux: &[NonZeroU32]) -> Vec<SpeakerArrangement> {
    let of_channels = |count: &NonZeroU32| match count.get() {
        1 => SpeakerArr::kMono,
        2 => SpeakerArr::kStereo,
        more => (1 << more) - 1,
    };
    main.iter().chain(aux).map(of_channels).collect()
}
