//! Child workflows, and signals and cancels sent from one workflow to another.

use crate::{
    messages::Collect,
    place::{Place, cases, count, eventually, failure, history, pick_kind, same},
};
use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use std::time::Duration;
use temporalio_client::{WorkflowExecutionStatus, errors::WorkflowGetResultError};
use temporalio_common::{
    error::{ApplicationFailure, ChildWorkflowFailureError, IncomingError, RetryState},
    protos::temporal::api::enums::v1::EventType,
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{
    ChildWorkflowOptions, ChildWorkflowStartError, ContinueAsNewOptions, ParentClosePolicy,
    TimerResult, WorkflowContext, WorkflowResult, WorkflowTermination,
};

/// A child that ends in the way asked for.
#[workflow]
#[derive(Default)]
pub struct Child;

#[workflow_methods]
impl Child {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, how: String) -> WorkflowResult<String> {
        match how.as_str() {
            "complete" => Ok(format!(
                "child of {}",
                ctx.info()
                    .parent()
                    .map_or_else(String::new, |parent| parent.workflow_id().to_owned())
            )),
            "fail" => {
                let error = ApplicationFailure::builder(anyhow::anyhow!("child failed"))
                    .non_retryable(true)
                    .build();
                Err(WorkflowTermination::failed_application(error))
            }
            "continue" => {
                ctx.continue_as_new("complete".to_owned(), ContinueAsNewOptions::default())?;
                Ok(String::new())
            }
            _ => match ctx.timer(Duration::from_secs(600)).await {
                TimerResult::Cancelled => Err(WorkflowTermination::cancelled()),
                _ => Ok("woke up".to_owned()),
            },
        }
    }
}

/// What a parent does with its child.
#[workflow]
#[derive(Default)]
pub struct Parent;

#[workflow_methods]
impl Parent {
    #[run]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        (how, child_id): (String, String),
    ) -> WorkflowResult<String> {
        let mut options = ChildWorkflowOptions::workflow_id(child_id);
        if how == "time out" {
            options.execution_timeout = Some(Duration::from_secs(1));
        }
        let child = ctx
            .start_child_workflow(Child::run, how.clone(), options)
            .await?;
        if how == "cancel" {
            child.cancel("the parent wants it".to_owned());
        }
        Ok(child.result().await?)
    }
}

/// Starts a child and ends before it.
#[workflow]
#[derive(Default)]
pub struct LeavingParent;

#[workflow_methods]
impl LeavingParent {
    #[run]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        (child_id, policy): (String, String),
    ) -> WorkflowResult<()> {
        let mut options = ChildWorkflowOptions::workflow_id(child_id);
        options.parent_close_policy = match policy.as_str() {
            "abandon" => ParentClosePolicy::Abandon,
            "terminate" => ParentClosePolicy::Terminate,
            _ => ParentClosePolicy::RequestCancel,
        };
        ctx.start_child_workflow(Child::run, "sleep".to_owned(), options)
            .await?;
        Ok(())
    }
}

#[workflow]
#[derive(Default)]
pub struct DuplicatingParent;

#[workflow_methods]
impl DuplicatingParent {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, taken_id: String) -> WorkflowResult<String> {
        let options = ChildWorkflowOptions::workflow_id(taken_id);
        match ctx
            .start_child_workflow(Child::run, "complete".to_owned(), options)
            .await
        {
            Err(ChildWorkflowStartError::StartFailed { workflow_id, .. }) => Ok(workflow_id),
            Err(other) => Ok(format!("{other:?}")),
            Ok(_) => Ok("started".to_owned()),
        }
    }
}

#[workflow]
#[derive(Default)]
pub struct ManyChildren;

#[workflow_methods]
impl ManyChildren {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, number: usize) -> WorkflowResult<usize> {
        let started = join_all((0..number).map(|_| {
            ctx.start_child_workflow(
                Child::run,
                "complete".to_owned(),
                ChildWorkflowOptions::default(),
            )
        }))
        .await;
        let mut done = 0;
        for child in started {
            child?.result().await?;
            done += 1;
        }
        Ok(done)
    }
}

/// Talks to its child by signals while it runs.
#[workflow]
#[derive(Default)]
pub struct SignallingParent;

