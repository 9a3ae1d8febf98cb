//! The functions that hosts look up by name in the library, each of which creates the plugin through
//! its shim.

mod clap;
mod vst3;
