//! The ports of a block: the host's own channels where it has them, the plugin's scratch elsewhere.
//!
//! nice-plug 0.4.2 skips `process()` when any output port is absent or lacks storage, and
//! dereferences null channels. Both shims give it a full set of ports for every block.

use nice_plug::prelude::*;

/// Returns the layout with so many channels of the main input and the main output, or else the
/// first one.
pub(super) fn layout_with(
    layouts: &'static [AudioIOLayout],
    inputs: u32,
    outputs: u32,
) -> &'static AudioIOLayout {
    let channels = |main: Option<NonZeroU32>| main.map_or(0, NonZeroU32::get);
    let fits = |layout: &&AudioIOLayout| {
        let found = (
            channels(layout.main_input_channels),
            channels(layout.main_output_channels),
        );
        found == (inputs, outputs)
    };
    layouts.iter().find(fits).unwrap_or(&layouts[0])
}

/// The replacement of a channel that the host does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Scratch with its old contents, to be written to.
    Scratch,
    /// A side of a mono signal: the channel before it, or silence if there is none.
    Mono,
}

/// The ports of one direction, with replacements for those that the host left out.
pub(super) struct Ports {
    /// Number of channels of each port.
    channels: Vec<u32>,
    /// Samples of the replacements: `stride` frames for every channel of every port.
    scratch: Vec<f32>,
    stride: usize,
    /// One pointer for each channel, all ports in a row. They are only meaningful during one
    /// process call.
    pointers: Vec<*mut f32>,
}

// SAFETY: the pointers are written before they are read in every call, and never used between
// calls.
unsafe impl Send for Ports {}

/// A host's table of channel pointers, and the number of them.
pub(super) type HostPort = (*mut *mut f32, usize);

impl Ports {
    /// Returns the plugin's input ports, main first.
    pub(super) fn inputs(layout: &AudioIOLayout) -> Self {
        Self::new(layout.main_input_channels, layout.aux_input_ports)
    }

    /// Returns the plugin's output ports, main first.
    pub(super) fn outputs(layout: &AudioIOLayout) -> Self {
        Self::new(layout.main_output_channels, layout.aux_output_ports)
    }

    fn new(main: Option<NonZeroU32>, aux: &[NonZeroU32]) -> Self {
        let channels: Vec<u32> = main.iter().chain(aux).map(|count| count.get()).collect();
        let total = channels.iter().sum::<u32>() as usize;
        Self {
            channels,
            scratch: Vec::new(),
            stride: 0,
            pointers: vec![std::ptr::null_mut(); total],
        }
    }

    /// Returns the number of ports.
    pub(super) fn count(&self) -> usize {
        self.channels.len()
    }

    /// Makes room for blocks of up to `max_frames`. Allocates, so it is for activation, not for the
    /// audio thread.
    pub(super) fn resize(&mut self, max_frames: usize) {
        self.stride = max_frames;
        self.scratch = vec![0.0; max_frames * self.pointers.len()];
    }

    /// Returns the largest number of frames of a block that can be completed.
    pub(super) fn max_frames(&self) -> usize {
        self.stride
    }

    /// Calls `set` for every port with its number, a complete table of channels and their count. A
    /// channel that `host` does not have is replaced as `missing` says.
    ///
    /// # Safety
    /// Each table that `host` returns holds as many entries as it says, each null or valid for
    /// `frames` samples.
    ///
    /// # Panics
    /// If `frames` exceeds [`Ports::max_frames`].
    pub(super) unsafe fn complete(
        &mut self,
        frames: usize,
        missing: Missing,
        host: impl Fn(usize) -> Option<HostPort>,
        mut set: impl FnMut(usize, *mut *mut f32, u32),
    ) {
        assert!(
            frames <= self.stride,
            "{frames} frames where {} were announced",
            self.stride
        );

        let mut next = 0;
        for (port, &count) in self.channels.iter().enumerate() {
            let given = host(port).filter(|(table, _)| !table.is_null());
            let first = next;

            for channel in 0..count as usize {
                let pointer = match given {
                    // SAFETY: the table holds `have` entries, as the caller promises.
                    Some((table, have)) if channel < have => unsafe { *table.add(channel) },
                    _ => std::ptr::null_mut(),
                };

                self.pointers[next] = if !pointer.is_null() {
                    pointer
                } else if missing == Missing::Mono && channel > 0 {
                    self.pointers[next - 1]
                } else {
                    let own = &mut self.scratch[next * self.stride..][..frames];
                    if missing == Missing::Mono {
                        own.fill(0.0);
                    }
                    own.as_mut_ptr()
                };

                next += 1;
            }

            set(port, self.pointers[first..].as_mut_ptr(), count);
        }
    }
}

