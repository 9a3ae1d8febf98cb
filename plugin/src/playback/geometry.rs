//! A clip's division into pages at the session's rate.

use crate::placement::Placement;

/// Approximate number of frames of a page: a tenth of a second at 44.1 kHz. With longer pages, a
/// locate to an unexpected place waits longer. Shorter pages cost more reads, and shorten the
/// filter between two rates, which spans a page.
const PAGE_FRAMES: u64 = 4096;

/// The clip at the session's rate, divided into pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// First frame of the clip on the timeline, in frames at the session's rate.
    pub(crate) start: i64,
    /// Length of the clip in frames, at the session's rate.
    pub(crate) frames: u64,
    /// Number of frames of a page, at the session's rate.
    pub(crate) page_frames: u64,
    /// Number of the clip's own frames that a page is made of.
    pub(crate) step_frames: u64,
}

impl Geometry {
    /// Divides a clip into pages for a session at `session_hz`. Where the rates differ, a page is a
    /// whole number of the smallest blocks in which both rates have whole frames. This number is
    /// even, so that half a page, the filter's delay, is whole too.
    pub(crate) fn new(clip: Placement, session_hz: u32) -> Self {
        let (from, to) = (u64::from(clip.rate_hz.max(1)), u64::from(session_hz.max(1)));
        let common = greatest_common_divisor(from, to);
        let (step, hop) = (from / common, to / common);

        let blocks = if from == to {
            PAGE_FRAMES
        } else {
            (PAGE_FRAMES / hop).max(1).next_multiple_of(2)
        };

        Self {
            start: scaled(clip.start_frame, from, to),
            frames: u64::try_from(scaled(clip.frames.cast_signed(), from, to)).unwrap_or(0),
            page_frames: blocks * hop,
            step_frames: blocks * step,
        }
    }

    /// Returns the number of the clip's pages.
    pub(crate) fn pages(&self) -> usize {
        self.frames.div_ceil(self.page_frames) as usize
    }
}

/// Returns `frames * to / from`, rounded to the nearest integer.
fn scaled(frames: i64, from: u64, to: u64) -> i64 {
    let (twice, from) = (2 * i128::from(frames) * i128::from(to), i128::from(from));
    i64::try_from((twice + from).div_euclid(2 * from)).unwrap_or(i64::MAX)
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn pages_hold_whole_frames_at_both_rates() {
        let rates = [
            8_000, 11_025, 22_050, 32_000, 44_100, 47_999, 48_000, 88_200, 96_000, 176_400, 192_000,
        ];
        let mut cases = 0;
        each_case(rates, |clip_hz| {
            each_case(rates, |session_hz| {
                let clip = Placement {
                    start_frame: -44_100,
                    frames: 1_000_003,
                    rate_hz: clip_hz,
                };

                let geometry = Geometry::new(clip, session_hz);
                let (page, step) = (
                    u128::from(geometry.page_frames),
                    u128::from(geometry.step_frames),
                );

                assert_eq!(
                    page * u128::from(clip_hz),
                    step * u128::from(session_hz),
                    "{clip_hz} to {session_hz}"
                );

                assert!(
                    geometry.page_frames.is_multiple_of(2)
                        && geometry.step_frames.is_multiple_of(2)
                );
                assert!(geometry.page_frames <= 400_000);

                let exact = 1_000_003.0 * f64::from(session_hz) / f64::from(clip_hz);
                assert!((geometry.frames as f64 - exact).abs() <= 0.5);
                cases += 1;
            });
        });

        println!("{cases} pairs of rates");
    }

    #[test]
    fn the_same_rate_changes_nothing() {
        let clip = Placement {
            start_frame: -7,
            frames: 100_000,
            rate_hz: 44_100,
        };

        let geometry = Geometry::new(clip, 44_100);
        assert_eq!((geometry.start, geometry.frames), (-7, 100_000));
        assert_eq!(
            (geometry.page_frames, geometry.step_frames, geometry.pages()),
            (4096, 4096, 25)
        );
    }
}
