//! Activities: retries, heartbeats, cancels, timeouts, local and asynchronous ones.

use crate::place::{
    Place, cases, count, eventually, failure, history, pick_kind, quick_retry, same,
};
use anyhow::{Context, Result, bail, ensure};
use futures::future::join_all;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
    time::{Duration, Instant},
};
use temporalio_client::{ActivityIdentifier, Client, WorkflowHandle};
use temporalio_common::{
    error::{ActivityFailureError, ApplicationFailure, IncomingError, RetryState, TimeoutType},
    protos::{
        TaskToken,
        temporal::api::{
            enums::v1::{EventType, PendingActivityState},
            failure::v1::failure::FailureInfo,
            history::v1::HistoryEvent,
            workflow::v1::PendingActivityInfo,
        },
    },
};
use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::{
    ActivityCancellationType, ActivityCloseTimeouts, ActivityExecutionError, ActivityOptions,
    CancellableFuture, LocalActivityOptions, SyncWorkflowContext, WorkflowContext, WorkflowResult,
    activities::{ActivityContext, ActivityError},
};

/// What asynchronous activities leave behind for the test: task tokens by workflow id.
static TOKENS: LazyLock<Mutex<HashMap<String, Vec<u8>>>> = LazyLock::new(Default::default);

pub struct Acts;

#[activities]
impl Acts {
    #[activity]
    pub async fn echo(_ctx: ActivityContext, value: u32) -> Result<String, ActivityError> {
        Ok(format!("echo {value}"))
    }

    /// Fails until the given attempt; then tells the attempt and the heartbeat details it was given.
    #[activity]
    pub async fn fail_until(ctx: ActivityContext, attempt: u32) -> Result<String, ActivityError> {
        let now = ctx.info().attempt;
        if now < attempt {
            if !ctx.info().is_local {
                ctx.record_heartbeat(now).await?;
            }
            let error = ApplicationFailure::builder(anyhow::anyhow!("attempt {now} fails"))
                .type_name("Flaky".to_owned())
                .build();
            return Err(ActivityError::application(error));
        }
        let step: Option<u32> = ctx.heartbeat_details().deserialize()?;
        Ok(format!("attempt {now} after step {}", step.unwrap_or(0)))
    }

    #[activity]
    pub async fn fail_for_good(
        _ctx: ActivityContext,
        _unused: u32,
    ) -> Result<String, ActivityError> {
        let error = ApplicationFailure::builder(anyhow::anyhow!("never again"))
            .type_name("Fatal".to_owned())
            .non_retryable(true)
            .build();
        Err(ActivityError::application(error))
    }

