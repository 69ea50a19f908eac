//! Executions as pure state machines: no async, no IO, no clock, no randomness but what is passed in.
//!
//! The engine loads an [`Execution`](execution::Execution), hands it one input together with a
//! [`Context`](context::Context), and gets an [`Outcome`](outcome::Outcome): what has to be made durable, and what may
//! leave after that. The protocol's own messages are the vocabulary; only the stored [`record`]s are ours.

#![allow(
    deprecated,
    reason = "deprecated fields of the protocol are still written for older clients"
)]

pub mod activity;
pub mod addressee;
pub mod attributes;
pub mod backoff;
pub mod cancel;
pub mod chain;
pub mod child;
pub mod close;
pub mod command;
pub mod completion;
pub mod context;
pub mod cron;
pub mod describe;
pub mod due;
pub mod event_type;
pub mod execution;
pub mod external;
pub mod failure;
pub mod limits;
pub mod options;
pub mod outcome;
pub mod policy;
pub mod query;
pub mod record;
mod refusal;
pub mod rows;
pub mod signal;
pub mod start;
pub mod task_queue;
pub mod terminate;
pub mod time;
pub mod timeout;
pub mod timer;
pub mod transition;
pub mod workflow_task;

pub use refusal::Refusal;
