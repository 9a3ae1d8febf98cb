//! Models: the catalogue, their storage, and how they are fetched and opened.

mod bag;
mod cache;
mod catalogue;
mod command;
mod export;
mod facts;
mod fetch;
mod hub;
mod open;
mod transfer;

pub(crate) use cache::cache_folder;
pub(crate) use catalogue::{BUNDLED, CATALOGUE, Entry};
pub(crate) use command::{find, is_here, run, state};
pub(crate) use fetch::{fetch_quietly, offer};
pub(crate) use open::{open, short_name};