    #[activity]
    pub async fn heartbeat_until_cancelled(
        ctx: ActivityContext,
        _unused: u32,
    ) -> Result<String, ActivityError> {
        while !ctx.is_cancelled() {
            ctx.record_heartbeat("alive".to_owned()).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(ActivityError::cancelled())
    }

    #[activity]
    pub async fn sleep_silently(
        ctx: ActivityContext,
        seconds: u32,
    ) -> Result<String, ActivityError> {
        ctx.record_heartbeat("before sleep".to_owned()).await?;
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
        Ok("slept".to_owned())
    }

    #[activity]
    pub async fn complete_elsewhere(
        ctx: ActivityContext,
        _unused: u32,
    ) -> Result<String, ActivityError> {
        let workflow_id = ctx.info().workflow_id.clone().context("no workflow id")?;
        TOKENS
            .lock()
            .unwrap()
            .insert(workflow_id, ctx.info().task_token.clone());
        Err(ActivityError::WillCompleteAsync)
    }
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub enum Which {
    #[default]
    Echo,
    FailUntil,
    FailForGood,
    SleepSilently,
    CompleteElsewhere,
}

/// One activity and its options.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Call {
    pub which: Which,
    pub argument: u32,
    pub start_to_close_ms: Option<u64>,
    pub schedule_to_close_ms: Option<u64>,
    pub schedule_to_start_ms: Option<u64>,
    pub heartbeat_ms: Option<u64>,
    pub retry_after_ms: Option<u64>,
    pub attempts: u32,
    pub fatal: Vec<String>,
    pub task_queue: Option<String>,
    pub activity_id: Option<String>,
}

impl Call {
    fn options(&self) -> ActivityOptions {
        let timeouts = match self.schedule_to_close_ms {
            Some(limit) => ActivityCloseTimeouts::ScheduleToClose(Duration::from_millis(limit)),
            None => ActivityCloseTimeouts::StartToClose(Duration::from_millis(
                self.start_to_close_ms.unwrap_or(30_000),
            )),
        };
        let interval = Duration::from_millis(self.retry_after_ms.unwrap_or(100));
        let mut options = ActivityOptions::with_close_timeouts(timeouts).build();
        options.retry_policy = Some(
            temporalio_client::RetryPolicy::builder()
                .initial_interval(interval)
                .backoff_coefficient(1.0)
                .maximum_attempts(self.attempts)
                .non_retryable_error_types(self.fatal.clone())
                .build(),
        );
        options.schedule_to_start_timeout = self.schedule_to_start_ms.map(Duration::from_millis);
        options.heartbeat_timeout = self.heartbeat_ms.map(Duration::from_millis);
        options.task_queue = self.task_queue.clone();
        options.activity_id = self.activity_id.clone();
        options
    }
}

#[workflow]
#[derive(Default)]
pub struct RunActivity;

#[workflow_methods]
impl RunActivity {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, call: Call) -> WorkflowResult<String> {
        let options = call.options();
        Ok(match call.which {
            Which::Echo => {
                ctx.execute_activity(Acts::echo, call.argument, options)
                    .await?
            }
            Which::FailUntil => {
                ctx.execute_activity(Acts::fail_until, call.argument, options)
                    .await?
            }
            Which::FailForGood => {
                ctx.execute_activity(Acts::fail_for_good, call.argument, options)
                    .await?
            }
            Which::SleepSilently => {
                ctx.execute_activity(Acts::sleep_silently, call.argument, options)
                    .await?
            }
            Which::CompleteElsewhere => {
                ctx.execute_activity(Acts::complete_elsewhere, call.argument, options)
                    .await?
            }
        })
    }
}

/// Cancels a running activity and tells how that ended.
#[workflow]
#[derive(Default)]
pub struct CancelActivity {
    cancel: bool,
}

#[workflow_methods]
impl CancelActivity {
    #[run]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        kind: ActivityCancellationType,
    ) -> WorkflowResult<String> {
        let options = ActivityOptions::with_start_to_close_timeout(Duration::from_secs(30))
            .heartbeat_timeout(Duration::from_secs(5))
            .cancellation_type(kind)
            .build();
        let activity = ctx.execute_activity(Acts::heartbeat_until_cancelled, 0u32, options);
        ctx.wait_condition(|state| state.cancel).await?;
        activity.cancel();
        match activity.await {
            Err(ActivityExecutionError::Cancelled(_)) => Ok("cancelled".to_owned()),
            other => Ok(format!("{other:?}")),
        }
    }

    #[signal]
    pub fn go(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.cancel = true;
    }
}

#[workflow]
#[derive(Default)]
pub struct LocalActivities;

#[workflow_methods]
impl LocalActivities {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Vec<String>> {
        let options = || {
            LocalActivityOptions::builder()
                .start_to_close_timeout(Duration::from_secs(10))
                .retry_policy(quick_retry(0))
                .build()
        };
        let first = ctx
            .execute_local_activity(Acts::echo, 1u32, options())
            .await?;
        let second = ctx
            .execute_local_activity(Acts::fail_until, 3u32, options())
            .await?;
        let third = ctx
            .execute_local_activity(Acts::fail_for_good, 0u32, options())
            .await;
        Ok(vec![first, second, format!("failed: {}", third.is_err())])
    }
}

#[workflow]
#[derive(Default)]
pub struct ManyActivities;

#[workflow_methods]
impl ManyActivities {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, number: u32) -> WorkflowResult<usize> {
        let options = || ActivityOptions::start_to_close_timeout(Duration::from_secs(30));
        let results =
            join_all((0..number).map(|n| ctx.execute_activity(Acts::echo, n, options()))).await;
        Ok(results.into_iter().collect::<Result<Vec<_>, _>>()?.len())
    }
}