impl Ports {
    /// Makes the first channel of the first port the mean of its first two, in a block that was
    /// completed. Equal sides pass bit for bit.
    ///
    /// # Safety
    /// The first port has two channels of `frames` samples, which are those of this block.
    pub(super) unsafe fn fold_main(&mut self, frames: usize) {
        let [left, right] = [self.pointers[0], self.pointers[1]];
        for frame in 0..frames {
            // SAFETY: as the caller promises.
            let (left, right) = unsafe { (&mut *left.add(frame), *right.add(frame)) };
            if left.to_bits() != right.to_bits() {
                *left = 0.5 * (*left + right);
            }
        }
    }
}

/// Returns the main output's name. nice-plug gives it the main input's name instead.
pub(super) fn main_output_name(layout: &AudioIOLayout) -> &'static str {
    layout.names.main_output.unwrap_or("Output")
}

/// Writes `text` and zeros into a host's fixed-size name, truncated where it does not fit.
pub(super) fn write_name<T: Copy + Default>(name: &mut [T], text: impl Iterator<Item = T>) {
    name.fill(T::default());
    let room = name.len().saturating_sub(1);
    for (to, from) in name[..room].iter_mut().zip(text) {
        *to = from;
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    const STEREO: NonZeroU32 = new_nonzero_u32(2);
    const SEVEN_OUTPUTS: AudioIOLayout = AudioIOLayout {
        main_output_channels: Some(STEREO),
        aux_output_ports: &[STEREO; 6],
        ..AudioIOLayout::const_default()
    };

    /// No combination of absent table, too few channels and null channel leaves a channel without
    /// storage.
    #[test]
    fn whatever_the_host_leaves_out_is_there() {
        let frames = 4;
        let mut cases = 0;
        for absent in 0..=7 {
            for have in 0..=2 {
                for null_channel in 0..=2 {
                    let mut ports = Ports::outputs(&SEVEN_OUTPUTS);
                    ports.resize(frames);
                    let mut audio = [[1.0_f32; 4], [2.0; 4]];
                    let mut table: Vec<*mut f32> = audio
                        .iter_mut()
                        .map(|channel| channel.as_mut_ptr())
                        .collect();

                    if let Some(channel) = table.get_mut(null_channel) {
                        *channel = std::ptr::null_mut();
                    }

                    let table = table.as_mut_ptr();
                    let host = |port: usize| (port >= absent).then_some((table, have));

                    let mut seen = 0;
                    let set = |port: usize, table: *mut *mut f32, count: u32| {
                        assert_eq!(count, 2);
                        for (channel, own) in audio.iter_mut().enumerate() {
                            // SAFETY: the table that is handed over has two entries.
                            let pointer = unsafe { *table.add(channel) };
                            assert!(!pointer.is_null());
                            let hosts = port >= absent && channel < have && channel != null_channel;
                            assert_eq!(pointer == own.as_mut_ptr(), hosts);
                        }
                        seen += 1;
                    };

                    // SAFETY: the table above has two channels of four frames.
                    unsafe { ports.complete(frames, Missing::Scratch, host, set) };
                    assert_eq!(seen, 7);
                    cases += 1;
                }
            }
        }

        println!("{cases} ways of leaving ports out");
    }

    /// A host that has one channel where two were announced is a mono track.
    #[test]
    fn one_channel_of_an_input_is_both_sides() {
        each_case(
            [(1, [0, 0]), (2, [0, 1]), (0, [2, 2])],
            |(have, expected)| {
                let mut ports = Ports::new(Some(STEREO), &[]);
                ports.resize(2);
                let mut audio = [[1.0_f32; 2], [2.0; 2]];
                let mut table = audio.each_mut().map(|channel| channel.as_mut_ptr());
                let places = table;
                let table = table.as_mut_ptr();
                let host = |_: usize| Some((table, have));

                let mut found = [usize::MAX; 2];
                let set = |_: usize, table: *mut *mut f32, _: u32| {
                    for (channel, found) in found.iter_mut().enumerate() {
                        // SAFETY: the table that is handed over has two entries.
                        let pointer = unsafe { *table.add(channel) };
                        let place = places.iter().position(|&place| place == pointer);
                        *found = place.unwrap_or(places.len());
                    }
                };

                // SAFETY: the table above has two channels of two frames.
                unsafe { ports.complete(2, Missing::Mono, host, set) };
                assert_eq!(found, expected, "{have} channels");
            },
        );
    }

    #[test]
    fn a_long_name_is_cut_and_ended() {
        let mut name = [7_u8; 4];
        write_name(&mut name, "Main Out".bytes());
        assert_eq!(&name, b"Mai\0");
    }
}
