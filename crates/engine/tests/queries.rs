//! Queries that go to a worker as tasks of their own: how long they wait, and how large an answer may be.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use steadfast_core::{Refusal, limits};
use steadfast_engine::{Call, Engine, Limits, NamespaceRecord, Namespaces};
use steadfast_protocol::common::{Payload, Payloads, WorkflowExecution, WorkflowType};
use steadfast_protocol::enums::{NamespaceState, QueryResultType};
use steadfast_protocol::query::WorkflowQuery;
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::workflowservice::{
    PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse, QueryWorkflowRequest,
    RespondQueryTaskCompletedRequest, RespondWorkflowTaskCompletedRequest,
    StartWorkflowExecutionRequest,
};
use steadfast_store::MemoryStore;
use steadfast_visibility::MemoryVisibility;
use tokio::time::Instant;

/// An engine with one namespace, where one workflow has done its first workflow task.
struct World {
    engine: Engine,
    namespaces: Arc<Namespaces>,
}

impl World {
    async fn open() -> Self {
        let store = Arc::new(MemoryStore::new());
        let namespaces = Arc::new(Namespaces::open(store.clone(), "cluster".to_owned()).unwrap());
        let record = NamespaceRecord {
            id: uuid::Uuid::new_v4().to_string(),
            name: "default".to_owned(),
            state: NamespaceState::Registered as i32,
            retention_ns: 24 * 3600 * 1_000_000_000,
            ..Default::default()
        };
        namespaces.create(record).unwrap();
        let visibility = Arc::new(MemoryVisibility::default());
        let engine = Engine::start(store, visibility, namespaces.clone(), Limits::DEFAULT);
        let world = Self {
            engine: engine.unwrap(),
            namespaces,
        };
        let start = StartWorkflowExecutionRequest {
            workflow_id: "flow".to_owned(),
            workflow_type: Some(WorkflowType {
                name: "Flow".to_owned(),
            }),
            task_queue: queue(),
            request_id: "start".to_owned(),
            ..Default::default()
        };
        let started = world
            .engine
            .start_workflow_execution(world.call(None), start);
        started.await.unwrap();
        let done = RespondWorkflowTaskCompletedRequest {
            task_token: world.poll().await.task_token,
            ..Default::default()
        };
        let done = world
            .engine
            .respond_workflow_task_completed(world.call(None), done);
        done.await.unwrap();
        world
    }

    fn call(&self, patience: Option<Duration>) -> Call {
        Call {
            namespace: self.namespaces.by_name("default").unwrap(),
            deadline: patience.map(|patience| (Instant::now() + patience).into_std()),
            for_people: false,
        }
    }

    /// The next task of the queue. The clock of a test runs ahead while nothing else happens, so a poll may end early.
    async fn poll(&self) -> PollWorkflowTaskQueueResponse {
        loop {
            let request = PollWorkflowTaskQueueRequest {
                task_queue: queue(),
                ..Default::default()
            };
            let polled = self
                .engine
                .poll_workflow_task_queue(self.call(None), request);
            let polled = polled.await.unwrap();
            if !polled.task_token.is_empty() {
                return polled;
            }
        }
    }

    async fn query(&self, patience: Option<Duration>) -> Result<Option<Payloads>, Refusal> {
        let request = QueryWorkflowRequest {
            execution: Some(WorkflowExecution {
                workflow_id: "flow".to_owned(),
                run_id: String::new(),
            }),
            query: Some(WorkflowQuery {
                query_type: "state".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = self.engine.query_workflow(self.call(patience), request);
        Ok(answer.await?.query_result)
    }

    /// Asks, and answers with so many bytes.
    async fn answer(&self, size: usize) -> Result<Option<Payloads>, Refusal> {
        let worker = async {
            let task = self.poll().await;
            assert_eq!(task.query.unwrap().query_type, "state");
            let answer = RespondQueryTaskCompletedRequest {
                task_token: task.task_token,
                completed_type: QueryResultType::Answered as i32,
                query_result: Some(Payloads {
                    payloads: vec![Payload {
                        data: vec![0; size].into(),
                        ..Default::default()
                    }],
                }),
                ..Default::default()
            };
            let answered = self
                .engine
                .respond_query_task_completed(self.call(None), answer);
            answered.await.unwrap();
        };
        tokio::join!(self.query(Some(Duration::from_secs(3600))), worker).0
    }
}

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue {
        name: "queue".to_owned(),
        ..Default::default()
    })
}

#[tokio::test(start_paused = true)]
async fn a_query_waits_for_a_worker_as_long_as_its_caller_or_half_a_minute() {
    let world = World::open().await;
    for (patience, waited) in [(None, 30), (Some(2), 2), (Some(100), 100)] {
        let began = Instant::now();
        let refused = world.query(patience.map(Duration::from_secs)).await;
        assert!(matches!(refused, Err(Refusal::DeadlineExceeded(_))));
        assert_eq!(began.elapsed().as_secs(), waited);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_too_large_is_a_failed_query() {
    let world = World::open().await;
    let answer = world.answer(10).await.unwrap().unwrap();
    assert_eq!(answer.payloads[0].data.len(), 10);
    match world.answer(limits::BLOB_SIZE_MAX).await {
        Err(Refusal::QueryFailed { message, .. }) => {
            assert_eq!(message, "Blob data size exceeds limit.");
        }
        other => panic!("{other:?}"),
    }
}
