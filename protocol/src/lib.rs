//! What every part of Sextet agrees on, without linking any other part: the six stems, their names and their order.

mod stem;

pub use stem::{Stem, UnknownStem};
