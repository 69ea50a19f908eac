//! Where a case runs, and how it looks at what the server did.

use anyhow::{Result, bail, ensure};
use futures::{TryStreamExt, future::LocalBoxFuture};
use std::{
    collections::HashSet,
    future::Future,
    time::{Duration, Instant},
};
use temporalio_client::{
    Client, RetryPolicy, WorkflowExecutionInfo, WorkflowHandle, WorkflowStartOptions,
    errors::{WorkflowGetResultError, WorkflowStartError},
};
use temporalio_common::{
    HasWorkflowDefinition,
    error::IncomingError,
    protos::temporal::api::{
        enums::v1::EventType,
        history::v1::{HistoryEvent, history_event::Attributes},
    },
};

/// A client and a task queue. Every place has its own queue, so that the same case can run in several.
pub struct Place {
    pub client: Client,
    pub task_queue: String,
}

pub struct Case {
    pub name: &'static str,
    pub run: for<'a> fn(&'a Place) -> LocalBoxFuture<'a, Result<()>>,
    /// Also run by a worker that keeps no workflow in its cache, so that every task brings the full history.
    pub uncached: bool,
}

/// The list of a module's cases: `cases![plain, with_and_without_cache: uncached]`.
macro_rules! cases {
    (@uncached) => { false };
    (@uncached uncached) => { true };
    ($($name:ident $(: $flag:ident)?),* $(,)?) => {
        pub fn cases() -> Vec<crate::place::Case> {
            vec![$(crate::place::Case {
                name: stringify!($name),
                run: |place| Box::pin($name(place)),
                uncached: crate::place::cases!(@uncached $($flag)?),
            }),*]
        }
    };
}
pub(crate) use cases;

/// Fails the case, naming the place in the code, if the two values differ.
macro_rules! same {
    ($actual:expr, $expected:expr $(,)?) => {
        match (&$actual, &$expected) {
            (actual, expected) => anyhow::ensure!(
                actual == expected,
                "line {}: expected {expected:?}, got {actual:?}",
                line!()
            ),
        }
    };
}
pub(crate) use same;

impl Place {
    pub fn new_id(&self, name: &str) -> String {
        format!("{name}-{}", uuid::Uuid::new_v4().simple())
    }

    /// Options for a workflow on this place's queue, with an id of its own.
    pub fn options(&self, name: &str) -> WorkflowStartOptions {
        WorkflowStartOptions::new(self.task_queue.clone(), self.new_id(name)).build()
    }

    pub async fn start<W>(
        &self,
        workflow: W,
        input: W::Input,
    ) -> Result<WorkflowHandle<Client, W>, WorkflowStartError>
    where
        W: HasWorkflowDefinition,
        W::Input: Send,
    {
        let options = self.options(workflow.name());
        self.client.start_workflow(workflow, input, options).await
    }

    pub async fn run<W>(&self, workflow: W, input: W::Input) -> Result<W::Output>
    where
        W: HasWorkflowDefinition,
        W::Input: Send,
    {
        Ok(self
            .start(workflow, input)
            .await?
            .get_result(Default::default())
            .await?)
    }

    /// A handle to one run, or to the current one.
    pub fn handle<W: HasWorkflowDefinition>(
        &self,
        id: &str,
        run_id: Option<&str>,
    ) -> WorkflowHandle<Client, W> {
        let info = WorkflowExecutionInfo::builder()
            .namespace(self.client.options().namespace.clone())
            .workflow_id(id)
            .maybe_run_id(run_id.map(str::to_owned))
            .build();
        WorkflowHandle::new(self.client.clone(), info)
    }
}

pub fn quick_retry(maximum_attempts: u32) -> RetryPolicy {
    RetryPolicy::builder()
        .initial_interval(Duration::from_millis(100))
        .backoff_coefficient(1.0)
        .maximum_attempts(maximum_attempts)
        .build()
}

/// The history of the handle's run; its event ids must have no gap.
pub async fn history<W: HasWorkflowDefinition>(
    handle: &WorkflowHandle<Client, W>,
) -> Result<Vec<HistoryEvent>> {
    let events = handle
        .fetch_history(Default::default())
        .into_events()
        .await?;
    for (index, event) in events.iter().enumerate() {
        ensure!(
            event.event_id == index as i64 + 1,
            "event {} stands at position {index}",
            event.event_id
        );
    }
    Ok(events)
}

pub fn count(events: &[HistoryEvent], kind: EventType) -> usize {
    events
        .iter()
        .filter(|event| event.event_type() == kind)
        .count()
}

/// The attributes of the events for which `pick` returns some.
pub fn pick<'a, T>(
    events: &'a [HistoryEvent],
    pick: impl Fn(&'a Attributes) -> Option<T>,
) -> Vec<T> {
    events
        .iter()
        .filter_map(|event| pick(event.attributes.as_ref()?))
        .collect()
}

/// `pick_kind!(events, TimerFired)`: the attributes of all events of a kind.
macro_rules! pick_kind {
    ($events:expr, $kind:ident) => {
        crate::place::pick($events, |attributes| match attributes {
            temporalio_common::protos::temporal::api::history::v1::history_event::Attributes::$kind(found) => Some(found),
            _ => None,
        })
    };
}
pub(crate) use pick_kind;

pub fn seconds_between(earlier: &HistoryEvent, later: &HistoryEvent) -> f64 {
    let seconds = |event: &HistoryEvent| {
        event.event_time.map_or(0.0, |time| {
            time.seconds as f64 + f64::from(time.nanos) / 1e9
        })
    };
    seconds(later) - seconds(earlier)
}

/// Repeats the probe until it returns something; its error counts as "not yet" until the time is over.
pub async fn eventually<T, F: Future<Output = Result<Option<T>>>>(
    probe: impl Fn() -> F,
) -> Result<T> {
    let began = Instant::now();
    loop {
        match probe().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) if began.elapsed() < Duration::from_secs(20) => {}
            Ok(None) => bail!("still not so after 20 s"),
            Err(error) if began.elapsed() > Duration::from_secs(20) => return Err(error),
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The failure of a workflow that must have failed.
pub fn failure<T>(result: Result<T, WorkflowGetResultError>) -> Result<Box<IncomingError>> {
    match result {
        Err(WorkflowGetResultError::Failed(error)) => Ok(error),
        Err(other) => bail!("expected a failure, got {other:?}"),
        Ok(_) => bail!("expected a failure, but the workflow completed"),
    }
}

/// The ids of the workflows that a query lists, sorted.
pub async fn listed(client: &Client, query: &str) -> Result<Vec<String>> {
    let found: Vec<_> = client
        .list_workflows(query, Default::default())
        .try_collect()
        .await?;
    let mut ids: Vec<String> = found.iter().map(|run| run.id().to_owned()).collect();
    ensure!(
        found
            .iter()
            .map(|run| run.run_id())
            .collect::<HashSet<_>>()
            .len()
            == found.len(),
        "a run is listed twice"
    );
    ids.sort();
    Ok(ids)
}
