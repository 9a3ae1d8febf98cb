//! Times and speeds as people read them.

/// `0:07`, `3:25`, `1:02:03`.
pub(crate) fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `2.4x`: times real time.
pub(super) fn speed(speed: Option<f64>) -> String {
    speed.map_or_else(
        || "-".to_owned(),
        |speed| if speed < 10.0 { format!("{speed:.1}x") } else { format!("{speed:.0}x") },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_have_as_many_fields_as_they_need() {
        let cases =
            [(0.0, "0:00"), (6.6, "0:07"), (59.6, "1:00"), (205.0, "3:25"), (3723.0, "1:02:03"), (-1.0, "0:00")];
        for (seconds, text) in cases {
            assert_eq!(clock(seconds), text);
        }
    }
}
