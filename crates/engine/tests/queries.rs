//! Queries that go to a worker as tasks of their own: how long they wait, and how large an answer may be.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use steadfast_core::Refusal;
use steadfast_core::limits::Limits;
use steadfast_protocol::common::Payloads;
use steadfast_protocol::enums::QueryResultType;
use steadfast_protocol::query::WorkflowQuery;
use steadfast_protocol::workflowservice::{QueryWorkflowRequest, RespondQueryTaskCompletedRequest};
use steadfast_store::MemoryStore;
use support::{World, execution, payloads};
use tokio::time::Instant;

/// A world where one workflow has done its first workflow task.
async fn world() -> World {
    let world = World::open(Arc::new(MemoryStore::new()));
    world.start("flow", Default::default()).await;
    let task = world.poll().await;
    world.complete(task.task_token, Vec::new()).await;
    world
}

async fn query(world: &World, patience: Option<Duration>) -> Result<Option<Payloads>, Refusal> {
    let request = QueryWorkflowRequest {
        execution: execution("flow"),
        query: Some(WorkflowQuery {
            query_type: "state".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let call = world.call_within(patience);
    let answer = world.engine.query_workflow(call, request);
    Ok(answer.await?.query_result)
}

/// Asks, and answers with so many bytes.
async fn answer(world: &World, size: usize) -> Result<Option<Payloads>, Refusal> {
    let worker = async {
        let task = world.poll().await;
        assert_eq!(task.query.unwrap().query_type, "state");
        let answer = RespondQueryTaskCompletedRequest {
            task_token: task.task_token,
            completed_type: QueryResultType::Answered as i32,
            query_result: payloads(size),
            ..Default::default()
        };
        let answered = world
            .engine
            .respond_query_task_completed(world.call(), answer);
        answered.await.unwrap();
    };
    tokio::join!(query(world, Some(Duration::from_secs(3600))), worker).0
}

#[tokio::test(start_paused = true)]
async fn a_query_waits_for_a_worker_as_long_as_its_caller_or_half_a_minute() {
    let world = world().await;
    for (patience, waited) in [(None, 30), (Some(2), 2), (Some(100), 100)] {
        let began = Instant::now();
        let refused = query(&world, patience.map(Duration::from_secs)).await;
        assert!(matches!(refused, Err(Refusal::DeadlineExceeded(_))));
        assert_eq!(began.elapsed().as_secs(), waited);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_large_is_a_failed_query() {
    let world = world().await;
    let small = answer(&world, 10).await.unwrap().unwrap();
    assert_eq!(small.payloads[0].data.len(), 10);
    match answer(&world, Limits::DEFAULT.blob_size).await {
        Err(Refusal::QueryFailed { message, .. }) => {
            assert_eq!(message, "Blob data size exceeds limit.");
        }
        other => panic!("{other:?}"),
    }
}