cases![
    activity_retries_until_it_succeeds: uncached,
    activity_retries_exhausted,
    activity_failure_not_retryable,
    activity_cancel_reaches_it_by_heartbeat,
    activity_start_to_close_timeout,
    activity_heartbeat_timeout,
    activity_schedule_to_start_timeout,
    activity_schedule_to_close_timeout,
    // Not without cache: the SDK itself panics when it evicts a run with a local activity.
    activities_local,
    activities_in_parallel: uncached,
    activity_described_while_pending,
    activity_completed_by_token,
    activity_completed_by_id,
    activity_failed_from_outside,
];

/// Runs an activity that fails its workflow; returns the error and the history.
async fn failed_activity(
    place: &Place,
    call: Call,
) -> Result<(Box<IncomingError>, Vec<HistoryEvent>)> {
    let handle = place.start(RunActivity::run, call).await?;
    let error = failure(handle.get_result(Default::default()).await)?;
    Ok((error, history(&handle).await?))
}

/// The activity's failure, which the SDK may wrap.
fn activity_failure(error: &IncomingError) -> Result<&ActivityFailureError> {
    match error {
        IncomingError::Activity(found) => Ok(found),
        other => activity_failure(
            other
                .cause()
                .with_context(|| format!("no activity failure in {other:?}"))?,
        ),
    }
}

fn timeout_type(error: &ActivityFailureError) -> Result<TimeoutType> {
    Ok(error.as_timeout().context("no timeout")?.timeout_type())
}

async fn activity_retries_until_it_succeeds(place: &Place) -> Result<()> {
    let call = Call {
        which: Which::FailUntil,
        argument: 3,
        ..Call::default()
    };
    let handle = place.start(RunActivity::run, call).await?;
    same!(
        handle.get_result(Default::default()).await?,
        "attempt 3 after step 2"
    );
    let events = history(&handle).await?;
    same!(count(&events, EventType::ActivityTaskScheduled), 1);
    same!(count(&events, EventType::ActivityTaskFailed), 0);
    let started = pick_kind!(&events, ActivityTaskStartedEventAttributes);
    same!(started.len(), 1);
    same!(started[0].attempt, 3);
    let last = started[0]
        .last_failure
        .as_ref()
        .context("no last failure")?;
    same!(last.message, "attempt 2 fails");
    Ok(())
}

async fn activity_retries_exhausted(place: &Place) -> Result<()> {
    let call = Call {
        which: Which::FailUntil,
        argument: 9,
        attempts: 2,
        ..Call::default()
    };
    let (error, events) = failed_activity(place, call).await?;
    let error = activity_failure(&error)?;
    same!(error.retry_state(), RetryState::MaximumAttemptsReached);
    same!(
        error.cause().context("no cause")?.failure().message,
        "attempt 2 fails"
    );
    same!(
        pick_kind!(&events, ActivityTaskStartedEventAttributes)[0].attempt,
        2
    );
    Ok(())
}

async fn activity_failure_not_retryable(place: &Place) -> Result<()> {
    for call in [
        Call {
            which: Which::FailForGood,
            ..Call::default()
        },
        Call {
            which: Which::FailUntil,
            argument: 9,
            fatal: vec!["Flaky".to_owned()],
            ..Call::default()
        },
    ] {
        let (error, events) = failed_activity(place, call).await?;
        same!(
            activity_failure(&error)?.retry_state(),
            RetryState::NonRetryableFailure
        );
        same!(
            pick_kind!(&events, ActivityTaskStartedEventAttributes)[0].attempt,
            1
        );
    }
    Ok(())
}

/// The only pending activity of a workflow, if it has one.
async fn pending(
    handle: &WorkflowHandle<Client, impl temporalio_common::HasWorkflowDefinition>,
) -> Result<Option<PendingActivityInfo>> {
    let described = handle.describe(Default::default()).await?;
    Ok(described.raw().pending_activities.first().cloned())
}

