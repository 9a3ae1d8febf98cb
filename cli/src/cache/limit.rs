//! The size limit of the stem cache.

use std::fmt;
use std::fs;
use std::str::FromStr;

use anyhow::{Context as _, Result};

use super::StemCache;
use crate::fault::{Fault, Kind};

/// Environment variable that overrides the configured limit.
const LIMIT_VARIABLE: &str = "SEXTET_CACHE_LIMIT";
/// File in the cache that holds the configured limit, in bytes.
const LIMIT_FILE: &str = "limit";

/// A number of bytes, parsed from and shown as text such as `20 GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) u64);

impl Default for Limit {
    /// Room for some forty songs.
    fn default() -> Self {
        Self(20_000_000_000)
    }
}

/// Units and their bytes. Longer names come first, because names are matched as suffixes. A number
/// without a unit counts bytes.
const UNITS: [(&str, f64); 5] = [
    ("TB", 1e12),
    ("GB", 1e9),
    ("MB", 1e6),
    ("KB", 1e3),
    ("B", 1.0),
];

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.trim().to_ascii_uppercase();
        let split = UNITS
            .iter()
            .find_map(|(unit, bytes)| Some((upper.strip_suffix(unit)?, *bytes)));
        let (number, unit) = split.unwrap_or((&upper, 1.0));

        let number = number
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite() && *number >= 0.0);

        let bytes = number
            .map(|number| number * unit)
            .filter(|bytes| *bytes < 1e18);
        bytes
            .map(|bytes| Self(bytes as u64))
            .ok_or_else(|| "expected a size such as 20GB, 1.5TB or 500MB".to_owned())
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        let (name, unit) = UNITS
            .into_iter()
            .find(|(_, unit)| bytes >= *unit)
            .unwrap_or(("B", 1.0));
        match format!("{:.1}", bytes / unit) {
            text if text.ends_with(".0") => write!(f, "{} {name}", &text[..text.len() - 2]),
            text => write!(f, "{text} {name}"),
        }
    }
}

impl StemCache {
    /// Returns the size limit: the variable's value, else the configured one, else the default.
    ///
    /// # Errors
    /// When the variable holds no valid size.
    pub(crate) fn limit(&self) -> Result<Limit> {
        if let Some(value) = std::env::var_os(LIMIT_VARIABLE).filter(|value| !value.is_empty()) {
            let value = value.to_string_lossy();
            return value.parse().map_err(|reason| {
                let message = format!("{LIMIT_VARIABLE} is '{value}', which is no size");
                Fault::new(Kind::Usage, message).remedy(reason).into()
            });
        }

        // A file that is missing or not legible sets nothing.
        let file = fs::read_to_string(self.folders.stems().join(LIMIT_FILE)).unwrap_or_default();
        Ok(file.parse().unwrap_or_default())
    }

    /// Sets the limit for this and all later processes.
    ///
    /// # Errors
    /// When the cache cannot be written to.
    pub(super) fn set_limit(&self, limit: Limit) -> Result<()> {
        let _lock = self.lock()?;
        let place = self.folders.stems().join(LIMIT_FILE);
        sextet_fs::write(&place, format!("{}\n", limit.0)).with_context(|| self.cannot_write())
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn limits_are_read_and_shown_as_people_write_them() {
        let cases = [
            ("20GB", 20_000_000_000, "20 GB"),
            ("1.5 tb", 1_500_000_000_000, "1.5 TB"),
            ("500mb", 500_000_000, "500 MB"),
            ("1234", 1234, "1.2 KB"),
            ("0", 0, "0 B"),
            ("12 B", 12, "12 B"),
        ];

        each_case(cases, |(text, bytes, shown)| {
            let limit: Limit = text.parse().unwrap();
            assert_eq!(
                (limit.0, limit.to_string().as_str()),
                (bytes, shown),
                "{text}"
            );
        });

        let wrong = ["", "GB", "-1GB", "20 GiB", "inf", "nan", "1e30", "twenty"];
        each_case(wrong, |wrong| {
            assert!(wrong.parse::<Limit>().is_err(), "{wrong}");
        });
    }
}
