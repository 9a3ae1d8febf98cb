//! Sets of instructions that the CPU engine's kernels are compiled for.

use std::fmt;

use sextet_cpu::Isa;

/// Set of instructions that the CPU engine's kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Instructions {
    /// AVX-512F, of x86-64 processors.
    Avx512,
    /// AVX2 and FMA, of x86-64 processors.
    Avx2,
    /// NEON, which every 64-bit ARM processor has.
    Neon,
    /// None in particular, on all processors.
    Portable,
}

impl Instructions {
    pub(super) const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Portable];

    /// Returns the sets of instructions that this processor has, the fastest first.
    pub fn available() -> Vec<Self> {
        let all = Self::ALL.into_iter();
        all.filter(|set| Isa::named(set.name()).is_some()).collect()
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "AVX-512",
            Self::Avx2 => "AVX2",
            Self::Neon => "NEON",
            Self::Portable => "portable",
        }
    }
}

impl fmt::Display for Instructions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
