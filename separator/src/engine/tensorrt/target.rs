//! GPU architectures that a plan can be built for.

use std::fmt;
use std::str::FromStr;

use trtx::ComputeCapability;

use super::error::TensorRtError;

/// Architecture by its compute capability: `sm86` for 8.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(u32);

/// Architectures that TensorRT-RTX 1.6 lists.
const KNOWN: [(u32, ComputeCapability); 6] = [
    (75, ComputeCapability::kSM75),
    (80, ComputeCapability::kSM80),
    (86, ComputeCapability::kSM86),
    (89, ComputeCapability::kSM89),
    (120, ComputeCapability::kSM120),
    (121, ComputeCapability::kSM121),
];

impl Target {
    /// Returns every architecture that can be named.
    pub fn all() -> Vec<Self> {
        KNOWN.iter().map(|&(number, _)| Self(number)).collect()
    }

    /// Returns the target of a GPU. Returns `None` for a GPU that TensorRT runs on but cannot name
    /// (9.0: the H100 and H200), which needs a plan for all architectures.
    pub fn of(capability: (i32, i32)) -> Option<Self> {
        let number = u32::try_from(capability.0 * 10 + capability.1).ok()?;
        KNOWN
            .iter()
            .any(|&(known, _)| known == number)
            .then_some(Self(number))
    }

    /// Parses a list such as `sm86,sm89`. The word `all` means no restriction and gives an empty
    /// list.
    ///
    /// # Errors
    /// Returns [`TensorRtError::UnknownTarget`].
    pub fn list(text: &str) -> Result<Vec<Self>, TensorRtError> {
        if text.trim().eq_ignore_ascii_case("all") {
            return Ok(Vec::new());
        }

        let mut targets = text
            .split(',')
            .map(str::parse)
            .collect::<Result<Vec<Self>, _>>()?;
        targets.sort_unstable();
        targets.dedup();

        Ok(targets)
    }

    pub(super) fn capability(self) -> ComputeCapability {
        let known = KNOWN.iter().find(|&&(number, _)| number == self.0);
        known.map_or(ComputeCapability::kNONE, |&(_, capability)| capability)
    }
}

impl FromStr for Target {
    type Err = TensorRtError;

    fn from_str(text: &str) -> Result<Self, TensorRtError> {
        let name = text.trim().to_ascii_lowercase();
        let number = name
            .strip_prefix("sm")
            .and_then(|digits| digits.trim_start_matches('_').parse().ok());
        number
            .and_then(|number: u32| Self::all().into_iter().find(|target| target.0 == number))
            .ok_or_else(|| {
                let known = Self::all()
                    .iter()
                    .map(Self::to_string)
                    .collect::<Vec<_>>()
                    .join(", ");
                TensorRtError::UnknownTarget {
                    found: text.to_owned(),
                    known,
                }
            })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sm{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn targets_are_read_as_they_are_written() {
        each_case(Target::all(), |target| {
            assert_eq!(target.to_string().parse::<Target>().unwrap(), target);
        });

        assert_eq!(
            Target::list("sm89, SM_86,sm89").unwrap(),
            [Target(86), Target(89)]
        );
        assert_eq!(Target::list("all").unwrap(), []);
        assert_eq!(Target::of((8, 6)), Some(Target(86)));
        assert_eq!(Target::of((9, 0)), None);
    }

    #[test]
    fn what_is_not_a_target_is_refused_with_the_list() {
        each_case(["sm70", "86", "", "sm", "sm86,sm99"], |text| {
            let error = Target::list(text).unwrap_err().to_string();
            assert!(
                error.contains("sm75") && error.contains("all"),
                "{text}: {error}"
            );
        });
    }
}
