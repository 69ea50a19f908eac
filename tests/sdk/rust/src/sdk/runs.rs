//! The life of runs: chains, cancel, terminate, timeouts, retry, cron, delays, id policies, histories.

use crate::{
    activities::Acts,
    messages::Collect,
    place::{
        Place, cases, count, eventually, failure, history, listed, pick_kind, quick_retry, same,
        seconds_between,
    },
};
use anyhow::{Context, Result, bail, ensure};
use futures::{TryStreamExt, future::join_all};
use std::{
    collections::HashSet,
    sync::{LazyLock, Mutex},
    time::Duration,
};
use temporalio_client::{
    HistoryEventFilterType, WorkflowExecutionStatus, WorkflowFetchHistoryOptions,
    WorkflowGetResultOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
    WorkflowTerminateOptions,
    errors::{WorkflowGetResultError, WorkflowInteractionError, WorkflowStartError},
    tonic::{Code, IntoRequest},
};
use temporalio_common::{
    error::ApplicationFailure,
    protos::temporal::api::{
        common::v1::WorkflowType,
        enums::v1::EventType,
        history::v1::HistoryEvent,
        taskqueue::v1::TaskQueue,
        workflowservice::v1::{StartWorkflowExecutionRequest, StartWorkflowExecutionResponse},
    },
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{
    ActivityOptions, ContinueAsNewOptions, TimerResult, WorkflowCancellationToken, WorkflowContext,
    WorkflowResult, WorkflowTermination,
};

#[workflow]
#[derive(Default)]
pub struct Chain;

#[workflow_methods]
impl Chain {
    #[run]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        (left, mut runs): (u32, Vec<String>),
    ) -> WorkflowResult<Vec<String>> {
        runs.push(ctx.run_id().to_owned());
        if left > 0 {
            ctx.continue_as_new((left - 1, runs.clone()), ContinueAsNewOptions::default())?;
        }
        Ok(runs)
    }
}

/// Sleeps; when cancelled it tidies up by an activity, then ends as cancelled or completes all the same.
#[workflow]
#[derive(Default)]
pub struct Stubborn;

#[workflow_methods]
impl Stubborn {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, complete: bool) -> WorkflowResult<String> {
        if ctx.timer(Duration::from_secs(600)).await == TimerResult::Fired {
            return Ok("slept".to_owned());
        }
        let options = ActivityOptions::with_start_to_close_timeout(Duration::from_secs(20))
            // Its own token, or the activity would be cancelled with the workflow.
            .cancellation_token(WorkflowCancellationToken::new())
            .build();
        let tidied = ctx.execute_activity(Acts::echo, 7u32, options).await?;
        if complete {
            Ok(tidied)
        } else {
            Err(WorkflowTermination::cancelled())
        }
    }
}

#[workflow]
#[derive(Default)]
pub struct FailUntil;

#[workflow_methods]
impl FailUntil {
    #[run]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        (attempt, non_retryable): (u32, bool),
    ) -> WorkflowResult<u32> {
        let now = ctx.info().attempt();
        if now < attempt {
            let error = ApplicationFailure::builder(anyhow::anyhow!("run {now} fails"))
                .non_retryable(non_retryable)
                .build();
            return Err(WorkflowTermination::failed_application(error));
        }
        Ok(now)
    }
}

#[workflow]
#[derive(Default)]
pub struct ManyEvents;

#[workflow_methods]
impl ManyEvents {
    #[run]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        (rounds, width): (u32, u32),
    ) -> WorkflowResult<u32> {
        for _ in 0..rounds {
            join_all((0..width).map(|_| ctx.timer(Duration::from_millis(1)))).await;
        }
        Ok(rounds * width)
    }
}

/// What must come out the same on replay: random numbers, ids, and versions.
#[workflow]
#[derive(Default)]
pub struct Deterministic;

#[workflow_methods]
impl Deterministic {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<(String, String, bool)> {
        let first = ctx.uuid4();
        let patched = ctx.patched("a-patch");
        ctx.timer(Duration::from_millis(10)).await;
        Ok((first, ctx.uuid4(), patched && ctx.patched("a-patch")))
    }
}

static FAILED_TASKS: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Default::default);

