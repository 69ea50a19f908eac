//! Runs that are larger than what a shard may keep in memory.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use steadfast_protocol::command::ContinueAsNewWorkflowExecutionCommandAttributes;
use steadfast_protocol::command::command::Attributes;
use steadfast_protocol::enums::{
    CommandType, EventType, HistoryEventFilterType, WorkflowExecutionStatus,
};
use steadfast_protocol::workflowservice::{
    GetWorkflowExecutionHistoryRequest, StartWorkflowExecutionRequest,
};
use steadfast_store::MemoryStore;
use support::{World, command, execution, payloads};

/// Nearly all that a payload may be.
const INPUT_BYTES: usize = 1_900_000;
/// Enough that every shard has several.
const RUNS: usize = 64;

fn id(number: usize) -> String {
    format!("flow-{number}")
}

/// A world with the runs, which last so long.
async fn world(lasts: Option<Duration>) -> World {
    let world = World::open(Arc::new(MemoryStore::new()));
    for number in 0..RUNS {
        let start = StartWorkflowExecutionRequest {
            input: payloads(INPUT_BYTES),
            workflow_run_timeout: lasts.map(|lasts| lasts.try_into().unwrap()),
            ..Default::default()
        };
        world.start(&id(number), start).await;
    }
    world
}

async fn status(world: &World, workflow_id: &str) -> WorkflowExecutionStatus {
    world.describe(workflow_id).await.status()
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_found_and_their_timers_fire() {
    let world = world(Some(Duration::from_secs(2))).await;
    for number in 0..RUNS {
        status(&world, &id(number)).await;
    }
    for number in 0..RUNS {
        let mut closed = GetWorkflowExecutionHistoryRequest {
            execution: execution(&id(number)),
            wait_new_event: true,
            history_event_filter_type: HistoryEventFilterType::CloseEvent as i32,
            ..Default::default()
        };
        let events = loop {
            let history = world
                .engine
                .get_workflow_execution_history(world.call(), closed.clone());
            let history = history.await.unwrap();
            let events = history.history.unwrap_or_default().events;
            if !events.is_empty() {
                break events;
            }
            closed.next_page_token = history.next_page_token;
        };
        let last = events.last().unwrap();
        assert_eq!(last.event_type(), EventType::WorkflowExecutionTimedOut);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_continue_as_new_and_stay_as_large() {
    let world = world(None).await;
    for _ in 0..RUNS {
        let task = world.poll().await;
        let attributes = ContinueAsNewWorkflowExecutionCommandAttributes {
            input: payloads(INPUT_BYTES),
            ..Default::default()
        };
        let next = command(
            CommandType::ContinueAsNewWorkflowExecution,
            Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(attributes),
        );
        world.complete(task.task_token, vec![next]).await;
    }
    for number in 0..RUNS {
        let status = status(&world, &id(number)).await;
        assert_eq!(status, WorkflowExecutionStatus::Running);
    }
}