#[workflow_methods]
impl SignallingParent {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Vec<String>> {
        let child = ctx
            .start_child_workflow(Collect::run, (), ChildWorkflowOptions::default())
            .await?;
        for n in 0..3 {
            child
                .signal(Collect::add, n.to_string(), Default::default())
                .await?;
        }
        child
            .signal(Collect::finish, (), Default::default())
            .await?;
        Ok(child.result().await?)
    }
}

/// Signals or cancels a workflow that is not its child.
#[workflow]
#[derive(Default)]
pub struct Outsider;

#[workflow_methods]
impl Outsider {
    #[run]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        (what, target): (String, String),
    ) -> WorkflowResult<bool> {
        let target = ctx.external_workflow(target, None);
        if what == "cancel" {
            return Ok(target.cancel(None).await.is_ok());
        }
        let added = target
            .signal(Collect::add, "from outside".to_owned(), Default::default())
            .await;
        let finished = target.signal(Collect::finish, (), Default::default()).await;
        Ok(added.is_ok() && finished.is_ok())
    }
}

cases![
    child_completes: uncached,
    child_fails,
    child_times_out,
    child_cancelled_by_parent: uncached,
    child_continues_as_new,
    child_with_taken_id,
    children_after_parent_closed,
    children_in_parallel: uncached,
    child_signalled_by_parent: uncached,
    external_workflow_signalled,
    external_workflow_cancelled,
    external_workflow_missing,
];

async fn status(place: &Place, id: &str) -> Result<WorkflowExecutionStatus> {
    Ok(place
        .handle::<Child>(id, None)
        .describe(Default::default())
        .await?
        .status())
}

/// Runs a parent whose child does not complete; returns the child's id and the parent's failure.
async fn failed_child(place: &Place, how: &str) -> Result<(String, Box<IncomingError>)> {
    let child_id = place.new_id("child");
    let handle = place
        .start(Parent::run, (how.to_owned(), child_id.clone()))
        .await?;
    Ok((
        child_id,
        failure(handle.get_result(Default::default()).await)?,
    ))
}

/// The child's failure, which the SDK may wrap.
fn child_failure(error: &IncomingError) -> Result<&ChildWorkflowFailureError> {
    match error {
        IncomingError::ChildWorkflowExecution(found) => Ok(found),
        other => child_failure(
            other
                .cause()
                .with_context(|| format!("no child failure in {other:?}"))?,
        ),
    }
}

async fn child_completes(place: &Place) -> Result<()> {
    let child_id = place.new_id("child");
    let handle = place
        .start(Parent::run, ("complete".to_owned(), child_id.clone()))
        .await?;
    let parent_id = handle.info().workflow_id.clone();
    same!(
        handle.get_result(Default::default()).await?,
        format!("child of {parent_id}")
    );
    let events = history(&handle).await?;
    let started = pick_kind!(&events, ChildWorkflowExecutionStartedEventAttributes);
    let completed = pick_kind!(&events, ChildWorkflowExecutionCompletedEventAttributes);
    same!((started.len(), completed.len()), (1, 1));
    same!(
        started[0].workflow_execution,
        completed[0].workflow_execution
    );
    let child = place.handle::<Child>(&child_id, None);
    let child_events = history(&child).await?;
    let began = pick_kind!(&child_events, WorkflowExecutionStartedEventAttributes);
    same!(
        began[0].parent_initiated_event_id,
        completed[0].initiated_event_id
    );
    same!(
        child.describe(Default::default()).await?.parent_id(),
        Some(parent_id.as_str())
    );
    Ok(())
}

async fn child_fails(place: &Place) -> Result<()> {
    let (_, error) = failed_child(place, "fail").await?;
    let error = child_failure(&error)?;
    same!(
        error.cause().context("no cause")?.failure().message,
        "child failed"
    );
    same!(error.retry_state(), RetryState::RetryPolicyNotSet);
    Ok(())
}

async fn child_times_out(place: &Place) -> Result<()> {
    let (child_id, error) = failed_child(place, "time out").await?;
    ensure!(
        child_failure(&error)?.as_timeout().is_some(),
        "no timeout in {error:?}"
    );
    same!(
        status(place, &child_id).await?,
        WorkflowExecutionStatus::TimedOut
    );
    Ok(())
}

