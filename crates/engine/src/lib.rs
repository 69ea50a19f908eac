//! Shards, group commit, timers, outbox, caches: the room between the pure state machines and the store.

mod api;
mod namespace;
mod namespaces;

pub use api::{Call, Engine};
pub use namespace::Namespace;
pub use namespaces::{
    BadBinary, DeleteHook, NamespaceRecord, Namespaces, SYSTEM_NAMESPACE, SYSTEM_SHARD,
};
