//! The engine process as the plugin sees it: finding the command, the conversation with it, and the
//! results of its jobs.

mod client;
mod command;
mod fault;
mod job;
mod kept;
#[cfg(test)]
mod tests;
mod worker;

pub(crate) use fault::Fault;
pub(crate) use job::{Ended, Job, Loading, Stage, Task};
pub(crate) use kept::Kept;
