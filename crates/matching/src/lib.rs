//! Task queues as pure state machines.
//!
//! A [`TaskQueue`] is one queue: of one namespace, name, kind (normal, sticky) and type (workflow, activity, Nexus). It brings
//! tasks and polls together and knows neither: both are type parameters, chosen by the engine.
//!
//! What is absent here: async, IO, a clock, randomness, tokio, other crates' state. Time is an argument, in milliseconds since the
//! epoch, and one that steps back is taken to stand still. The same inputs give the same outputs.
//!
//! # How to drive it
//!
//! 1. Inputs: [`offer`](TaskQueue::offer) and [`offer_transient`](TaskQueue::offer_transient) (tasks), [`poll`](TaskQueue::poll),
//!    [`cancel`](TaskQueue::cancel) and [`expire`](TaskQueue::expire) (polls), [`withdraw`](TaskQueue::withdraw) (the caller of a transient task gave up).
//! 2. After each input, take [`next_match`](TaskQueue::next_match) until it answers `None`, and hand each task to its poll:
//!    start it at its shard, answer the client. Nothing is reported back when that works.
//! 3. When it does not: the task is obsolete: [`discard`](TaskQueue::discard), then [`resume`](TaskQueue::resume) the poll.
//!    The task is still to be done: [`requeue`](TaskQueue::requeue) first, then resume the poll if its client is still there. These are inputs too: step 2 follows.
//! 4. While [`wants_refill`](TaskQueue::wants_refill): [`begin_refill`](TaskQueue::begin_refill), read the outbox, [`end_refill`](TaskQueue::end_refill), step 2.
//! 5. At [`next_wakeup_ms`](TaskQueue::next_wakeup_ms), which any input or match may change: step 2.
//!
//! # Promises
//!
//! - Priority 1 is served first; within a priority the order is that of arrival, and a task that comes back takes its old place.
//!   Among waiting polls likewise.
//! - Memory is bounded ([`limits`]). A stored task beyond the window stays in the outbox and is counted; younger tasks of its priority do
//!   not overtake it.
//! - Nothing here is stored. A queue can be lost at any time and filled again from the outbox.
//! - Every operation costs at most the logarithm of what is in memory.

mod describe;
mod lane;
pub mod limits;
mod matched;
mod pollers;
mod priority;
mod queue;
mod rate;
mod scaling;
mod stats;

pub use describe::Description;
pub use matched::{Match, PollerTicket, TaskTicket, TaskToken};
pub use pollers::{PollerInfo, PollerToken};
pub use priority::{PRIORITIES, Priority};
pub use queue::{Offer, Refill, TaskQueue, Unloaded};
