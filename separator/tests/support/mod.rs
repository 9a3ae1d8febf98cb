//! What the tests of models and separations share.
#![allow(dead_code, unreachable_pub, reason = "every test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails is the test")]

pub mod checkpoint;
pub mod damage;
pub mod draw;
pub mod peak;
pub mod small;
pub mod targets;
