//! What macOS wants otherwise than other systems.

pub(crate) mod bundle;