async fn activity_cancel_reaches_it_by_heartbeat(place: &Place) -> Result<()> {
    for kind in [
        ActivityCancellationType::TryCancel,
        ActivityCancellationType::WaitCancellationCompleted,
        ActivityCancellationType::Abandon,
    ] {
        let handle = place.start(CancelActivity::run, kind).await?;
        eventually(async || {
            Ok(pending(&handle)
                .await?
                .filter(|activity| activity.last_heartbeat_time.is_some()))
        })
        .await?;
        handle
            .signal(CancelActivity::go, (), Default::default())
            .await?;
        same!(handle.get_result(Default::default()).await?, "cancelled");
        let events = history(&handle).await?;
        let requested = count(&events, EventType::ActivityTaskCancelRequested);
        let cancelled = count(&events, EventType::ActivityTaskCanceled);
        match kind {
            ActivityCancellationType::Abandon => {
                same!((requested, cancelled), (0, 0));
            }
            ActivityCancellationType::WaitCancellationCompleted => {
                same!((requested, cancelled), (1, 1));
            }
            _ => {
                same!(requested, 1);
            }
        }
    }
    Ok(())
}

async fn activity_start_to_close_timeout(place: &Place) -> Result<()> {
    let call = Call {
        which: Which::SleepSilently,
        argument: 5,
        start_to_close_ms: Some(500),
        attempts: 2,
        ..Call::default()
    };
    let (error, events) = failed_activity(place, call).await?;
    let error = activity_failure(&error)?;
    same!(timeout_type(error)?, TimeoutType::StartToClose);
    same!(error.retry_state(), RetryState::MaximumAttemptsReached);
    let started = pick_kind!(&events, ActivityTaskStartedEventAttributes);
    same!(started[0].attempt, 2);
    let last = started[0]
        .last_failure
        .as_ref()
        .and_then(|failure| failure.failure_info.as_ref());
    ensure!(
        matches!(last, Some(FailureInfo::TimeoutFailureInfo(_))),
        "the last failure is {last:?}"
    );
    Ok(())
}

async fn activity_heartbeat_timeout(place: &Place) -> Result<()> {
    let began = Instant::now();
    let call = Call {
        which: Which::SleepSilently,
        argument: 5,
        heartbeat_ms: Some(1000),
        attempts: 1,
        ..Call::default()
    };
    let (error, _) = failed_activity(place, call).await?;
    let error = activity_failure(&error)?;
    same!(timeout_type(error)?, TimeoutType::Heartbeat);
    let details: Option<String> = error
        .as_timeout()
        .context("no timeout")?
        .last_heartbeat_details()?;
    same!(details.as_deref(), Some("before sleep"));
    let took = began.elapsed().as_secs_f64();
    ensure!(
        (1.0..10.0).contains(&took),
        "timed out after {took} s instead of 1 s"
    );
    Ok(())
}

async fn activity_schedule_to_start_timeout(place: &Place) -> Result<()> {
    let call = Call {
        schedule_to_start_ms: Some(500),
        task_queue: Some(place.new_id("nobody")),
        ..Call::default()
    };
    let (error, events) = failed_activity(place, call).await?;
    same!(
        timeout_type(activity_failure(&error)?)?,
        TimeoutType::ScheduleToStart
    );
    same!(count(&events, EventType::ActivityTaskStarted), 0);
    Ok(())
}

async fn activity_schedule_to_close_timeout(place: &Place) -> Result<()> {
    let call = Call {
        which: Which::FailUntil,
        argument: 100,
        schedule_to_close_ms: Some(1000),
        retry_after_ms: Some(400),
        ..Call::default()
    };
    let (error, _) = failed_activity(place, call).await?;
    same!(activity_failure(&error)?.retry_state(), RetryState::Timeout);
    Ok(())
}

async fn activities_local(place: &Place) -> Result<()> {
    let handle = place.start(LocalActivities::run, ()).await?;
    same!(
        handle.get_result(Default::default()).await?,
        ["echo 1", "attempt 3 after step 0", "failed: true"]
    );
    let events = history(&handle).await?;
    let markers = pick_kind!(&events, MarkerRecordedEventAttributes);
    same!(markers.len(), 3);
    ensure!(
        markers
            .iter()
            .all(|marker| marker.marker_name == "core_local_activity"),
        "other markers"
    );
    same!(count(&events, EventType::ActivityTaskScheduled), 0);
    Ok(())
}

