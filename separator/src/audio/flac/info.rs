//! STREAMINFO, the header of a FLAC stream (RFC 9639, section 8.2).

use crate::audio::Layout;
use crate::audio::flac::frame::Frame;

/// Body of a STREAMINFO block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::audio) struct StreamInfo(pub(in crate::audio) [u8; 34]);

impl StreamInfo {
    /// Returns the numbers of samples of the smallest and of the largest block.
    fn blocks(&self) -> (u16, u16) {
        let [a, b, c, d, ..] = self.0;
        (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
    }

    pub(in crate::audio) fn layout(&self) -> Layout {
        let [a, b, c] = [self.0[10], self.0[11], self.0[12]];
        Layout {
            channels: usize::from(c >> 1 & 7) + 1,
            rate_hz: u32::from_be_bytes([0, a, b, c]) >> 4,
        }
    }

    /// Returns the number of bits of a sample.
    pub(super) fn bits(&self) -> u8 {
        ((self.0[12] & 1) << 4 | self.0[13] >> 4) + 1
    }

    /// Returns the number of frames of audio, if it is stated.
    pub(super) fn frames(&self) -> Option<u64> {
        let [a, b, c, d, e] = [
            self.0[13] & 0x0f,
            self.0[14],
            self.0[15],
            self.0[16],
            self.0[17],
        ];
        let frames = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
        (frames > 0).then_some(frames)
    }

    /// Returns the position of the first sample of `frame`.
    pub(in crate::audio) fn start(&self, frame: &Frame) -> u64 {
        let block = if frame.fixed { self.blocks().1 } else { 1 };
        frame.number.saturating_mul(u64::from(block))
    }

    /// Returns whether `frame` may be one of this stream.
    pub(super) fn admits(&self, frame: &Frame) -> bool {
        let (smallest, largest) = self.blocks();
        let layout = self.layout();
        frame.fixed == (smallest == largest)
            && frame.samples <= largest
            && frame.channels == layout.channels
            && frame.rate_hz.is_none_or(|rate| rate == layout.rate_hz)
            && frame.bits.is_none_or(|bits| bits == self.bits())
    }

    /// Returns the header with sizes that agree with the numbering of the first frame, if that is
    /// known, and do not contradict each other.
    pub(in crate::audio) fn corrected(mut self, first: Option<&Frame>) -> Self {
        let (smallest, largest) = self.blocks();
        let says_fixed = smallest == largest;
        match first {
            Some(frame) if frame.fixed && !(says_fixed && frame.samples <= largest) => {
                let size = frame.samples.max(16);
                self.set_blocks(size, size);
            }
            // Frames of other sizes are to come, of which nothing is known.
            Some(frame) if !frame.fixed && says_fixed => self.set_blocks(16, u16::MAX),
            _ => {}
        }

        let (smallest, largest) = self.blocks();
        let crossed = smallest > largest;
        self.set_blocks(
            if smallest < 16 || crossed {
                16
            } else {
                smallest
            },
            if largest < 16 || crossed {
                u16::MAX
            } else {
                largest
            },
        );

        // The sizes of the smallest and the largest frame in bytes, of which 0 is not known.
        let [a, b, c, d, e, f] = [4, 5, 6, 7, 8, 9].map(|at: usize| self.0[at]);
        if [d, e, f] != [0; 3] && [a, b, c] > [d, e, f] {
            self.0[4..10].fill(0);
        }
        self
    }

    fn set_blocks(&mut self, smallest: u16, largest: u16) {
        self.0[..2].copy_from_slice(&smallest.to_be_bytes());
        self.0[2..4].copy_from_slice(&largest.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    fn info(smallest: u16, largest: u16) -> StreamInfo {
        let mut info = StreamInfo([0; 34]);
        info.set_blocks(smallest, largest);
        info
    }

    fn frame(fixed: bool) -> Frame {
        Frame {
            fixed,
            number: 3,
            samples: 1152,
            channels: 1,
            rate_hz: None,
            bits: None,
            head_bytes: 6,
        }
    }

    #[test]
    fn contradicting_sizes_are_replaced() {
        let cases = [
            (true, (4096, 4096), (4096, 4096)),
            (true, (0, 4096), (1152, 1152)),
            (true, (1, 1), (1152, 1152)),
            (false, (0, 4096), (16, 4096)),
            (false, (4096, 4096), (16, 65_535)),
            (false, (4096, 12), (16, 65_535)),
            (false, (100, 4096), (100, 4096)),
        ];
        each_case(cases, |(fixed, (a, b), (c, d))| {
            let found = info(a, b).corrected(Some(&frame(fixed)));
            assert_eq!(found, info(c, d), "fixed {fixed}, {a} to {b}");
        });
    }

    #[test]
    fn fields_are_where_the_format_has_them() {
        // 96 kHz, six channels, 24 bits, 2^35 + 5 frames.
        let mut found = info(16, 4096);
        found.0[10..18].copy_from_slice(&[0x17, 0x70, 0x0b, 0x78, 0, 0, 0, 5]);
        let layout = Layout {
            channels: 6,
            rate_hz: 96_000,
        };
        assert_eq!(found.layout(), layout);
        assert_eq!((found.bits(), found.frames()), (24, Some((1 << 35) + 5)));
        assert_eq!(info(16, 16).frames(), None);

        assert_eq!(info(1152, 1152).start(&frame(true)), 3 * 1152);
        assert_eq!(info(16, 1152).start(&frame(false)), 3);
    }
}
