//! Timers, signals and queries.

use crate::place::{Place, cases, count, history, pick_kind, same, seconds_between};
use anyhow::{Result, ensure};
use futures::future::join_all;
use std::{collections::HashMap, time::Duration};
use temporalio_client::{
    QueryRejectCondition, WorkflowExecutionStatus, WorkflowQueryOptions,
    errors::{WorkflowInteractionError, WorkflowQueryError},
};
use temporalio_common::protos::temporal::api::{
    enums::v1::EventType,
    history::v1::{HistoryEvent, history_event::Attributes},
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{
    CancellableFuture, SyncWorkflowContext, TimerResult, WorkflowContext, WorkflowContextView,
    WorkflowResult,
};

#[workflow]
#[derive(Default)]
pub struct Timers;

#[workflow_methods]
impl Timers {
    #[run]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        milliseconds: Vec<u64>,
    ) -> WorkflowResult<usize> {
        let fired = join_all(
            milliseconds
                .iter()
                .map(|duration| ctx.timer(Duration::from_millis(*duration))),
        )
        .await;
        Ok(fired
            .iter()
            .filter(|result| **result == TimerResult::Fired)
            .count())
    }
}

#[workflow]
#[derive(Default)]
pub struct CancelledTimer;

#[workflow_methods]
impl CancelledTimer {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<bool> {
        let timer = ctx.timer(Duration::from_secs(600));
        ctx.timer(Duration::from_millis(200)).await;
        timer.cancel();
        Ok(timer.await == TimerResult::Cancelled)
    }
}

/// Collects the values of signals until it is told to finish; answers queries at any time.
#[workflow]
#[derive(Default)]
pub struct Collect {
    values: Vec<String>,
    finished: bool,
}

#[workflow_methods]
impl Collect {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Vec<String>> {
        ctx.wait_condition(|state| state.finished).await?;
        Ok(ctx.state(|state| state.values.clone()))
    }

    #[signal]
    pub fn add(&mut self, _ctx: &mut SyncWorkflowContext<Self>, value: String) {
        self.values.push(value);
    }

    #[signal]
    pub fn finish(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.finished = true;
    }

    #[query]
    pub fn collected(&self, _ctx: &WorkflowContextView) -> Vec<String> {
        self.values.clone()
    }

    #[query]
    pub fn broken(
        &self,
        _ctx: &WorkflowContextView,
    ) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
        Err("this query fails".into())
    }
}

cases![
    timers_fire_on_time: uncached,
    timer_cancelled: uncached,
    signals_arrive_in_order: uncached,
    signals_at_the_same_time,
    signal_before_first_task,
    signal_with_start,
    signal_to_nobody,
    queries_running_and_closed: uncached,
    queries_at_the_same_time,
    queries_that_fail: uncached,
];

async fn timers_fire_on_time(place: &Place) -> Result<()> {
    let handle = place
        .start(Timers::run, vec![50, 500, 1000, 2000, 1000])
        .await?;
    same!(handle.get_result(Default::default()).await?, 5);
    let events = history(&handle).await?;
    let mut started: HashMap<&str, &HistoryEvent> = HashMap::new();
    let mut fired = 0;
    for event in &events {
        match event.attributes.as_ref() {
            Some(Attributes::TimerStartedEventAttributes(timer)) => {
                started.insert(&timer.timer_id, event);
            }
            Some(Attributes::TimerFiredEventAttributes(timer)) => {
                fired += 1;
                let start = started[timer.timer_id.as_str()];
                same!(timer.started_event_id, start.event_id);
                let Some(Attributes::TimerStartedEventAttributes(timer)) = &start.attributes else {
                    continue;
                };
                let duration = timer.start_to_fire_timeout.map_or(0.0, |wanted| {
                    wanted.seconds as f64 + f64::from(wanted.nanos) / 1e9
                });
                let waited = seconds_between(start, event);
                // Never early; the margin above is for a busy machine.
                ensure!(
                    duration <= waited && waited < duration + 3.0,
                    "a timer of {duration} s fired after {waited} s"
                );
            }
            _ => {}
        }
    }
    same!(fired, 5);
    Ok(())
}

async fn timer_cancelled(place: &Place) -> Result<()> {
    let handle = place.start(CancelledTimer::run, ()).await?;
    same!(handle.get_result(Default::default()).await?, true);
    let events = history(&handle).await?;
    same!(
        (
            count(&events, EventType::TimerFired),
            count(&events, EventType::TimerCanceled)
        ),
        (1, 1)
    );
    Ok(())
}

async fn signals_arrive_in_order(place: &Place) -> Result<()> {
    let handle = place.start(Collect::run, ()).await?;
    let values: Vec<String> = (0..25).map(|n| format!("value {n}")).collect();
    for value in &values {
        handle
            .signal(Collect::add, value.clone(), Default::default())
            .await?;
    }
    handle
        .signal(Collect::finish, (), Default::default())
        .await?;
    same!(handle.get_result(Default::default()).await?, values);
    same!(
        count(
            &history(&handle).await?,
            EventType::WorkflowExecutionSignaled
        ),
        26
    );
    Ok(())
}

async fn signals_at_the_same_time(place: &Place) -> Result<()> {
    let handle = place.start(Collect::run, ()).await?;
    let mut values: Vec<String> = (0..40).map(|n| format!("value {n:02}")).collect();
    let sent = join_all(
        values
            .iter()
            .map(|value| handle.signal(Collect::add, value.clone(), Default::default())),
    )
    .await;
    sent.into_iter().collect::<Result<Vec<()>, _>>()?;
    handle
        .signal(Collect::finish, (), Default::default())
        .await?;
    let mut result = handle.get_result(Default::default()).await?;
    result.sort();
    values.sort();
    same!(result, values);
    Ok(())
}