async fn activities_in_parallel(place: &Place) -> Result<()> {
    let handle = place.start(ManyActivities::run, 30).await?;
    same!(handle.get_result(Default::default()).await?, 30);
    same!(
        count(&history(&handle).await?, EventType::ActivityTaskCompleted),
        30
    );
    Ok(())
}

async fn activity_described_while_pending(place: &Place) -> Result<()> {
    let call = Call {
        which: Which::FailUntil,
        argument: 2,
        retry_after_ms: Some(600_000),
        attempts: 5,
        heartbeat_ms: Some(30_000),
        activity_id: Some("the-activity".to_owned()),
        ..Call::default()
    };
    let handle = place.start(RunActivity::run, call).await?;
    let found = eventually(async || {
        Ok(pending(&handle)
            .await?
            .filter(|activity| activity.attempt == 2))
    })
    .await?;
    same!(found.activity_id, "the-activity");
    same!(
        found
            .activity_type
            .as_ref()
            .map(|kind| kind.name.ends_with("fail_until")),
        Some(true)
    );
    same!(found.state(), PendingActivityState::Scheduled);
    same!(found.maximum_attempts, 5);
    same!(
        found
            .last_failure
            .as_ref()
            .map(|failure| failure.message.as_str()),
        Some("attempt 1 fails")
    );
    same!(
        found
            .heartbeat_details
            .as_ref()
            .map(|details| details.payloads.len()),
        Some(1)
    );
    same!(
        found
            .current_retry_interval
            .map(|interval| interval.seconds),
        Some(600)
    );
    handle.terminate(Default::default()).await?;
    Ok(())
}

async fn token_of<W: temporalio_common::HasWorkflowDefinition>(
    handle: &WorkflowHandle<Client, W>,
) -> Result<TaskToken> {
    let id = &handle.info().workflow_id;
    let token = eventually(async || Ok(TOKENS.lock().unwrap().get(id).cloned())).await?;
    Ok(TaskToken::from(token))
}

async fn activity_completed_by_token(place: &Place) -> Result<()> {
    let handle = place
        .start(
            RunActivity::run,
            Call {
                which: Which::CompleteElsewhere,
                ..Call::default()
            },
        )
        .await?;
    let identifier = ActivityIdentifier::from_task_token(token_of(&handle).await?);
    let remote = place.client.get_async_activity_handle(identifier);
    remote
        .heartbeat(Some("halfway".to_owned()), Default::default())
        .await?;
    remote
        .complete(Some("from afar".to_owned()), Default::default())
        .await?;
    same!(handle.get_result(Default::default()).await?, "from afar");
    Ok(())
}

async fn activity_completed_by_id(place: &Place) -> Result<()> {
    let call = Call {
        which: Which::CompleteElsewhere,
        activity_id: Some("by-id".to_owned()),
        ..Call::default()
    };
    let handle = place.start(RunActivity::run, call).await?;
    token_of(&handle).await?;
    // Without the run id: the server finds the current run.
    let identifier =
        ActivityIdentifier::by_id_workflow(handle.info().workflow_id.clone(), "", "by-id");
    place
        .client
        .get_async_activity_handle(identifier)
        .complete(Some("found".to_owned()), Default::default())
        .await?;
    same!(handle.get_result(Default::default()).await?, "found");
    Ok(())
}

async fn activity_failed_from_outside(place: &Place) -> Result<()> {
    let call = Call {
        which: Which::CompleteElsewhere,
        attempts: 1,
        ..Call::default()
    };
    let handle = place.start(RunActivity::run, call).await?;
    let identifier = ActivityIdentifier::from_task_token(token_of(&handle).await?);
    let remote = place.client.get_async_activity_handle(identifier);
    remote
        .fail(
            ApplicationFailure::new(anyhow::anyhow!("no luck")),
            None::<String>,
            Default::default(),
        )
        .await?;
    let error = failure(handle.get_result(Default::default()).await)?;
    let Some(cause) = activity_failure(&error)?.cause() else {
        bail!("no cause")
    };
    same!(cause.failure().message, "no luck");
    Ok(())
}