/// Its first workflow task fails by a bug that is mended by the second attempt.
#[workflow]
#[derive(Default)]
pub struct BadFirstTask;

#[workflow_methods]
impl BadFirstTask {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<String> {
        if !ctx.is_replaying() && FAILED_TASKS.lock().unwrap().insert(ctx.run_id().to_owned()) {
            ctx.force_task_fail(anyhow::anyhow!("a bug"));
            ctx.timer(Duration::from_secs(600)).await;
        }
        Ok("mended".to_owned())
    }
}

cases![
    chain_is_followed: uncached,
    cancel_runs_the_cleanup: uncached,
    cancel_of_closed_or_missing_workflow,
    terminate_closes_at_once,
    timeout_of_execution_and_run,
    retry_until_a_run_succeeds,
    retry_ends,
    cron_goes_on,
    start_delay,
    id_conflict_policies,
    id_reuse_policies,
    eager_start,
    history_of_many_events: uncached,
    history_waited_for,
    workflow_code_is_deterministic: uncached,
    failed_task_is_tried_again: uncached,
    sticky_worker_goes_away,
    summary_and_details,
];

async fn chain_is_followed(place: &Place) -> Result<()> {
    let handle = place.start(Chain::run, (2, vec![])).await?;
    let id = handle.info().workflow_id.clone();
    let runs = handle.get_result(Default::default()).await?;
    same!(runs.iter().collect::<HashSet<_>>().len(), 3);
    let first = place.handle::<Chain>(&id, Some(&runs[0]));
    let result = first
        .get_result(
            WorkflowGetResultOptions::builder()
                .follow_runs(false)
                .build(),
        )
        .await;
    ensure!(
        matches!(result, Err(WorkflowGetResultError::ContinuedAsNew)),
        "the first run ended with {result:?}"
    );
    same!(
        first.describe(Default::default()).await?.status(),
        WorkflowExecutionStatus::ContinuedAsNew
    );
    let events = history(&place.handle::<Chain>(&id, Some(&runs[1]))).await?;
    let started = pick_kind!(&events, WorkflowExecutionStartedEventAttributes)[0];
    same!(
        (
            &started.continued_execution_run_id,
            &started.first_execution_run_id
        ),
        (&runs[0], &runs[0])
    );
    Ok(())
}

async fn cancel_runs_the_cleanup(place: &Place) -> Result<()> {
    for complete in [false, true] {
        let handle = place.start(Stubborn::run, complete).await?;
        eventually(async || {
            Ok((count(&history(&handle).await?, EventType::TimerStarted) == 1).then_some(()))
        })
        .await?;
        handle.cancel(Default::default()).await?;
        let result = handle.get_result(Default::default()).await;
        if complete {
            same!(result?, "echo 7");
        } else {
            ensure!(
                matches!(result, Err(WorkflowGetResultError::Cancelled { .. })),
                "the workflow ended with {result:?}"
            );
        }
        let events = history(&handle).await?;
        same!(
            count(&events, EventType::WorkflowExecutionCancelRequested),
            1
        );
        same!(count(&events, EventType::ActivityTaskCompleted), 1);
    }
    Ok(())
}

async fn cancel_of_closed_or_missing_workflow(place: &Place) -> Result<()> {
    let handle = place.start(Collect::run, ()).await?;
    handle
        .signal(Collect::finish, (), Default::default())
        .await?;
    handle.get_result(Default::default()).await?;
    let before = history(&handle).await?.len();
    // Too late, which is no error; but a workflow that never was is one.
    handle.cancel(Default::default()).await?;
    same!(history(&handle).await?.len(), before);
    let missing = place.handle::<Chain>(&place.new_id("missing"), None);
    let cancelled = missing.cancel(Default::default()).await;
    ensure!(
        matches!(cancelled, Err(WorkflowInteractionError::NotFound(_))),
        "the cancel led to {cancelled:?}"
    );
    Ok(())
}

