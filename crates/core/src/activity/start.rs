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
/// The same `request_id` gets the same answer again, with nothing to make durable: it was started for that poll before.
/// `None`: the task is obsolete, the poller goes on waiting.
pub fn start(
    run: &mut Execution,
    cx: &Context<'_>,
    offered: &Task,
    identity: &str,
    request_id: &str,
) -> Option<(Option<Outcome>, Arc<Activity>)> {
    let activity = attempt(run, offered)?;
    if activity.started_time != 0 {
        let same = activity.started_request_id == request_id;
        return same.then_some((None, activity));
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
    Some((Some(outcome), activity))
}

/// Takes back the start of an attempt for a poll that went away before the attempt was handed to it: it never left the
/// server, and waits for another worker. `None`: it was not started for that poll, or is over.
pub fn withdraw(
    run: &mut Execution,
    cx: &Context<'_>,
    offered: &Task,
    request_id: &str,
) -> Option<Outcome> {
    let activity = attempt(run, offered)?;
    if activity.started_time == 0 || activity.started_request_id != request_id {
        return None;
    }
    let waiting = Activity {
        dispatched: true,
        started_time: 0,
        started_identity: String::new(),
        started_request_id: String::new(),
        ..Activity::clone(&activity)
    };
    let mut tx = Transition::new(run, cx);
    tx.out.tasks_added.push(activity_task(&waiting));
    tx.put_activity(waiting);
    Some(tx.finish())
}

/// The activity whose present attempt is that of the task.
fn attempt(run: &Execution, offered: &Task) -> Option<Arc<Activity>> {
    let activity = run.activities.get(&offered.item)?;
    let is_offered = run.is_open()
        && activity.attempt == offered.attempt
        && Time(activity.scheduled_time) == offered.scheduled_time;
    is_offered.then(|| activity.clone())
}
