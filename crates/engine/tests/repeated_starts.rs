//! Signal-with-start requests that are sent again, as clients do that did not get the answer.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;

use steadfast_protocol::common::WorkflowType;
use steadfast_protocol::enums::{
    WorkflowIdConflictPolicy as Conflict, WorkflowIdReusePolicy as Reuse,
};
use steadfast_protocol::workflowservice::{
    SignalWithStartWorkflowExecutionRequest, SignalWithStartWorkflowExecutionResponse,
};
use steadfast_store::MemoryStore;
use support::{World, queue};

async fn send(world: &World, conflict: Conflict) -> SignalWithStartWorkflowExecutionResponse {
    let request = SignalWithStartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: "flow".to_owned(),
        workflow_type: Some(WorkflowType {
            name: "Flow".to_owned(),
        }),
        task_queue: queue(),
        request_id: "the same".to_owned(),
        signal_name: "signal".to_owned(),
        workflow_id_reuse_policy: Reuse::AllowDuplicate as i32,
        workflow_id_conflict_policy: conflict as i32,
        ..Default::default()
    };
    let answer = world
        .engine
        .signal_with_start_workflow_execution(world.call(), request)
        .await;
    answer.unwrap()
}

#[tokio::test]
async fn a_repeated_request_is_carried_out_once() {
    let world = World::open(Arc::new(MemoryStore::default()));
    let first = send(&world, Conflict::UseExisting).await;
    assert!(first.started);
    let again = send(&world, Conflict::UseExisting).await;
    assert_eq!(again.run_id, first.run_id);
    // Started, Signaled, TaskScheduled, TaskStarted.
    assert_eq!(world.poll().await.started_event_id, 4);
}

#[tokio::test]
async fn one_that_terminates_what_runs_does_so_each_time() {
    let world = World::open(Arc::new(MemoryStore::default()));
    let first = send(&world, Conflict::TerminateExisting).await;
    let second = send(&world, Conflict::TerminateExisting).await;
    assert!(first.started && second.started);
    assert_ne!(second.run_id, first.run_id);
    let task = world.poll().await;
    assert_eq!(task.workflow_execution.unwrap().run_id, second.run_id);
}
