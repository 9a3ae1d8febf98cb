//! A VST3 host.

use std::path::Path;

use vst3_host::{Plugin, TransportPosition, Vst3Host};

use crate::{BUSES, project};

/// Number of frames of a block.
pub const BLOCK: usize = 512;

/// Loads the plugin of `bundle` into a host at `rate_hz`.
pub fn load(bundle: &Path, rate_hz: u32) -> Plugin {
    project::folders();
    let mut host = Vst3Host::builder()
        .sample_rate(f64::from(rate_hz))
        .block_size(BLOCK)
        .build()
        .unwrap();
    host.load_plugin(bundle).unwrap()
}

/// Processes one block in which the input is `dry`; returns the outputs of the active buses.
pub fn process(plugin: &mut Plugin, dry: f32) -> Vec<Vec<Vec<f32>>> {
    process_block(plugin, [&[dry; BLOCK]; 2])
}

/// Processes one block of the two channels `input`; returns the outputs of the active buses.
pub fn process_block(plugin: &mut Plugin, input: [&[f32]; 2]) -> Vec<Vec<Vec<f32>>> {
    let mut buffers = plugin.create_bus_audio_buffers(BLOCK).unwrap();
    for bus in &mut buffers.inputs {
        bus.channels
            .iter_mut()
            .zip(input)
            .for_each(|(channel, input)| channel.copy_from_slice(input));
    }

    plugin.process_bus_audio(&mut buffers).unwrap();
    buffers
        .outputs
        .into_iter()
        .map(|bus| bus.channels)
        .collect()
}

/// Plays `song` from the beginning of the timeline, in whole blocks, and stops the transport.
pub fn play_through(plugin: &mut Plugin, song: &[Vec<f32>; 2]) -> Vec<[Vec<f32>; 2]> {
    let mut heard = vec![<[Vec<f32>; 2]>::default(); BUSES.len()];
    plugin
        .set_transport_position(TransportPosition::default())
        .unwrap();
    plugin.set_playing(true).unwrap();

    for (left, right) in song[0].chunks_exact(BLOCK).zip(song[1].chunks_exact(BLOCK)) {
        for (bus, block) in heard.iter_mut().zip(process_block(plugin, [left, right])) {
            bus.iter_mut()
                .zip(&block)
                .for_each(|(heard, block)| heard.extend(block));
        }
    }

    plugin.set_playing(false).unwrap();
    process(plugin, 0.0);
    heard
}
