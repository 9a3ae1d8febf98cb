//! Quantisation of floating point to the integers of a file.

/// Converter of samples to integers of `bits` bits: times `2^(bits-1)`, rounded to the nearest,
/// halves away from zero. A value outside the range is clipped and counted. Nothing is rescaled and
/// there is no dither, so a sample read from a file of at most that many bits is unchanged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantizer {
    scale: f32,
    /// Number of samples so far that were outside the range.
    pub(super) clipped: u64,
}

impl Quantizer {
    /// Creates a converter to integers of `bits` bits, at most 24: such integers and their scale
    /// are exact in float32.
    pub(super) fn new(bits: u32) -> Self {
        Self {
            scale: (1_u32 << (bits - 1)) as f32,
            clipped: 0,
        }
    }

    /// Returns the integer for `sample`. NaN becomes 0 and counts as clipped.
    pub(super) fn integer(&mut self, sample: f32) -> i32 {
        let value = (sample * self.scale).round();
        let (low, high) = (-self.scale, self.scale - 1.0);
        if !(low..=high).contains(&value) {
            self.clipped += 1;
        }
        value.clamp(low, high) as i32
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::Quantizer;

    #[test]
    fn rounds_to_the_nearest_and_counts_what_it_clips() {
        let lsb = 1.0 / 32_768.0;
        let cases = [
            (0.0, 0, 0),
            (0.4 * lsb, 0, 0),
            (0.6 * lsb, 1, 0),
            (-0.6 * lsb, -1, 0),
            (-1.0, -32_768, 0),
            (32_767.0 * lsb, 32_767, 0),
            (32_767.4 * lsb, 32_767, 0),
            (1.0, 32_767, 1),
            (-1.1, -32_768, 1),
            (f32::INFINITY, 32_767, 1),
            (f32::NAN, 0, 1),
        ];

        each_case(cases, |(sample, expected, clipped)| {
            let mut quantizer = Quantizer::new(16);
            assert_eq!(
                (quantizer.integer(sample), quantizer.clipped),
                (expected, clipped),
                "{sample}"
            );
        });
    }

    #[test]
    fn every_integer_of_every_width_comes_back() {
        each_case([16, 24], |bits| {
            let half = 1_i32 << (bits - 1);
            let mut quantizer = Quantizer::new(bits);
            for value in (-half..half).step_by(if bits == 16 { 1 } else { 251 }) {
                assert_eq!(quantizer.integer(value as f32 / half as f32), value);
            }
            assert_eq!(quantizer.clipped, 0);
        });
    }
}
