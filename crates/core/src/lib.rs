//! Executions as pure state machines: no async, no IO, no clock, no randomness but what is passed in.

mod refusal;

pub use refusal::Refusal;
