//! The `sextet` command.
fn main() {}
