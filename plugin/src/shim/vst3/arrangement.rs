//! The arrangements of the buses: the layouts of the plugin, as VST3 negotiates them.

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
    /// # Safety
    /// The tables are null or as long as the host says.
    pub(super) unsafe fn set_bus_arrangements(
        &self,
        inputs: *mut SpeakerArrangement,
        num_ins: int32,
        outputs: *mut SpeakerArrangement,
        num_outs: int32,
    ) -> tresult {
        if self.is_active.load(std::sync::atomic::Ordering::Acquire) {
            return kResultFalse;
        }

        // SAFETY: forwarded as it came.
        let result = unsafe {
            self.inner
                .setBusArrangements(inputs, num_ins, outputs, num_outs)
        };
        if result != kResultFalse || num_ins < 1 || num_outs < 1 {
            return result;
        }

        // SAFETY: neither is null, or the wrapper had refused them as invalid, and both have one.
        let (input, output) = unsafe { (*inputs, *outputs) };
        self.keep_nearest(input, output);
        result
    }

    /// Keeps the layout with these main buses, if there is one.
    fn keep_nearest(&self, input: SpeakerArrangement, output: SpeakerArrangement) {
        let layout = layout_with(P::AUDIO_IO_LAYOUTS, input.count_ones(), output.count_ones());
        let mut inputs = arrangements(layout.main_input_channels, layout.aux_input_ports);
        let mut outputs = arrangements(layout.main_output_channels, layout.aux_output_ports);
        let is_near = inputs.first().map(|main| main.count_ones()) == Some(input.count_ones())
            && outputs.first().map(|main| main.count_ones()) == Some(output.count_ones());
        if !is_near {
            return;
        }

        let (num_ins, num_outs) = (inputs.len() as int32, outputs.len() as int32);
        // SAFETY: both tables are as long as they are said to be.
        unsafe {
            self.inner.setBusArrangements(
                inputs.as_mut_ptr(),
                num_ins,
                outputs.as_mut_ptr(),
                num_outs,
            );
        }
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
