//! The runs of a chain: whether another one follows, and what it begins with (server-semantics 6.3, 6.4).

use steadfast_protocol::command::ContinueAsNewWorkflowExecutionCommandAttributes;
use steadfast_protocol::common::Payloads;
use steadfast_protocol::enums::{ContinueAsNewInitiator, RetryState};
use steadfast_protocol::failure::Failure;
use steadfast_protocol::workflowservice::StartWorkflowExecutionRequest;

use crate::backoff::{self, Retry};
use crate::cron;
use crate::execution::Execution;
use crate::start::{self, Continued, FirstTask, Parent, StartParams};
use crate::time::Time;
use crate::transition::Transition;

/// The run that is to follow.
pub(crate) struct Successor {
    params: StartParams,
}

impl Successor {
    /// Its id, for the closing event.
    pub(crate) fn run_id(&self) -> &str {
        &self.params.run_id
    }
}

/// The id of the run that follows, empty if none does.
pub(crate) fn run_id_of(successor: Option<&Successor>) -> String {
    successor.map_or_else(String::new, |successor| successor.run_id().to_owned())
}

/// What follows a run that failed, or timed out: a retry, else the next run of a cron schedule. The retry state is that
/// of the closing event.
pub(crate) fn after_failure(
    tx: &Transition<'_>,
    failure: &Failure,
    keeps_result: bool,
) -> (RetryState, Option<Successor>) {
    let started = tx.run.start_attributes();
    let expiration = Time(tx.run.head.execution_expiration).some();
    let retry = backoff::decide(
        started.retry_policy.as_ref(),
        failure,
        started.attempt,
        tx.cx.now,
        expiration,
        true,
    );
    match retry {
        Retry::After(nanos) => {
            let initiator = ContinueAsNewInitiator::Retry;
            let mut params = next(tx, initiator, started.attempt + 1, nanos);
            params.request.continued_failure = Some(failure.clone());
            if keeps_result {
                params.request.last_completion_result = started.last_completion_result.clone();
            }
            (RetryState::InProgress, Some(Successor { params }))
        }
        Retry::Never(state) => {
            let previous = started.last_completion_result.clone();
            (state, at_next_tick(tx, previous, Some(failure.clone())))
        }
    }
}

/// What follows a run that completed: the next run of a cron schedule.
pub(crate) fn after_completion(tx: &Transition<'_>, result: Option<Payloads>) -> Option<Successor> {
    at_next_tick(tx, result, None)
}

fn at_next_tick(
    tx: &Transition<'_>,
    last_completion_result: Option<Payloads>,
    continued_failure: Option<Failure>,
) -> Option<Successor> {
    let schedule = &tx.run.start_attributes().cron_schedule;
    if schedule.is_empty() {
        return None;
    }
    let nanos = cron::backoff(schedule, Time(tx.run.head.execution_time), tx.cx.now)?;
    let mut params = next(tx, ContinueAsNewInitiator::CronSchedule, 1, nanos);
    params.request.last_completion_result = last_completion_result;
    params.request.continued_failure = continued_failure;
    params.request.completion_callbacks.clear();
    Some(Successor { params })
}

/// What follows a continue-as-new; what the command leaves out was filled in before.
pub(crate) fn as_new(
    tx: &Transition<'_>,
    attributes: &ContinueAsNewWorkflowExecutionCommandAttributes,
) -> Successor {
    let initiator = match attributes.initiator() {
        ContinueAsNewInitiator::Unspecified => ContinueAsNewInitiator::Workflow,
        given => given,
    };
    let attempt = match initiator {
        ContinueAsNewInitiator::Retry => tx.run.start_attributes().attempt + 1,
        _ => 1,
    };
    let nanos = crate::time::duration_or_zero(attributes.backoff_start_interval.as_ref());
    let mut params = next(tx, initiator, attempt, nanos);
    let attributes = attributes.clone();
    params.request = StartWorkflowExecutionRequest {
        workflow_type: attributes.workflow_type,
        task_queue: attributes.task_queue,
        input: attributes.input,
        workflow_run_timeout: attributes.workflow_run_timeout,
        workflow_task_timeout: attributes.workflow_task_timeout,
        retry_policy: attributes.retry_policy,
        cron_schedule: attributes.cron_schedule,
        memo: attributes.memo,
        search_attributes: attributes.search_attributes,
        header: attributes.header,
        continued_failure: attributes.failure,
        last_completion_result: attributes.last_completion_result,
        ..params.request
    };
    Successor { params }
}

/// A run that begins as this one did, without what only the first run of a chain has.
fn next(
    tx: &Transition<'_>,
    initiator: ContinueAsNewInitiator,
    attempt: i32,
    backoff: i64,
) -> StartParams {
    let run: &Execution = tx.run;
    let started = run.start_attributes();
    let parent = started.parent_workflow_execution.as_ref();
    StartParams {
        request: StartWorkflowExecutionRequest {
            namespace: tx.cx.namespace.name().to_owned(),
            workflow_id: run.key.workflow_id.clone(),
            workflow_type: started.workflow_type.clone(),
            task_queue: started.task_queue.clone(),
            input: started.input.clone(),
            workflow_execution_timeout: started.workflow_execution_timeout,
            workflow_run_timeout: started.workflow_run_timeout,
            workflow_task_timeout: started.workflow_task_timeout,
            request_id: tx.cx.ids.uuid(),
            retry_policy: started.retry_policy.clone(),
            cron_schedule: started.cron_schedule.clone(),
            memo: started.memo.clone(),
            search_attributes: started.search_attributes.clone(),
            header: started.header.clone(),
            completion_callbacks: started.completion_callbacks.clone(),
            links: run.started.links.clone(),
            versioning_override: started.versioning_override.clone(),
            priority: started.priority.clone(),
            ..Default::default()
        },
        run_id: tx.cx.ids.uuid(),
        parent: parent.map(|parent| Parent {
            namespace: started.parent_workflow_namespace.clone(),
            namespace_id: started.parent_workflow_namespace_id.clone(),
            workflow_id: parent.workflow_id.clone(),
            run_id: parent.run_id.clone(),
            initiated_event_id: started.parent_initiated_event_id,
            initiated_event_version: started.parent_initiated_event_version,
        }),
        root: started.root_workflow_execution.clone(),
        continued: Some(Continued {
            run_id: run.key.run_id.clone(),
            first_execution_run_id: started.first_execution_run_id.clone(),
            initiator: initiator as i32,
            attempt,
            execution_expiration: run.head.execution_expiration,
            reset_points: run.head.reset_points.clone(),
            // Known once the run is closed: see `follow`.
            events: 0,
        }),
        first_task: FirstTask::AfterBackoff(backoff),
        signal: None,
        allow_eager: false,
    }
}

/// Begins the run that follows, in the same batch as the close.
pub(crate) fn follow(tx: &mut Transition<'_>, mut successor: Successor) {
    assert!(!tx.run.is_open(), "a run follows a closed one");
    let head = &tx.run.head;
    if let Some(continued) = &mut successor.params.continued {
        continued.events = head.events_before + head.next_event_id - 1;
    }
    let started = start::begin(tx.cx, successor.params);
    tx.run.head.successor_run_id = started.run.key.run_id.clone();
    tx.out.successor = Some(Box::new((started.run, started.outcome)));
}