async fn terminate_closes_at_once(place: &Place) -> Result<()> {
    let handle = place.start(Collect::run, ()).await?;
    handle
        .terminate(
            WorkflowTerminateOptions::builder()
                .reason("a reason")
                .build(),
        )
        .await?;
    let result = handle.get_result(Default::default()).await;
    ensure!(
        matches!(result, Err(WorkflowGetResultError::Terminated { .. })),
        "the workflow ended with {result:?}"
    );
    let events = history(&handle).await?;
    same!(
        pick_kind!(&events, WorkflowExecutionTerminatedEventAttributes)[0].reason,
        "a reason"
    );
    let again = handle.terminate(Default::default()).await;
    ensure!(
        matches!(again, Err(WorkflowInteractionError::NotFound(_))),
        "the second terminate led to {again:?}"
    );
    Ok(())
}

async fn timeout_of_execution_and_run(place: &Place) -> Result<()> {
    for whole in [true, false] {
        let mut options = place.options("timeout");
        if whole {
            options.execution_timeout = Some(Duration::from_secs(1));
        } else {
            options.run_timeout = Some(Duration::from_secs(1));
        }
        let handle = place
            .client
            .start_workflow(Collect::run, (), options)
            .await?;
        let result = handle.get_result(Default::default()).await;
        ensure!(
            matches!(result, Err(WorkflowGetResultError::TimedOut)),
            "the workflow ended with {result:?}"
        );
        let events = history(&handle).await?;
        let took = seconds_between(&events[0], &events[events.len() - 1]);
        ensure!(
            (1.0..5.0).contains(&took),
            "timed out after {took} s instead of 1 s"
        );
    }
    Ok(())
}

async fn retry_until_a_run_succeeds(place: &Place) -> Result<()> {
    let mut options = place.options("retry");
    options.retry_policy = Some(quick_retry(3));
    let handle = place
        .client
        .start_workflow(FailUntil::run, (3, false), options)
        .await?;
    same!(handle.get_result(Default::default()).await?, 3);
    let events = history(&place.handle::<FailUntil>(&handle.info().workflow_id, None)).await?;
    let started = pick_kind!(&events, WorkflowExecutionStartedEventAttributes)[0];
    same!(started.attempt, 3);
    same!(
        started
            .continued_failure
            .as_ref()
            .map(|failure| failure.message.as_str()),
        Some("run 2 fails")
    );
    Ok(())
}

async fn retry_ends(place: &Place) -> Result<()> {
    for (non_retryable, message) in [(false, "run 2 fails"), (true, "run 1 fails")] {
        let mut options = place.options("retry");
        options.retry_policy = Some(quick_retry(2));
        let handle = place
            .client
            .start_workflow(FailUntil::run, (9, non_retryable), options)
            .await?;
        let error = failure(handle.get_result(Default::default()).await)?;
        same!(error.failure().message, message);
    }
    Ok(())
}

async fn cron_goes_on(place: &Place) -> Result<()> {
    let mut options = place.options("cron");
    options.cron_schedule = Some("@every 1s".to_owned());
    let id = options.workflow_id.clone();
    place
        .client
        .start_workflow(FailUntil::run, (0, false), options)
        .await?;
    let query = format!("WorkflowId = '{id}' AND ExecutionStatus = 'Completed'");
    eventually(async || Ok((listed(&place.client, &query).await?.len() >= 3).then_some(())))
        .await?;
    place
        .handle::<FailUntil>(&id, None)
        .terminate(Default::default())
        .await?;
    let mut options = place.options("cron");
    options.cron_schedule = Some("not a schedule".to_owned());
    match place
        .client
        .start_workflow(FailUntil::run, (0, false), options)
        .await
    {
        Err(WorkflowStartError::Rpc(status)) => {
            same!(status.code(), Code::InvalidArgument);
        }
        other => bail!("the start led to {:?}", other.err()),
    }
    Ok(())
}

