//! Audio: the one type that crosses every stage, and the ways in and out of it.

mod buffer;
mod stream;

pub use buffer::Audio;
pub use stream::{AudioSource, AudioStream, Layout, Warning};
