//! Options of the CPU engine.

use sextet_cpu::Isa;

use super::instructions::Instructions;
use crate::Result;
use crate::engine::EngineError;
use crate::setters::setters;

/// Options of the CPU engine that nobody needs for a song: tests and measurements do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CpuOptions {
    /// Set of instructions; `None` for the fastest that this processor has. Stems of different sets
    /// differ by rounding.
    pub instructions: Option<Instructions>,
    /// Whether to start as many threads as were asked for even where this process may use fewer
    /// processors. It takes longer and gives the same samples.
    pub more_threads_than_processors: bool,
}

setters!(CpuOptions {
    instructions: impl Into<Option<Instructions>>,
    more_threads_than_processors: bool,
});

impl CpuOptions {
    /// Returns the instructions to use.
    pub(super) fn isa(&self) -> Result<Isa> {
        let Some(asked) = self.instructions else {
            return Ok(Isa::best());
        };
        let isa = Isa::named(asked.name()).ok_or_else(|| EngineError::Instructions {
            asked,
            available: Instructions::available(),
        })?;
        Ok(isa)
    }
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn instructions_are_those_of_the_kernels() {
        let names: Vec<&str> = Isa::all().into_iter().map(Isa::name).collect();
        let available = Instructions::available();
        assert!(
            names.iter().eq(available
                .iter()
                .map(|set| set.name())
                .collect::<Vec<_>>()
                .iter())
        );

        let isa = |set: Option<Instructions>| CpuOptions::new().instructions(set).isa();
        assert_eq!(isa(None).unwrap().name(), names[0]);
        each_case(Instructions::ALL, |set| match isa(Some(set)) {
            Ok(isa) => assert_eq!(isa.name(), set.name()),
            Err(error) => {
                assert!(!names.contains(&set.name()), "{set}: {error}");
                let says = format!("cannot use {set}: this processor has {}", names.join(", "));
                assert!(error.to_string().contains(&says), "{error}");
            }
        });
    }
}
