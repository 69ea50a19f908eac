//! What the frontend checks before the engine sees a request (server-semantics 0.2, 15.8).
//!
//! The order of the checks, and the words of the refusals, are the reference server's where clients can see them.
//! What depends on the state of an execution is the engine's to refuse.

mod activity;
mod attributes;
mod existing;
pub(crate) mod fields;
mod links;
pub(crate) mod sizes;
mod start;
pub(crate) mod task_queue;
mod worker;
mod workflow_task;

use std::time::{Duration, Instant};

use steadfast_core::Refusal;
use steadfast_engine::{Limits, Namespace};

use sizes::Sizes;

/// Polls need at least this much time to be worth while.
const POLL_TIME_MIN: Duration = Duration::from_secs(2);

/// A request of an RPC that the engine answers.
pub(crate) trait Checked {
    /// Whether it starts a workflow, which only a registered namespace lets happen.
    const STARTS: bool = false;

    /// Where it says which namespace it is about.
    fn scope(&self) -> Scope<'_>;

    /// Refuses what no state of the server could make right, and fills in what is not set.
    fn check(&mut self, context: &Context<'_>) -> Result<(), Refusal>;

    /// What of it may be worth a line in the log for its size.
    fn sizes(&self) -> Sizes<'_> {
        Sizes::default()
    }
}

/// Where a request says which namespace it is about.
pub(crate) enum Scope<'a> {
    /// By name.
    Namespace(&'a str),
    /// By the token of a task, and perhaps by name too.
    Task {
        /// The name; may be empty.
        namespace: &'a str,
        /// What the poll answered.
        token: &'a [u8],
    },
}

/// What is known of a call besides its request.
pub(crate) struct Context<'a> {
    /// The namespace it is about.
    pub namespace: &'a Namespace,
    /// What the server was given.
    pub limits: &'a Limits,
    /// When it came.
    pub arrived: Instant,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
}

impl Context<'_> {
    /// A long poll must say how long it waits, and not too briefly.
    fn check_poll_time(&self) -> Result<(), Refusal> {
        let Some(deadline) = self.deadline else {
            return Err(Refusal::invalid("Context timeout is not set."));
        };
        if deadline.saturating_duration_since(self.arrived) < POLL_TIME_MIN {
            return Err(Refusal::FailedPrecondition(
                "Context timeout is too short.".to_owned(),
            ));
        }
        Ok(())
    }
}
