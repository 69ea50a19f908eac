//! RequestCancelActivityTask (server-semantics 4.2).

use steadfast_protocol::command::RequestCancelActivityTaskCommandAttributes;
use steadfast_protocol::common::Payloads;
use steadfast_protocol::enums::WorkflowTaskFailedCause as Cause;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{
    ActivityTaskCancelRequestedEventAttributes, ActivityTaskCanceledEventAttributes,
};

use super::{CommandError, Scope};
use crate::attributes::json_string;
use crate::event_type::{closes_item, started_reference};
use crate::record::Activity;
use crate::transition::Transition;

const CAUSE: Cause = Cause::BadRequestCancelActivityAttributes;
/// Details of an activity that no worker ever had.
const NOT_STARTED: &str = "ACTIVITY_ID_NOT_STARTED";

pub(super) fn apply(
    tx: &mut Transition<'_>,
    scope: &mut Scope,
    command: &RequestCancelActivityTaskCommandAttributes,
) -> Result<(), CommandError> {
    let id = command.scheduled_event_id;
    if id <= 0 {
        return Err(CommandError::bad(
            CAUSE,
            "ScheduledEventId is not set on RequestCancelActivityTaskCommand.",
        ));
    }
    let activity = tx.run.activities.get(&id).cloned();
    let may_be_asked = match &activity {
        Some(activity) => !activity.cancel_requested,
        // The workflow cannot know yet that it closed.
        None => is_close_buffered(tx, id),
    };
    if !may_be_asked {
        return Err(CommandError::bad(
            CAUSE,
            format!(
                "invalid history builder state for action: add-activitytask-cancel-requested-event, ScheduledEventID: {id}"
            ),
        ));
    }
    let requested_event_id = tx.event(Attributes::ActivityTaskCancelRequestedEventAttributes(
        ActivityTaskCancelRequestedEventAttributes {
            scheduled_event_id: id,
            workflow_task_completed_event_id: scope.completed_event_id,
        },
    ));
    let Some(activity) = activity else {
        return Ok(());
    };
    // One that this completion started for its own worker has not left the server yet.
    let eager = scope.eager_activities.iter().position(|eager| *eager == id);
    if let Some(position) = eager {
        scope.eager_activities.remove(position);
    }
    if activity.started_time == 0 || eager.is_some() {
        tx.remove_activity(id);
        let identity = scope.identity.clone();
        tx.event(canceled_unstarted(id, requested_event_id, identity));
        scope.task_wanted = true;
    } else {
        tx.put_activity(Activity {
            cancel_requested: true,
            cancel_requested_event_id: requested_event_id,
            ..Activity::clone(&activity)
        });
    }
    Ok(())
}

fn is_close_buffered(tx: &Transition<'_>, scheduled_event_id: i64) -> bool {
    tx.run.buffered.iter().any(|(_, event)| {
        let Some(attributes) = &event.attributes else {
            return false;
        };
        if !closes_item(attributes) || !is_of_activity(attributes) {
            return false;
        }
        let mut attributes = attributes.clone();
        let reference = started_reference(&mut attributes);
        reference.is_some_and(|(item, _)| item == scheduled_event_id)
    })
}

fn is_of_activity(attributes: &Attributes) -> bool {
    matches!(
        attributes,
        Attributes::ActivityTaskCompletedEventAttributes(_)
            | Attributes::ActivityTaskFailedEventAttributes(_)
            | Attributes::ActivityTaskTimedOutEventAttributes(_)
            | Attributes::ActivityTaskCanceledEventAttributes(_)
    )
}

fn canceled_unstarted(id: i64, requested_event_id: i64, identity: String) -> Attributes {
    Attributes::ActivityTaskCanceledEventAttributes(ActivityTaskCanceledEventAttributes {
        details: Some(Payloads {
            payloads: vec![json_string(NOT_STARTED)],
        }),
        latest_cancel_requested_event_id: requested_event_id,
        scheduled_event_id: id,
        identity,
        ..Default::default()
    })
}
