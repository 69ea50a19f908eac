//! Activities (server-semantics 5).

use std::sync::Arc;

use steadfast_protocol::common::Payloads;
use steadfast_protocol::failure::Failure;
use steadfast_protocol::workflowservice::RecordActivityTaskHeartbeatResponse;

use crate::context::Context;
use crate::execution::Execution;
use crate::outcome::{Outcome, Task};
use crate::record::Activity;
use crate::refusal::Refusal;
use crate::time::Time;
use crate::transition::Transition;

/// Names a started attempt; what a task token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityRef {
    /// Its Scheduled event.
    pub scheduled_event_id: i64,
    /// From 1.
    pub attempt: i32,
    /// When it started.
    pub started_time: Time,
}

/// Which activity a worker speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One attempt.
    Token(ActivityRef),
    /// The pending activity of this id, whatever its attempt.
    Id(String),
}

/// When something is due of `activity`: the end of its backoff, or the first of its timeouts.
pub fn next_deadline(_activity: &Activity) -> Option<Time> {
    None
}

/// Starts an activity for a poller that was offered `offered`. `None`: it is obsolete, the poller goes on waiting.
pub fn start(
    _run: &mut Execution,
    _cx: &Context<'_>,
    _offered: &Task,
    _identity: &str,
    _request_id: &str,
) -> Option<(Outcome, Arc<Activity>)> {
    None
}

/// A worker says how far it is.
///
/// # Errors
/// NOT_FOUND: the attempt is gone.
pub fn heartbeat(
    _run: &mut Execution,
    _cx: &Context<'_>,
    _target: &Target,
    _details: Option<Payloads>,
    _identity: &str,
) -> Result<(Option<Outcome>, RecordActivityTaskHeartbeatResponse), Refusal> {
    Err(Refusal::activity_not_found())
}

/// A worker completed an activity.
///
/// # Errors
/// NOT_FOUND: the attempt is gone.
pub fn complete(
    _run: &mut Execution,
    _cx: &Context<'_>,
    _target: &Target,
    _result: Option<Payloads>,
    _identity: &str,
) -> Result<Outcome, Refusal> {
    Err(Refusal::activity_not_found())
}

/// An attempt failed. The failures are for the reply: what had to be dropped of the request.
///
/// # Errors
/// NOT_FOUND: the attempt is gone. INVALID_ARGUMENT: not an application failure.
pub fn fail(
    _run: &mut Execution,
    _cx: &Context<'_>,
    _target: &Target,
    _failure: Option<Failure>,
    _last_heartbeat_details: Option<Payloads>,
    _identity: &str,
) -> Result<(Outcome, Vec<Failure>), Refusal> {
    Err(Refusal::activity_not_found())
}

/// A worker gave way to a cancel request.
///
/// # Errors
/// NOT_FOUND: the attempt is gone. INVALID_ARGUMENT: nobody asked for it.
pub fn cancel(
    _run: &mut Execution,
    _cx: &Context<'_>,
    _target: &Target,
    _details: Option<Payloads>,
    _identity: &str,
) -> Result<Outcome, Refusal> {
    Err(Refusal::activity_not_found())
}

/// The activity of this Scheduled event is due: dispatched again, or timed out.
pub fn on_due(_tx: &mut Transition<'_>, _scheduled_event_id: i64) {}
