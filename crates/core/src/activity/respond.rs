//! What workers say about an activity (server-semantics 5.4, 5.5).

use prost::Message;
use steadfast_protocol::common::Payloads;
use steadfast_protocol::failure::Failure;
use steadfast_protocol::failure::failure::FailureInfo;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{
    ActivityTaskCanceledEventAttributes, ActivityTaskCompletedEventAttributes,
};
use steadfast_protocol::workflowservice::RecordActivityTaskHeartbeatResponse;

use super::attempt::{end, end_failed, write_started};
use super::{Answerer, Target, find, find_started};
use crate::context::Context;
use crate::execution::Execution;
use crate::failure;
use crate::outcome::Outcome;
use crate::record::Activity;
use crate::refusal::Refusal;
use crate::transition::Transition;

const HEARTBEAT_TOO_LARGE: &str = "Heartbeat details exceed size limit.";

/// A worker says that it is alive, and how far it is. The details replace those before, also by nothing. Details beyond
/// the limit end the activity; then the reply asks the worker to give way.
///
/// # Errors
/// NOT_FOUND: the run is closed, or the attempt is gone or, by id, not started.
pub fn heartbeat(
    run: &mut Execution,
    cx: &Context<'_>,
    target: &Target,
    details: Option<Payloads>,
    identity: &str,
) -> Result<(Option<Outcome>, RecordActivityTaskHeartbeatResponse), Refusal> {
    let activity = find_started(run, target)?;
    let mut activity = Activity::clone(&activity);
    let mut cancel_requested = activity.cancel_requested;
    let mut tx = Transition::new(run, cx);
    if is_too_large(cx, details.as_ref()) {
        let failure = failure::server(HEARTBEAT_TOO_LARGE, true);
        let by = Answerer {
            identity,
            version: None,
        };
        end_failed(&mut tx, activity, Some(failure), by);
        cancel_requested = true;
    } else {
        activity.heartbeat_details = details;
        activity.heartbeat_time = cx.now.0;
        if !identity.is_empty() {
            identity.clone_into(&mut activity.last_worker_identity);
        }
        tx.put_activity(activity);
    }
    let response = RecordActivityTaskHeartbeatResponse {
        cancel_requested,
        ..Default::default()
    };
    Ok((Some(tx.finish()), response))
}

/// A worker completed an activity. By id that is possible before any worker started it.
///
/// # Errors
/// NOT_FOUND: the run is closed, or the attempt is gone.
pub fn complete(
    run: &mut Execution,
    cx: &Context<'_>,
    target: &Target,
    result: Option<Payloads>,
    by: Answerer<'_>,
) -> Result<Outcome, Refusal> {
    let activity = find(run, target)?;
    let mut tx = Transition::new(run, cx);
    if is_too_large(cx, result.as_ref()) {
        let failure = failure::server("Complete result exceeds size limit.", true);
        end_failed(&mut tx, Activity::clone(&activity), Some(failure), by);
        return Ok(tx.finish());
    }
    let started_event_id = write_started(&mut tx, &activity, by);
    tx.event(Attributes::ActivityTaskCompletedEventAttributes(
        ActivityTaskCompletedEventAttributes {
            result,
            scheduled_event_id: activity.scheduled_event_id,
            started_event_id,
            identity: by.identity.to_owned(),
            ..Default::default()
        },
    ));
    end(&mut tx, &activity);
    Ok(tx.finish())
}

/// An attempt failed. The failures in the answer are for the reply: they say what of the request was too large.
///
/// # Errors
/// INVALID_ARGUMENT: the failure is not one of the application. NOT_FOUND: as [`heartbeat`].
pub fn fail(
    run: &mut Execution,
    cx: &Context<'_>,
    target: &Target,
    failure: Option<Failure>,
    last_heartbeat_details: Option<Payloads>,
    by: Answerer<'_>,
) -> Result<(Outcome, Vec<Failure>), Refusal> {
    let is_application = |failure: &Failure| {
        matches!(
            failure.failure_info,
            Some(FailureInfo::ApplicationFailureInfo(_))
        )
    };
    if !failure.as_ref().is_none_or(is_application) {
        return Err(Refusal::invalid(
            "Failure must have ApplicationFailureInfo.",
        ));
    }
    let activity = find_started(run, target)?;
    let mut activity = Activity::clone(&activity);
    let mut too_large = Vec::new();
    if is_too_large(cx, last_heartbeat_details.as_ref()) {
        too_large.push(failure::server(HEARTBEAT_TOO_LARGE, true));
    } else if last_heartbeat_details.is_some() {
        activity.heartbeat_details = last_heartbeat_details;
        activity.heartbeat_time = cx.now.0;
    }
    let failure = failure.map(|given| {
        let size = failure::size(&given);
        let kept = cx.limits.blob_size_logged;
        let limited = failure::limited(failure::shallow(given), cx.limits.blob_size, kept, true);
        if size > cx.limits.blob_size {
            too_large.push(limited.clone());
        }
        limited
    });
    let mut tx = Transition::new(run, cx);
    end_failed(&mut tx, activity, failure, by);
    Ok((tx.finish(), too_large))
}

/// A worker gave way to a cancel request.
///
/// # Errors
/// INVALID_ARGUMENT: the workflow did not ask for it. NOT_FOUND: as [`heartbeat`].
pub fn cancel(
    run: &mut Execution,
    cx: &Context<'_>,
    target: &Target,
    details: Option<Payloads>,
    identity: &str,
) -> Result<Outcome, Refusal> {
    let activity = find_started(run, target)?;
    if !activity.cancel_requested {
        return Err(Refusal::invalid(
            "unable to mark activity as canceled without activity being request canceled first",
        ));
    }
    let by = Answerer {
        identity,
        version: None,
    };
    let mut tx = Transition::new(run, cx);
    if is_too_large(cx, details.as_ref()) {
        let failure = failure::server("Cancel details exceed size limit.", true);
        end_failed(&mut tx, Activity::clone(&activity), Some(failure), by);
        return Ok(tx.finish());
    }
    let started_event_id = write_started(&mut tx, &activity, by);
    tx.event(Attributes::ActivityTaskCanceledEventAttributes(
        ActivityTaskCanceledEventAttributes {
            details,
            latest_cancel_requested_event_id: activity.cancel_requested_event_id,
            scheduled_event_id: activity.scheduled_event_id,
            started_event_id,
            identity: identity.to_owned(),
            ..Default::default()
        },
    ));
    end(&mut tx, &activity);
    Ok(tx.finish())
}

fn is_too_large(cx: &Context<'_>, payloads: Option<&Payloads>) -> bool {
    payloads.is_some_and(|payloads| payloads.encoded_len() > cx.limits.blob_size)
}
