//! Shims between hosts and nice-plug, for CLAP and for VST3: thin layers around nice-plug 0.4.2's
//! public wrappers that correct their defects. They are to be removed when the framework is fixed.
//!
//! | defect of nice-plug 0.4.2 | where it is put right |
//! |---|---|
//! | a block with any absent, inactive or null output is passed dry; null channels are dereferenced | [`ports`] |
//! | the main output is named after the main input | [`ports::main_output_name`], and the main input has no name |
//! | the mode of rendering is known at activation alone | [`mode`] |
//! | layouts are changed while active, when the buffers are of the old one | [`clap`], [`vst3`] |
//! | CLAP: a transport event inside a block is taken to lie at the block's start | [`clap`], `transport.rs` |
//! | CLAP: creating the editor in a host without the host's side of the extension panics | [`clap`] |
//! | VST3: `setupProcessing` keeps the mode of the call before | [`vst3`] |
//! | VST3: `setBusArrangements` compares a bus with the one before it | [`vst3`], `arrangement.rs` |
//! | VST3: `setBusArrangements` refuses without keeping the nearest layout | [`vst3`], `arrangement.rs` |
//! | VST3: a block with more parameter points than there is room for allocates on the audio thread | [`vst3`], `points.rs` |
//! | VST3 on Linux: a parameter change under way when the last instance goes aborts the host | [`vst3`], `fence.rs` |
//!
//! The shims are generic over the plugin, which `exports/` names. The plugin's `unsafe` code is in
//! these two folders.

pub(crate) mod clap;
mod mode;
mod ports;
pub(crate) mod vst3;

pub(crate) use mode::is_offline;
pub(crate) use vst3::{Fence, remember_executor};