/// The SDK has no option for a start delay: the request is made by hand.
async fn start_delay(place: &Place) -> Result<()> {
    let id = place.new_id("start-delay");
    let request = StartWorkflowExecutionRequest {
        namespace: place.client.options().namespace.clone(),
        workflow_id: id.clone(),
        workflow_type: Some(WorkflowType {
            name: "Collect".to_owned(),
        }),
        task_queue: Some(TaskQueue {
            name: place.task_queue.clone(),
            ..Default::default()
        }),
        request_id: place.new_id("request"),
        workflow_start_delay: Some(Duration::from_millis(1500).try_into()?),
        ..Default::default()
    };
    let answer: StartWorkflowExecutionResponse = place
        .client
        .connection()
        .workflow_service()
        .start_workflow_execution(request.into_request())
        .await?
        .into_inner();
    let handle = place.handle::<Collect>(&id, Some(&answer.run_id));
    // A plain signal waits for the delayed start.
    handle
        .signal(Collect::finish, (), Default::default())
        .await?;
    same!(
        handle.get_result(Default::default()).await?,
        Vec::<String>::new()
    );
    let events = history(&handle).await?;
    let scheduled: Vec<&HistoryEvent> = events
        .iter()
        .filter(|event| event.event_type() == EventType::WorkflowTaskScheduled)
        .collect();
    let delay = seconds_between(&events[0], scheduled[0]);
    ensure!(
        (1.5..6.0).contains(&delay),
        "the first task came after {delay} s instead of 1.5 s"
    );
    Ok(())
}

async fn id_conflict_policies(place: &Place) -> Result<()> {
    let mut options = place.options("conflict");
    let first = place
        .client
        .start_workflow(Collect::run, (), options.clone())
        .await?;
    let first_run = first
        .describe(Default::default())
        .await?
        .run_id()
        .to_owned();
    match place
        .client
        .start_workflow(Collect::run, (), options.clone())
        .await
    {
        Err(WorkflowStartError::AlreadyStarted { run_id, .. }) => {
            same!(run_id, Some(first_run.clone()));
        }
        other => bail!("the second start led to {:?}", other.err()),
    }
    options.id_conflict_policy = WorkflowIdConflictPolicy::UseExisting;
    let second = place
        .client
        .start_workflow(Collect::run, (), options.clone())
        .await?;
    same!(
        second.describe(Default::default()).await?.run_id(),
        first_run
    );
    options.id_conflict_policy = WorkflowIdConflictPolicy::TerminateExisting;
    let third = place
        .client
        .start_workflow(Collect::run, (), options.clone())
        .await?;
    ensure!(
        third.describe(Default::default()).await?.run_id() != first_run,
        "no new run"
    );
    let replaced = place.handle::<Collect>(&options.workflow_id, Some(&first_run));
    same!(
        replaced.describe(Default::default()).await?.status(),
        WorkflowExecutionStatus::Terminated
    );
    third
        .signal(Collect::finish, (), Default::default())
        .await?;
    third.get_result(Default::default()).await?;
    Ok(())
}

async fn id_reuse_policies(place: &Place) -> Result<()> {
    let mut options = place.options("reuse");
    let first = place
        .client
        .start_workflow(Collect::run, (), options.clone())
        .await?;
    first
        .signal(Collect::finish, (), Default::default())
        .await?;
    first.get_result(Default::default()).await?;
    for policy in [
        WorkflowIdReusePolicy::RejectDuplicate,
        WorkflowIdReusePolicy::AllowDuplicateFailedOnly,
    ] {
        options.id_reuse_policy = policy;
        let again = place
            .client
            .start_workflow(Collect::run, (), options.clone())
            .await;
        ensure!(
            matches!(again, Err(WorkflowStartError::AlreadyStarted { .. })),
            "{policy:?} led to {:?}",
            again.err()
        );
    }
    options.id_reuse_policy = WorkflowIdReusePolicy::AllowDuplicate;
    let again = place
        .client
        .start_workflow(Collect::run, (), options.clone())
        .await?;
    again.terminate(Default::default()).await?;
    options.id_reuse_policy = WorkflowIdReusePolicy::AllowDuplicateFailedOnly;
    let allowed = place
        .client
        .start_workflow(Collect::run, (), options)
        .await?;
    allowed.terminate(Default::default()).await?;
    Ok(())
}

async fn eager_start(place: &Place) -> Result<()> {
    let mut options = place.options("eager");
    options.enable_eager_workflow_start = true;
    let handle = place
        .client
        .start_workflow(Deterministic::run, (), options)
        .await?;
    handle.get_result(Default::default()).await?;
    // Whether the first task came with the answer depends on a free slot; that it was done once does not.
    let events = history(&handle).await?;
    let kinds: Vec<EventType> = events
        .iter()
        .take(4)
        .map(HistoryEvent::event_type)
        .collect();
    same!(
        kinds,
        [
            EventType::WorkflowExecutionStarted,
            EventType::WorkflowTaskScheduled,
            EventType::WorkflowTaskStarted,
            EventType::WorkflowTaskCompleted
        ]
    );
    Ok(())
}

