//! An activity is handed to a worker (server-semantics 5.3).

use std::sync::Arc;

use crate::context::Context;
use crate::execution::Execution;
use crate::outcome::{Outcome, Task};
use crate::record::Activity;
use crate::time::Time;
use crate::transition::{Transition, activity_task};

/// Starts the attempt that a poller was offered. Unlike that of a workflow task, the start has to be durable before the
/// worker hears of it: an attempt may run only once.
///
/// The same `request_id` gets the same answer again. `None`: the task is obsolete, the poller goes on waiting.
pub fn start(
    run: &mut Execution,
    cx: &Context<'_>,
    offered: &Task,
    identity: &str,
    request_id: &str,
) -> Option<(Outcome, Arc<Activity>)> {
    if !run.is_open() {
        return None;
    }
    let activity = run.activities.get(&offered.item)?.clone();
    if activity.attempt != offered.attempt
        || Time(activity.scheduled_time) != offered.scheduled_time
    {
        return None;
    }
    if activity.started_time != 0 {
        let same = activity.started_request_id == request_id;
        return same.then(|| (Transition::new(run, cx).finish(), activity));
    }
    if !activity.dispatched {
        return None;
    }
    let mut tx = Transition::new(run, cx);
    tx.remove_task(activity_task(&activity));
    let started = Activity {
        dispatched: false,
        started_time: cx.now.0,
        started_identity: identity.to_owned(),
        started_request_id: request_id.to_owned(),
        ..Activity::clone(&activity)
    };
    tx.put_activity(started);
    let outcome = tx.finish();
    let activity = run.activities.get(&offered.item)?.clone();
    Some((outcome, activity))
}
