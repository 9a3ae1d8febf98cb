//! Black-box tests of the `sextet` command: typed command lines and their results.
//!
//! They run with a tiny model of random weights, made from `fixtures/tiny.json`, and with songs
//! made here.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod bad_inputs;
mod batch;
mod cuda;
mod engine;
mod fetch;
mod formats;
mod help;
mod hub;
mod inputs;
mod interrupt;
mod json;
mod machine;
mod manifest;
mod model;
mod network;
mod options;
mod page;
mod sandbox;
mod tags;
mod worker;
