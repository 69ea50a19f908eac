//! Shards, group commit, timers, outbox, caches: the room between the pure state machines and the store.

mod api;
mod namespace;

pub use api::{Call, Engine};
pub use namespace::Namespace;
