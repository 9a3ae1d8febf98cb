//! Beginning of each encoded stem: silence with a mark, by which the page finds the song's first
//! frame in whatever a browser has decoded. `web/sync.js` looks for it.
//!
//! Lossy formats begin with silence of their own, of which browsers take away all, some or none.

use std::f32::consts::TAU;

use sextet_separator::audio::Audio;

/// Frames before the song, at the rate of the page.
pub(super) const LEAD_FRAMES: u64 = 8192;

/// Middle of the mark.
pub(super) const MARK_FRAME: u64 = 2048;

/// Frames on each side of the mark's middle.
const REACH: i64 = 64;

/// Largest sample of the mark.
const PEAK: f32 = 0.5;

/// Returns the beginning of a stem whose rate is `divisor` times that of the page.
pub(super) fn lead(channels: usize, rate_hz: u32, divisor: u32) -> Audio {
    let divisor = i64::from(divisor);
    let frames = LEAD_FRAMES as i64 * divisor;
    let middle = MARK_FRAME as i64 * divisor;
    let sample = |frame: i64| {
        let distance = frame - middle;
        if distance.abs() > REACH * divisor {
            return 0.0;
        }
        let x = distance as f32 / (16 * divisor) as f32;
        PEAK * (TAU * x).cos() * (-x * x).exp()
    };
    let samples: Vec<f32> = (0..frames).map(sample).collect();
    Audio::new(vec![samples; channels], rate_hz)
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn the_mark_is_where_the_page_looks_for_it() {
        let script = include_str!("web/sync.js");
        assert!(script.contains(&format!("const MARK_REACH = {REACH};")));

        each_case([1, 2, 4], |divisor| {
            let lead = lead(2, 44_100 * divisor, divisor);
            assert_eq!(lead.frames() as u64, LEAD_FRAMES * u64::from(divisor));
            for samples in lead.channels() {
                let largest = samples
                    .iter()
                    .enumerate()
                    .max_by(|a, b| a.1.total_cmp(b.1))
                    .unwrap();
                assert_eq!(largest.0 as u64, MARK_FRAME * u64::from(divisor));
                assert_eq!(*largest.1, PEAK);
            }
        });
    }
}
