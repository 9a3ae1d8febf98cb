//! Budget of a page: the memory that a browser needs for all stems, decoded.

use sextet_separator::Outputs;

use crate::fault::{Fault, Kind};
use crate::time::clock;

/// Most bytes of decoded stems: six stereo stems of 16 minutes at 44.1 kHz, and some.
const MOST_BYTES: u64 = 1 << 31;

/// Highest rate at which a page plays, in Hz. Browsers play higher ones on few machines.
const HIGHEST_HZ: u32 = 48_000;

/// Bytes of a decoded sample.
const SAMPLE_BYTES: u64 = 4;

/// Returns the number by which a song's rate is divided in its page: 1, or what brings a high rate
/// down to the usual ones.
pub(super) fn rate_divisor(rate_hz: u32) -> u32 {
    let mut divisor = 1;
    while rate_hz / divisor > HIGHEST_HZ && rate_hz.is_multiple_of(2 * divisor) {
        divisor *= 2;
    }
    divisor
}

/// Refuses stems that are too much for a browser.
///
/// # Errors
/// When they need more memory than the budget has.
pub(super) fn check(outputs: &Outputs) -> Result<(), Fault> {
    let rate_hz = outputs.layout.rate_hz / rate_divisor(outputs.layout.rate_hz);
    let seconds = outputs.frames as f64 / f64::from(outputs.layout.rate_hz);
    let stems = outputs.parts.len() as u64;
    let bytes_a_second = stems * outputs.layout.channels as u64 * u64::from(rate_hz) * SAMPLE_BYTES;
    let bytes = seconds * bytes_a_second as f64;
    if bytes <= MOST_BYTES as f64 {
        return Ok(());
    }

    let longest = (MOST_BYTES / bytes_a_second.max(1)) as f64;
    let named = match stems {
        1 => "1 stem".to_owned(),
        several => format!("{several} stems"),
    };
    let message = format!(
        "a page with {named} of {} would need {:.1} GB of a browser's memory; {:.1} GB at \
         most, which is {} of this song",
        clock(seconds),
        bytes / 1e9,
        MOST_BYTES as f64 / 1e9,
        clock(longest)
    );
    Err(Fault::new(Kind::Output, message).remedy(
        "separate it without --page, or into fewer stems with --stems or --two-stems, or in parts",
    ))
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;
    use sextet_separator::audio::Layout;
    use sextet_separator::{Part, Stem};

    use super::*;

    #[test]
    fn high_rates_are_halved() {
        let cases = [
            (8_000, 1),
            (44_100, 1),
            (48_000, 1),
            (64_000, 2),
            (88_200, 2),
            (96_000, 2),
            (176_400, 4),
            (192_000, 4),
            (50_001, 1),
        ];
        each_case(cases, |(rate_hz, divisor)| {
            assert_eq!(rate_divisor(rate_hz), divisor, "{rate_hz} Hz");
        });
    }

    #[test]
    fn ten_minutes_are_within_the_budget_and_an_hour_is_not() {
        // Stems, channels, rate, minutes, and the longest song where it is too long.
        let cases = [
            (6, 2, 44_100, 10, None),
            (6, 2, 44_100, 16, None),
            (6, 2, 48_000, 15, None),
            (6, 2, 192_000, 15, None),
            (6, 1, 44_100, 33, None),
            (2, 2, 44_100, 50, None),
            (6, 2, 44_100, 17, Some("16:54")),
            (6, 2, 44_100, 60, Some("16:54")),
            (6, 2, 96_000, 60, Some("15:32")),
            (1, 2, 44_100, 180, Some("1:41:26")),
        ];
        each_case(cases, |(stems, channels, rate_hz, minutes, longest)| {
            let parts = Stem::ALL[..stems].iter().map(|stem| Part::stem(*stem));
            let layout = Layout { channels, rate_hz };
            let frames = 60 * minutes * u64::from(rate_hz);
            let outputs = Outputs::new(parts.collect(), layout, frames);
            let refused = check(&outputs).err().map(|fault| fault.to_string());
            match (longest, &refused) {
                (None, None) => {}
                (Some(longest), Some(message)) if message.contains(longest) => {}
                _ => panic!("{stems} stems of {minutes} min at {rate_hz} Hz: {refused:?}"),
            }
        });
    }
}