async fn history_of_many_events(place: &Place) -> Result<()> {
    let handle = place.start(ManyEvents::run, (20, 12)).await?;
    same!(handle.get_result(Default::default()).await?, 240);
    let events = history(&handle).await?;
    ensure!(events.len() > 500, "only {} events", events.len());
    same!(
        handle.describe(Default::default()).await?.history_length(),
        events.len()
    );
    let close = WorkflowFetchHistoryOptions::builder()
        .event_filter_type(HistoryEventFilterType::CloseEvent)
        .build();
    let last = handle.fetch_history(close).into_events().await?;
    same!(
        last.iter().map(|event| event.event_id).collect::<Vec<_>>(),
        [events.len() as i64]
    );
    Ok(())
}

/// A long poll for new events gives every event once, until the run is closed.
async fn history_waited_for(place: &Place) -> Result<()> {
    let handle = place.start(Collect::run, ()).await?;
    let waiting = handle.fetch_history(
        WorkflowFetchHistoryOptions::builder()
            .wait_new_event(true)
            .build(),
    );
    let signals = async {
        for n in 0..3 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            handle
                .signal(Collect::add, n.to_string(), Default::default())
                .await?;
        }
        handle.signal(Collect::finish, (), Default::default()).await
    };
    let (followed, signalled) =
        futures::future::join(waiting.try_collect::<Vec<_>>(), signals).await;
    signalled?;
    same!(followed?, history(&handle).await?);
    Ok(())
}

async fn workflow_code_is_deterministic(place: &Place) -> Result<()> {
    let (first, second, patched) = place.run(Deterministic::run, ()).await?;
    ensure!(
        first != second && patched,
        "{first}, {second}, patched: {patched}"
    );
    Ok(())
}

async fn failed_task_is_tried_again(place: &Place) -> Result<()> {
    let handle = place.start(BadFirstTask::run, ()).await?;
    same!(handle.get_result(Default::default()).await?, "mended");
    let events = history(&handle).await?;
    same!(count(&events, EventType::WorkflowTaskFailed), 1);
    let scheduled = pick_kind!(&events, WorkflowTaskScheduledEventAttributes);
    same!(scheduled.last().context("no task")?.attempt, 2);
    Ok(())
}

/// What one worker had in its cache is continued by another one, from the full history.
async fn sticky_worker_goes_away(place: &Place) -> Result<()> {
    let queue = place.new_id("two-workers");
    let mut options = place.options("sticky");
    options.task_queue = queue.clone();
    let first = crate::Workers::start(&place.client, &queue, 100, Duration::from_secs(1))?;
    let handle = place
        .client
        .start_workflow(Collect::run, (), options)
        .await?;
    handle
        .signal(Collect::add, "first worker".to_owned(), Default::default())
        .await?;
    same!(
        handle
            .query(Collect::collected, (), Default::default())
            .await?,
        ["first worker"]
    );
    first.stop().await?;
    handle
        .signal(Collect::add, "nobody".to_owned(), Default::default())
        .await?;
    let second = crate::Workers::start(&place.client, &queue, 100, Duration::from_secs(1))?;
    handle
        .signal(Collect::finish, (), Default::default())
        .await?;
    same!(
        handle.get_result(Default::default()).await?,
        ["first worker", "nobody"]
    );
    second.stop().await
}

async fn summary_and_details(place: &Place) -> Result<()> {
    let mut options = place.options("summary");
    options.static_summary = Some("a summary".to_owned());
    options.static_details = Some("the details".to_owned());
    let handle = place
        .client
        .start_workflow(Collect::run, (), options)
        .await?;
    let described = handle.describe(Default::default()).await?;
    same!(
        (described.static_summary(), described.static_details()),
        (Some("a summary"), Some("the details"))
    );
    handle.terminate(Default::default()).await?;
    Ok(())
}