/// Nobody works on the queue yet; the first worker finds start and signal in the history.
async fn signal_before_first_task(place: &Place) -> Result<()> {
    let mut options = place.options("early");
    options.task_queue = place.new_id("later");
    let queue = options.task_queue.clone();
    let handle = place
        .client
        .start_workflow(Collect::run, (), options)
        .await?;
    handle
        .signal(Collect::add, "early".to_owned(), Default::default())
        .await?;
    handle
        .signal(Collect::finish, (), Default::default())
        .await?;
    let kinds: Vec<EventType> = history(&handle)
        .await?
        .iter()
        .map(HistoryEvent::event_type)
        .collect();
    same!(
        kinds,
        [
            EventType::WorkflowExecutionStarted,
            EventType::WorkflowTaskScheduled,
            EventType::WorkflowExecutionSignaled,
            EventType::WorkflowExecutionSignaled
        ]
    );
    let worker = crate::Workers::start(&place.client, &queue, 100, Duration::from_secs(10))?;
    same!(handle.get_result(Default::default()).await?, ["early"]);
    worker.stop().await
}

async fn signal_with_start(place: &Place) -> Result<()> {
    let options = place.options("signal-with-start");
    let start = |value: &str| {
        let (options, value) = (options.clone(), value.to_owned());
        place
            .client
            .signal_with_start_workflow(Collect::run, (), Collect::add, value, options)
    };
    let first = start("one").await?;
    start("two").await?;
    first
        .signal(Collect::finish, (), Default::default())
        .await?;
    same!(first.get_result(Default::default()).await?, ["one", "two"]);
    let kinds: Vec<EventType> = history(&first)
        .await?
        .iter()
        .take(3)
        .map(HistoryEvent::event_type)
        .collect();
    same!(
        kinds,
        [
            EventType::WorkflowExecutionStarted,
            EventType::WorkflowExecutionSignaled,
            EventType::WorkflowTaskScheduled
        ]
    );
    // Closed now: the same call starts another run.
    let again = start("three").await?;
    again
        .signal(Collect::finish, (), Default::default())
        .await?;
    same!(again.get_result(Default::default()).await?, ["three"]);
    Ok(())
}

async fn signal_to_nobody(place: &Place) -> Result<()> {
    let closed = place.start(Collect::run, ()).await?;
    closed
        .signal(Collect::finish, (), Default::default())
        .await?;
    closed.get_result(Default::default()).await?;
    for target in [
        closed,
        place.client.get_workflow_handle(place.new_id("missing")),
    ] {
        let sent = target
            .signal(Collect::add, "too late".to_owned(), Default::default())
            .await;
        ensure!(
            matches!(sent, Err(WorkflowInteractionError::NotFound(_))),
            "the signal led to {sent:?}"
        );
    }
    Ok(())
}

async fn queries_running_and_closed(place: &Place) -> Result<()> {
    let handle = place.start(Collect::run, ()).await?;
    handle
        .signal(Collect::add, "a".to_owned(), Default::default())
        .await?;
    // A query sees all that was accepted before it.
    same!(
        handle
            .query(Collect::collected, (), Default::default())
            .await?,
        ["a"]
    );
    handle
        .signal(Collect::add, "b".to_owned(), Default::default())
        .await?;
    same!(
        handle
            .query(Collect::collected, (), Default::default())
            .await?,
        ["a", "b"]
    );
    let before = history(&handle).await?.len();
    handle
        .query(Collect::collected, (), Default::default())
        .await?;
    same!(history(&handle).await?.len(), before);
    handle
        .signal(Collect::finish, (), Default::default())
        .await?;
    handle.get_result(Default::default()).await?;
    same!(
        handle
            .query(Collect::collected, (), Default::default())
            .await?,
        ["a", "b"]
    );
    Ok(())
}

/// Only with a cache: without one the SDK drops queries that wait behind another one of the same run.
async fn queries_at_the_same_time(place: &Place) -> Result<()> {
    let handle = place.start(Collect::run, ()).await?;
    handle
        .signal(Collect::add, "a".to_owned(), Default::default())
        .await?;
    let answers =
        join_all((0..10).map(|_| handle.query(Collect::collected, (), Default::default()))).await;
    for answer in answers {
        same!(answer?, ["a"]);
    }
    handle
        .signal(Collect::finish, (), Default::default())
        .await?;
    handle.get_result(Default::default()).await?;
    Ok(())
}

async fn queries_that_fail(place: &Place) -> Result<()> {
    let handle = place.start(Collect::run, ()).await?;
    match handle.query(Collect::broken, (), Default::default()).await {
        Err(WorkflowQueryError::Rpc(status)) => {
            ensure!(status.message().contains("this query fails"), "{status:?}")
        }
        other => anyhow::bail!("the query led to {other:?}"),
    }
    handle
        .signal(Collect::finish, (), Default::default())
        .await?;
    handle.get_result(Default::default()).await?;
    let options = WorkflowQueryOptions::builder()
        .reject_condition(QueryRejectCondition::NotOpen)
        .build();
    match handle.query(Collect::collected, (), options).await {
        Err(WorkflowQueryError::Rejected { status }) => {
            same!(status, Some(WorkflowExecutionStatus::Completed));
        }
        other => anyhow::bail!("the query led to {other:?}"),
    }
    let missing = place.handle::<Collect>(&place.new_id("missing"), None);
    let answer = missing
        .query(Collect::collected, (), Default::default())
        .await;
    ensure!(
        matches!(answer, Err(WorkflowQueryError::NotFound(_))),
        "the query led to {answer:?}"
    );
    let signals = pick_kind!(
        &history(&handle).await?,
        WorkflowExecutionSignaledEventAttributes
    )
    .len();
    same!(signals, 1);
    Ok(())
}
