//! Times and speeds as people read them.

/// Formats a time: `0:07`, `3:25`, `1:02:03`.
pub(crate) fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// Formats a duration: `0:00.9`, `0:09.9`, `0:10`, `3:25`. Below 10 s it has tenths, because whole
/// seconds would say little.
pub(crate) fn took(seconds: f64) -> String {
    let tenths = (seconds.max(0.0) * 10.0).round();
    if tenths < 100.0 {
        format!("0:{:04.1}", tenths / 10.0)
    } else {
        clock(seconds)
    }
}

/// Formats a speed as a multiple of real time: `2.4x`.
pub(crate) fn speed(speed: Option<f64>) -> String {
    speed.map_or_else(
        || "-".to_owned(),
        |speed| {
            if speed < 10.0 {
                format!("{speed:.1}x")
            } else {
                format!("{speed:.0}x")
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn what_is_quick_has_tenths() {
        let cases = [
            (0.0, "0:00.0"),
            (0.04, "0:00.0"),
            (0.05, "0:00.1"),
            (0.94, "0:00.9"),
            (9.94, "0:09.9"),
            (9.96, "0:10"),
            (59.6, "1:00"),
            (3723.0, "1:02:03"),
            (-1.0, "0:00.0"),
        ];
        each_case(cases, |(seconds, text)| {
            assert_eq!(took(seconds), text, "{seconds}");
        });
    }

    #[test]
    fn clocks_have_as_many_fields_as_they_need() {
        let cases = [
            (0.0, "0:00"),
            (6.6, "0:07"),
            (59.6, "1:00"),
            (205.0, "3:25"),
            (3723.0, "1:02:03"),
            (-1.0, "0:00"),
        ];
        each_case(cases, |(seconds, text)| {
            assert_eq!(clock(seconds), text);
        });
    }
}
