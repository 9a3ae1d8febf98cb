//! Sets of instructions, chosen at run time.

use std::fmt;

#[cfg(target_arch = "aarch64")]
use crate::simd::neon::Neon;
use crate::simd::portable::Portable;
use crate::simd::{Simd, Task};
#[cfg(target_arch = "x86_64")]
use crate::simd::{avx2::Avx2, avx512::Avx512};

/// Set of instructions that this processor has.
#[derive(Clone, Copy, Debug)]
pub struct Isa(Token);

#[derive(Clone, Copy, Debug)]
enum Token {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    Portable(Portable),
}

impl Isa {
    /// Returns all sets of instructions that this processor has, the fastest first.
    pub fn all() -> Vec<Self> {
        let tokens = [
            #[cfg(target_arch = "x86_64")]
            Avx512::detect().map(Token::Avx512),
            #[cfg(target_arch = "x86_64")]
            Avx2::detect().map(Token::Avx2),
            #[cfg(target_arch = "aarch64")]
            Neon::detect().map(Token::Neon),
            Some(Token::Portable(Portable)),
        ];
        tokens.into_iter().flatten().map(Self).collect()
    }

    /// Returns the fastest set of instructions that this processor has.
    pub fn best() -> Self {
        Self::all()[0]
    }

    /// Returns the set of instructions of that name, as [`Isa::name`] gives it, if this processor
    /// has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|isa| isa.name() == name)
    }

    /// Returns the name for people.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(_) => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(_) => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Token::Neon(_) => "NEON",
            Token::Portable(_) => "portable",
        }
    }

    /// Runs `task`, compiled for these instructions.
    pub(crate) fn run(self, task: impl Task) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(token) => token.run(task),
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(token) => token.run(task),
            #[cfg(target_arch = "aarch64")]
            Token::Neon(token) => token.run(task),
            Token::Portable(token) => token.run(task),
        }
    }

    /// Returns how many numbers a vector has, and how many vectors a panel has at most.
    pub(crate) fn widths(self) -> Widths {
        fn of<S: Simd>(_: S) -> Widths {
            Widths {
                lanes: S::LANES,
                vectors: S::VECTORS,
            }
        }
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(token) => of(token),
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(token) => of(token),
            #[cfg(target_arch = "aarch64")]
            Token::Neon(token) => of(token),
            Token::Portable(token) => of(token),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Numbers in a vector, and most vectors of a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Widths {
    pub(crate) lanes: usize,
    pub(crate) vectors: usize,
}
