//! Numbers in the form in which people say them.

use std::time::Duration;

/// Separator between facts of one line.
pub(super) const BETWEEN: &str = "  \u{b7}  ";

/// Formats a time: `1:02.5`, `1:00:00.0`.
pub(super) fn clock(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let tenths = (seconds.abs() * 10.0).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    if hours > 0 {
        format!("{sign}{hours}:{minutes:02}:{:02}.{}", rest / 10, rest % 10)
    } else {
        format!("{sign}{minutes}:{:02}.{}", rest / 10, rest % 10)
    }
}

/// Formats a time for marks at this distance: `1:02.5`, or `1:02.53` where they are closer than a
/// tenth of a second.
pub(super) fn clock_to(seconds: f64, step_s: f64) -> String {
    if step_s >= 0.1 {
        return clock(seconds);
    }

    let sign = if seconds < 0.0 { "-" } else { "" };
    let hundredths = (seconds.abs() * 100.0).round() as u64;
    let (minutes, rest) = (hundredths / 6000, hundredths % 6000);
    format!("{sign}{minutes}:{:02}.{:02}", rest / 100, rest % 100)
}

/// Formats the time left: `4.5 s left`, `25 s left`, `2 min left`. It is no more exact than the
/// estimate.
pub(super) fn left(seconds: f64) -> String {
    match seconds {
        ..9.95 => format!("{:.1} s left", seconds.max(0.0)),
        ..90.0 => format!("{seconds:.0} s left"),
        ..5400.0 => format!("{:.0} min left", seconds / 60.0),
        _ => format!("{:.1} h left", seconds / 3600.0),
    }
}

/// Formats a sample rate: `44.1 kHz`.
pub(super) fn rate(hz: u32) -> String {
    format!("{} kHz", f64::from(hz) / 1000.0)
}

/// Formats a size: `92 MB`, `1.2 GB`.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes as f64 {
        few @ ..1e6 => format!("{:.0} kB", few / 1e3),
        some @ ..1e9 => format!("{:.0} MB", some / 1e6),
        many => format!("{:.1} GB", many / 1e9),
    }
}

/// Formats a time in the past: `today`, `yesterday`, `5 days ago`, `3 months ago`.
pub(super) fn ago(passed: Duration) -> String {
    match passed.as_secs() / 86_400 {
        0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days @ ..60 => format!("{days} days ago"),
        days @ ..730 => format!("{} months ago", days / 30),
        days => format!("{} years ago", days / 365),
    }
}

/// Formats a number: `27 million`, `680 thousand`.
pub(super) fn count(number: u64) -> String {
    match number as f64 {
        few @ ..1e6 => format!("{:.0} thousand", few / 1e3),
        many => format!("{:.0} million", many / 1e6),
    }
}

/// Returns the text with its first letter as a capital.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + letters.as_str()
    })
}

/// Returns the part of something that is done after `times` times its usual duration. The part
/// grows more and more slowly towards the end, which is never reached.
pub(super) fn part_of_usual(times: f64) -> f32 {
    let steady = 0.8;
    let part = if times < steady {
        times
    } else {
        1.0 - (1.0 - steady) * ((steady - times) / (1.0 - steady)).exp()
    };
    part.clamp(0.0, 0.99) as f32
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn what_nobody_counts_comes_on_without_reaching_the_end() {
        let parts: Vec<f32> = (0..100)
            .map(|tenths| part_of_usual(f64::from(tenths) / 10.0))
            .collect();
        assert!(
            parts.is_sorted() && parts[0] == 0.0 && parts[99] < 1.0,
            "{parts:?}"
        );
        assert!(
            (parts[4] - 0.4).abs() < 1e-6 && parts[10] > 0.9,
            "{parts:?}"
        );
    }

    #[test]
    fn durations_are_said_as_people_say_them() {
        let cases = [
            (0.0, "0:00.0"),
            (62.54, "1:02.5"),
            (-0.25, "-0:00.3"),
            (3600.0, "1:00:00.0"),
        ];
        each_case(cases, |(seconds, said)| {
            assert_eq!(clock(seconds), said);
        });

        let cases = [
            (62.54, 0.1, "1:02.5"),
            (62.54, 0.02, "1:02.54"),
            (-0.05, 0.05, "-0:00.05"),
        ];
        each_case(cases, |(seconds, step_s, said)| {
            assert_eq!(clock_to(seconds, step_s), said);
        });

        let cases = [
            (-1.0, "0.0 s left"),
            (4.46, "4.5 s left"),
            (9.96, "10 s left"),
            (89.4, "89 s left"),
            (90.0, "2 min left"),
            (7200.0, "2.0 h left"),
        ];
        each_case(cases, |(seconds, said)| {
            assert_eq!(left(seconds), said);
        });

        let cases = [
            (999, "1 kB"),
            (91_700_000, "92 MB"),
            (1_230_000_000, "1.2 GB"),
        ];
        each_case(cases, |(number, said)| {
            assert_eq!(bytes(number), said);
        });

        let cases = [
            (0, "today"),
            (1, "yesterday"),
            (5, "5 days ago"),
            (100, "3 months ago"),
            (800, "2 years ago"),
        ];
        each_case(cases, |(days, said)| {
            assert_eq!(ago(Duration::from_secs(days * 86_400 + 1)), said);
        });

        let numbers = [(680_400, "680 thousand"), (27_300_000, "27 million")];
        each_case(numbers, |(number, said)| {
            assert_eq!(count(number), said);
        });

        assert_eq!(
            (rate(44_100), rate(48_000)),
            ("44.1 kHz".to_owned(), "48 kHz".to_owned())
        );
    }
}
