//! Activities (server-semantics 5): started, answered for, timed out, tried again.
//!
//! A started attempt leaves no event: the Started event is written with the closing one, so that a history shows only
//! the last attempt.

mod attempt;
mod due;
mod respond;
mod start;

use std::sync::Arc;

use steadfast_protocol::common::WorkerVersionStamp;

pub use due::{next_deadline, on_due};
pub use respond::{cancel, complete, fail, heartbeat};
pub use start::{start, withdraw};

pub(crate) use attempt::start_eagerly;

use crate::execution::Execution;
use crate::record::Activity;
use crate::refusal::Refusal;
use crate::time::Time;

/// Names a started attempt; what a task token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityRef {
    /// Its Scheduled event.
    pub scheduled_event_id: i64,
    /// From 1.
    pub attempt: i32,
    /// When it started. Two starts of one attempt differ in it.
    pub started_time: Time,
}

/// Who answers for an attempt.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answerer<'a> {
    /// As it calls itself.
    pub identity: &'a str,
    /// Its build, where it says so.
    pub version: Option<&'a WorkerVersionStamp>,
}

/// Which activity a worker speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One started attempt.
    Token(ActivityRef),
    /// The pending activity of this id, whatever its attempt.
    Id(String),
}

/// The pending activity that `target` names. By id it need not be started.
fn find(run: &Execution, target: &Target) -> Result<Arc<Activity>, Refusal> {
    if !run.is_open() {
        return Err(Refusal::already_completed());
    }
    match target {
        Target::Token(token) => {
            let activity = run.activities.get(&token.scheduled_event_id);
            let activity = activity.filter(|activity| {
                activity.started_time != 0
                    && activity.attempt == token.attempt
                    && activity.started_time == token.started_time.0
            });
            activity.cloned().ok_or_else(Refusal::activity_not_found)
        }
        Target::Id(id) => {
            let activity = run.activity_ids.get(id);
            let activity = activity.and_then(|scheduled| run.activities.get(scheduled));
            activity.cloned().ok_or_else(|| {
                Refusal::not_found(format!(
                    "cannot find pending activity with ActivityID {id}, check workflow execution history for more details"
                ))
            })
        }
    }
}

/// As [`find`], but its attempt has to be started.
fn find_started(run: &Execution, target: &Target) -> Result<Arc<Activity>, Refusal> {
    let activity = find(run, target)?;
    if activity.started_time == 0 {
        return Err(Refusal::activity_not_found());
    }
    Ok(activity)
}
