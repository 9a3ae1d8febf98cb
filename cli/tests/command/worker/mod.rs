//! `sextet worker` and `sextet cache`: requests, replies, and the files on the disk afterwards.

mod cache;
mod cancel;
mod client;
mod death;
mod engine_lock;
mod faults;
mod fetching;
mod files;
#[cfg(all(feature = "tensorrt", target_os = "linux"))]
mod gpu;
mod handshake;
mod machine;
mod stems;
