//! Timings of the stages of a command or a job, printed on standard error when `SEXTET_TIMINGS` is
//! set.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sextet_separator::timings::{self, Timing};

use crate::stdio;

/// Environment variable that turns the timings on; any value but the empty one does.
const VARIABLE: &str = "SEXTET_TIMINGS";

static BEGAN: OnceLock<Instant> = OnceLock::new();

/// Records the start of the process, and turns timings on if they are wanted. The system's own
/// start of the process is not included.
pub(crate) fn begin() {
    let began = *BEGAN.get_or_init(Instant::now);
    if std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty()) {
        timings::enable(began);
    }
}

/// Returns the time since the process began.
pub(crate) fn since_begin() -> Duration {
    BEGAN.get_or_init(Instant::now).elapsed()
}

/// Prints the timings that were recorded since the last call, if there are any.
pub(crate) fn report() {
    let stages = timings::take();
    if stages.is_empty() {
        return;
    }

    stdio::err(
        "    from       to     took  stage (seconds since the process began; stages run side by side)",
    );
    stages.iter().for_each(|timing| stdio::err(&line(timing)));
    stdio::err(&format!(
        "{:>8}                   all is said",
        seconds(since_begin())
    ));
}

fn line(timing: &Timing) -> String {
    let Timing {
        stage,
        times,
        from,
        to,
        took,
    } = timing;

    let often = if *times == 1 {
        String::new()
    } else {
        format!(", {times} times")
    };

    format!(
        "{:>8} {:>8} {:>8}  {stage}{often}",
        seconds(*from),
        seconds(*to),
        seconds(*took)
    )
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_one_line() {
        let ms = Duration::from_millis;
        let timing = Timing {
            stage: "separate",
            times: 1,
            from: ms(250),
            to: ms(1250),
            took: ms(1000),
        };

        assert_eq!(line(&timing), "   0.250    1.250    1.000  separate");
        assert_eq!(
            line(&Timing {
                times: 12,
                ..timing
            }),
            "   0.250    1.250    1.000  separate, 12 times"
        );
    }
}
