//! The gRPC services of Steadfast: what clients, workers and people's tools speak to.
//!
//! The way of a request: `gate` (versions, deadline, panics, metrics) → a service
//! (`workflow_service`, `operator_service`) → namespace and checks (`frontend`, `requests`) → the engine, the
//! registry of namespaces, or visibility. Refusals become gRPC statuses in one place, `status`.
//!
//! # What is absent, by design
//! No state of executions or task queues, and no decision that depends on it: that is the engine's.

mod compression;
mod connections;
mod deadline;
mod figures;
mod frontend;
mod gate;
mod gathering;
mod headers;
mod history;
mod load;
mod metrics;
mod namespace;
mod operator_service;
mod outgoing;
mod pages;
mod requests;
mod rpcs;
mod search_attributes;
mod searches;
mod server;
mod status;
mod system;
mod unread;
mod version;
mod visibility;
mod waits;
mod workers;
mod workflow_service;

pub use server::{InProcess, Listeners, Pages, Parts, Server, Ui, shown_address};
pub use version::{SERVER_VERSION, STEADFAST_VERSION};
