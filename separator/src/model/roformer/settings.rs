//! Settings of a YAML file that have not been read yet, each taken by its name.

use serde_json::{Map, Value as Json};

use crate::model::error::{ModelError, shown};

/// Longest configuration that is read, in bytes. Published ones have a few thousand.
const LONGEST_BYTES: usize = 256 * 1024;

/// Settings of one section.
pub(super) struct Settings {
    section: &'static str,
    values: Map<String, Json>,
}

/// Reads `text`, and returns the sections of its outermost mapping by their names.
pub(super) fn sections(text: &str) -> Result<Map<String, Json>, ModelError> {
    let refused = |source: String| ModelError::NotConfig {
        source: shown(source).into(),
    };
    if text.len() > LONGEST_BYTES {
        return Err(refused(format!(
            "it has {} bytes; expected {LONGEST_BYTES} at most",
            text.len()
        )));
    }

    // Training programs write tuples with a tag of Python's. They are lists here.
    let plain = text.replace("!!python/tuple", "");
    let read = serde_saphyr::from_str(&plain).map_err(|error| refused(error.to_string()))?;
    match read {
        Json::Object(sections) => Ok(sections),
        _ => Err(refused("it is no mapping of sections".to_owned())),
    }
}

impl Settings {
    /// Takes the section called `section`; one that is not there has no settings.
    pub(super) fn take_from(
        sections: &mut Map<String, Json>,
        section: &'static str,
    ) -> Result<Self, ModelError> {
        let values = match sections.remove(section) {
            None | Some(Json::Null) => Map::new(),
            Some(Json::Object(values)) => values,
            Some(other) => return Err(value(section, other, "a mapping")),
        };
        Ok(Self { section, values })
    }

    /// Removes and returns a setting. Null is as if it were not there.
    pub(super) fn take(&mut self, name: &str) -> Option<Json> {
        self.values.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a whole number within `range`.
    pub(super) fn whole(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<usize>,
        default: Option<usize>,
    ) -> Result<usize, ModelError> {
        let found = self.take(name);
        let number = match &found {
            None => default,
            Some(found) => found
                .as_f64()
                .filter(|number| number.fract() == 0.0)
                .map(|n| n as usize),
        };
        let whole = number.filter(|number| range.contains(number));
        whole.ok_or_else(|| ModelError::Setting {
            name: name.to_owned(),
            found: found.map_or("not there".to_owned(), shown),
            expected: format!("a whole number from {} to {}", range.start(), range.end()),
        })
    }

    /// Takes a truth value.
    pub(super) fn flag(&mut self, name: &'static str, default: bool) -> Result<bool, ModelError> {
        match self.take(name) {
            None => Ok(default),
            Some(Json::Bool(flag)) => Ok(flag),
            Some(other) => Err(value(name, other, "true or false")),
        }
    }

    /// Takes a setting of which one value is supported, called `expected`. `feature` is what
    /// another value would need.
    pub(super) fn fixed(
        &mut self,
        name: &'static str,
        expected: &'static str,
        feature: &'static str,
    ) -> Result<(), ModelError> {
        let Some(found) = self.take(name) else {
            return Ok(());
        };

        let same = match (&found, serde_json::from_str::<Json>(expected)) {
            (Json::Number(found), Ok(Json::Number(expected))) => {
                found.as_f64() == expected.as_f64()
            }
            (found, expected) => expected.is_ok_and(|expected| *found == expected),
        };
        match same {
            true => Ok(()),
            false => Err(ModelError::Unsupported {
                feature,
                name,
                found: shown(found),
                expected,
            }),
        }
    }

    /// Takes a list of texts.
    pub(super) fn texts(&mut self, name: &'static str) -> Result<Vec<String>, ModelError> {
        let found = self.take(name).unwrap_or_default();
        let texts = serde_json::from_value(found.clone());
        texts.map_err(|_| value(name, found, "a list of texts"))
    }

    /// Checks that no setting is left that would change the network.
    pub(super) fn finish(self) -> Result<(), ModelError> {
        match self.values.into_iter().find(|(_, value)| !value.is_null()) {
            Some((name, _)) => Err(ModelError::UnknownSetting {
                name: shown(name),
                section: self.section,
            }),
            None => Ok(()),
        }
    }
}

/// Returns the error of a setting that is not what is expected.
pub(super) fn value(name: &str, found: impl ToString, expected: &str) -> ModelError {
    ModelError::Setting {
        name: name.to_owned(),
        found: shown(found),
        expected: expected.to_owned(),
    }
}
