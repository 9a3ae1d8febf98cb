//! Log of the command on standard error. Nothing is logged unless the environment asks for it.

use std::io;
use std::str::FromStr as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::stdio;

/// Environment variable that says what is logged, by targets and levels: `sextet=debug`.
const VARIABLE: &str = "SEXTET_LOG";

/// Environment variable that, when set, has everything logged that TensorRT says.
const TENSORRT_VARIABLE: &str = "SEXTET_TENSORRT_LOG";

/// Target of what TensorRT says.
const TENSORRT: &str = "sextet::tensorrt";

/// Begins to log if the environment asks for it.
pub(crate) fn begin() {
    let variable = std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
    let asked = variable.map(|value| value.to_string_lossy().into_owned());
    let is_tensorrt_wanted = std::env::var_os(TENSORRT_VARIABLE).is_some();

    if let Some(targets) = targets(asked.as_deref(), is_tensorrt_wanted) {
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(io::stderr)
            .without_time();
        tracing_subscriber::registry()
            .with(lines)
            .with(targets)
            .init();
    }
}

/// Returns what is logged where `asked` is the value of [`VARIABLE`]; `None` for nothing.
fn targets(asked: Option<&str>, is_tensorrt_wanted: bool) -> Option<Targets> {
    let named = asked.and_then(|text| {
        Targets::from_str(text)
            .inspect_err(|error| {
                stdio::err(&format!(
                    "{VARIABLE} is '{text}', which is not understood ({error}): expected targets and levels such as sextet=debug"
                ));
            })
            .ok()
    });

    match (named, is_tensorrt_wanted) {
        (None, false) => None,
        (named, false) => named,
        (named, true) => Some(
            named
                .unwrap_or_default()
                .with_target(TENSORRT, LevelFilter::TRACE),
        ),
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;
    use tracing::Level;

    use super::*;

    #[test]
    fn only_what_the_environment_asks_for_is_logged() {
        type Case<'a> = (Option<&'a str>, bool, Option<[bool; 2]>);
        // Whether an error and a trace of TensorRT are logged.
        let cases: [Case; 6] = [
            (None, false, None),
            (Some("no such level=5=6"), false, None),
            (None, true, Some([true, true])),
            (Some("sextet=warn"), false, Some([true, false])),
            (Some("sextet=warn"), true, Some([true, true])),
            (Some("other=trace"), false, Some([false, false])),
        ];

        each_case(cases, |(asked, is_tensorrt_wanted, expected)| {
            let found = targets(asked, is_tensorrt_wanted).map(|targets| {
                [Level::ERROR, Level::TRACE].map(|level| targets.would_enable(TENSORRT, &level))
            });
            assert_eq!(found, expected, "{asked:?}, {is_tensorrt_wanted}");
        });
    }
}
