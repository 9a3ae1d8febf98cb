//! The main bus in one channel or two. Inside the plugin it always has two: a mono input is heard
//! on both sides, and a mono output is the mean of both.

use nice_plug::prelude::{AudioIOLayout, Buffer};

/// The main bus of an active instance.
pub(crate) struct MainBus {
    has_mono_input: bool,
    /// The right side, where the host's bus has only the left one. As long as the longest block.
    right: Vec<f32>,
}

impl MainBus {
    /// Prepares for blocks of up to `max_frames` in this layout.
    pub(crate) fn new(layout: &AudioIOLayout, max_frames: usize) -> Self {
        let is_mono =
            |channels: Option<std::num::NonZeroU32>| channels.is_some_and(|n| n.get() == 1);
        let right = if is_mono(layout.main_output_channels) {
            vec![0.0; max_frames]
        } else {
            Vec::new()
        };
        Self {
            has_mono_input: is_mono(layout.main_input_channels),
            right,
        }
    }

    /// Returns both sides of the input, which are to be replaced by those of the output; `None` if
    /// the buffer is not the announced one. The input of a mono track is on both sides.
    pub(crate) fn sides<'a>(
        &'a mut self,
        buffer: &'a mut Buffer<'_>,
    ) -> Option<[&'a mut [f32]; 2]> {
        let (left, right) = match buffer.as_slice() {
            [left, right] => (&mut **left, &mut **right),
            [left] => {
                let right = self.right.get_mut(..left.len())?;
                (&mut **left, right)
            }
            _ => return None,
        };

        if self.has_mono_input {
            right.copy_from_slice(left);
        }
        Some([left, right])
    }

    /// Makes the output of a mono bus of both sides: their mean, so that what was mono and was not
    /// changed stays as it is. Does nothing to a bus that has both.
    pub(crate) fn fold(&self, buffer: &mut Buffer<'_>) {
        let [left] = buffer.as_slice() else {
            return;
        };
        for (left, &right) in left.iter_mut().zip(&self.right) {
            // Equal sides pass bit for bit, denormals too.
            if left.to_bits() != right.to_bits() {
                *left = 0.5 * (*left + right);
            }
        }
    }
}
