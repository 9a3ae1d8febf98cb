//! The plugin.
use std::sync::Arc;
use nice_plug::prelude::*;
use crate::shim::Fence;

#[derive(Params, Default)]
pub struct P {}
/// x
#[derive(Default)]
pub struct Sextet { params: Arc<P> }
const STEREO: NonZeroU32 = new_nonzero_u32(2);
impl Plugin for Sextet {
    const NAME: &'static str = "Sextet";
    const VENDOR: &'static str = "Sextet";
    const URL: &'static str = "";
    const EMAIL: &'static str = "";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const AUDIO_IO_LAYOUTS: &'static [AudioIOLayout] = &[AudioIOLayout {
        main_input_channels: Some(STEREO),
        main_output_channels: Some(STEREO),
        aux_input_ports: &[],
        aux_output_ports: &[STEREO; 6],
        names: PortNames {
            layout: Some("Six stems"),
            main_input: Some("Clip In"),
            main_output: Some("Main Out"),
            aux_inputs: &[],
            aux_outputs: &["Drums", "Bass", "Other", "Vocals", "Guitar", "Piano"],
        },
    }];
    const SAMPLE_ACCURATE_AUTOMATION: bool = true;
    type SysExMessage = ();
    type BackgroundTask = Fence;
    type Editor = nice_plug_egui::EguiEditor<A>;
    fn task_executor(&mut self) -> TaskExecutor<Self> { Box::new(Fence::pass) }
    fn params(&self) -> Arc<dyn Params> { self.params.clone() }
    fn editor(&mut self, executor: AsyncExecutor<Self>) -> Option<Self::Editor> {
        crate::shim::remember_executor(&executor); None
    }
    fn process(&mut self, _b: &mut Buffer, aux: &mut AuxiliaryBuffers, _c: &mut impl ProcessContext<Self>) -> ProcessStatus {
        for b in aux.outputs.iter_mut() { for c in b.as_slice() { c.fill(0.0); } }
        ProcessStatus::Normal
    }
}
pub struct A;
impl nice_plug_egui::NiceEguiApp for A { fn ui(&mut self, _: &mut egui::Ui, _: &mut nice_plug_egui::Frame) {} }
impl ClapPlugin for Sextet {
    const CLAP_ID: &'static str = "dev.sextet.separator";
    const CLAP_DESCRIPTION: Option<&'static str> = Some("Six stems of a clip, in place");
    const CLAP_MANUAL_URL: Option<&'static str> = None;
    const CLAP_SUPPORT_URL: Option<&'static str> = None;
    const CLAP_FEATURES: &'static [ClapFeature] = &[ClapFeature::AudioEffect, ClapFeature::Stereo, ClapFeature::Utility];
}
impl Vst3Plugin for Sextet {
    const VST3_CLASS_ID: [u8; 16] = *b"SextetSeparator1";
    const VST3_SUBCATEGORIES: &'static [Vst3SubCategory] = &[Vst3SubCategory::Fx, Vst3SubCategory::Tools];
}
