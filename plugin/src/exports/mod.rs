//! The functions that hosts look up by name in the library. They create the plugin through its
//! shims.

mod clap;
mod vst3;
