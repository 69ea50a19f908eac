//! Shards, group commit, timers, outbox, caches: the room between the pure state machines and the store.

#![allow(
    deprecated,
    reason = "deprecated fields of the protocol are still served for older clients"
)]

mod api;
mod block;
mod clock;
mod committer;
mod deletion;
mod delivery;
mod departed;
mod engine;
mod keys;
mod namespace;
mod namespaces;
mod node;
mod poll;
mod projection;
mod projector;
mod queues;
mod runs;
mod shard;
mod steps;
mod timers;
pub mod token;
mod view;
mod visible;

pub use api::Call;
pub use clock::{Surroundings, System};
pub use engine::{Engine, Figures};
pub use namespace::Namespace;
pub use namespaces::{
    BadBinary, DeleteHook, NamespaceRecord, Namespaces, SYSTEM_NAMESPACE, SYSTEM_SHARD,
};
pub use node::{Node, SHARDS};
pub use projection::is_projection_current;
pub use steadfast_core::limits::Limits;
pub use steps::Part;