async fn child_cancelled_by_parent(place: &Place) -> Result<()> {
    let child_id = place.new_id("child");
    let handle = place
        .start(Parent::run, ("cancel".to_owned(), child_id.clone()))
        .await?;
    let result = handle.get_result(Default::default()).await;
    // The SDK takes the child's cancel for the parent's own, or for its failure.
    ensure!(
        matches!(
            result,
            Err(WorkflowGetResultError::Cancelled { .. } | WorkflowGetResultError::Failed(_))
        ),
        "the parent ended with {result:?}"
    );
    same!(
        count(
            &history(&handle).await?,
            EventType::ChildWorkflowExecutionCanceled
        ),
        1
    );
    same!(
        status(place, &child_id).await?,
        WorkflowExecutionStatus::Canceled
    );
    Ok(())
}

async fn child_continues_as_new(place: &Place) -> Result<()> {
    let handle = place
        .start(Parent::run, ("continue".to_owned(), place.new_id("child")))
        .await?;
    ensure!(
        handle
            .get_result(Default::default())
            .await?
            .starts_with("child of Parent"),
        "a wrong parent"
    );
    let events = history(&handle).await?;
    let started = pick_kind!(&events, ChildWorkflowExecutionStartedEventAttributes);
    let completed = pick_kind!(&events, ChildWorkflowExecutionCompletedEventAttributes);
    ensure!(
        started[0].workflow_execution != completed[0].workflow_execution,
        "the chain had a single run"
    );
    Ok(())
}

async fn child_with_taken_id(place: &Place) -> Result<()> {
    let other = place.start(Collect::run, ()).await?;
    let id = other.info().workflow_id.clone();
    same!(place.run(DuplicatingParent::run, id.clone()).await?, id);
    other.terminate(Default::default()).await?;
    Ok(())
}

async fn children_after_parent_closed(place: &Place) -> Result<()> {
    for (policy, expected) in [
        ("abandon", WorkflowExecutionStatus::Running),
        ("terminate", WorkflowExecutionStatus::Terminated),
        ("request cancel", WorkflowExecutionStatus::Canceled),
    ] {
        let child_id = place.new_id("child");
        place
            .run(LeavingParent::run, (child_id.clone(), policy.to_owned()))
            .await?;
        eventually(async || {
            same!(status(place, &child_id).await?, expected);
            Ok(Some(()))
        })
        .await?;
        if policy == "abandon" {
            tokio::time::sleep(Duration::from_millis(300)).await;
            same!(status(place, &child_id).await?, expected);
            place
                .handle::<Child>(&child_id, None)
                .terminate(Default::default())
                .await?;
        }
    }
    Ok(())
}

async fn children_in_parallel(place: &Place) -> Result<()> {
    same!(place.run(ManyChildren::run, 12).await?, 12);
    Ok(())
}

async fn child_signalled_by_parent(place: &Place) -> Result<()> {
    same!(place.run(SignallingParent::run, ()).await?, ["0", "1", "2"]);
    Ok(())
}

async fn external_workflow_signalled(place: &Place) -> Result<()> {
    let target = place.start(Collect::run, ()).await?;
    let handle = place
        .start(
            Outsider::run,
            ("signal".to_owned(), target.info().workflow_id.clone()),
        )
        .await?;
    same!(handle.get_result(Default::default()).await?, true);
    same!(
        target.get_result(Default::default()).await?,
        ["from outside"]
    );
    same!(
        count(
            &history(&handle).await?,
            EventType::ExternalWorkflowExecutionSignaled
        ),
        2
    );
    Ok(())
}

async fn external_workflow_cancelled(place: &Place) -> Result<()> {
    let target = place.start(Child::run, "sleep".to_owned()).await?;
    let handle = place
        .start(
            Outsider::run,
            ("cancel".to_owned(), target.info().workflow_id.clone()),
        )
        .await?;
    same!(handle.get_result(Default::default()).await?, true);
    let result = target.get_result(Default::default()).await;
    ensure!(
        matches!(result, Err(WorkflowGetResultError::Cancelled { .. })),
        "the target ended with {result:?}"
    );
    let events = history(&target).await?;
    let requested = pick_kind!(&events, WorkflowExecutionCancelRequestedEventAttributes);
    let by = requested[0]
        .external_workflow_execution
        .as_ref()
        .map(|execution| &execution.workflow_id);
    same!(by, Some(&handle.info().workflow_id));
    Ok(())
}

async fn external_workflow_missing(place: &Place) -> Result<()> {
    for what in ["signal", "cancel"] {
        same!(
            place
                .run(Outsider::run, (what.to_owned(), place.new_id("missing")))
                .await?,
            false
        );
    }
    Ok(())
}
