//! The client of the worker, which is the process `sextet worker`: finding the command, the
//! messages to it and from it, and the outcomes of its jobs.

mod command;
mod connection;
mod fault;
mod idle;
mod job;
mod loading;
mod process;
#[cfg(test)]
mod tests;

pub(crate) use command::Launcher;
pub(crate) use fault::Fault;
pub(crate) use idle::IdleWorker;
pub(crate) use job::{Job, JobOutcome, Stage, Task};
pub(crate) use loading::Loading;
