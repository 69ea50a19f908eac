//! Runs that are larger than what a shard may keep in memory.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use steadfast_engine::{Call, Engine, Limits, NamespaceRecord, Namespaces};
use steadfast_protocol::command::command::Attributes;
use steadfast_protocol::command::{Command, ContinueAsNewWorkflowExecutionCommandAttributes};
use steadfast_protocol::common::{Payload, Payloads, WorkflowExecution, WorkflowType};
use steadfast_protocol::enums::{
    CommandType, EventType, HistoryEventFilterType, NamespaceState, WorkflowExecutionStatus,
};
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::workflowservice::{
    DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest,
    PollWorkflowTaskQueueRequest, RespondWorkflowTaskCompletedRequest,
    StartWorkflowExecutionRequest,
};
use steadfast_store::MemoryStore;
use steadfast_visibility::MemoryVisibility;

/// Nearly all that a payload may be.
const INPUT_BYTES: usize = 1_900_000;
/// Enough that every shard has several.
const RUNS: usize = 64;

struct World {
    engine: Engine,
    namespaces: Arc<Namespaces>,
}

impl World {
    fn open() -> Self {
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
        Self {
            engine: engine.unwrap(),
            namespaces,
        }
    }

    fn call(&self) -> Call {
        Call {
            namespace: self.namespaces.by_name("default").unwrap(),
            deadline: None,
            for_people: false,
        }
    }

    async fn start(&self, workflow_id: String, lasts: Option<Duration>) {
        let start = StartWorkflowExecutionRequest {
            request_id: workflow_id.clone(),
            workflow_id,
            workflow_type: Some(WorkflowType {
                name: "Flow".to_owned(),
            }),
            task_queue: queue(),
            input: input(),
            workflow_run_timeout: lasts.map(|lasts| lasts.try_into().unwrap()),
            ..Default::default()
        };
        let started = self.engine.start_workflow_execution(self.call(), start);
        started.await.unwrap();
    }

    async fn status(&self, workflow_id: &str) -> WorkflowExecutionStatus {
        let describe = DescribeWorkflowExecutionRequest {
            execution: execution(workflow_id),
            ..Default::default()
        };
        let described = self
            .engine
            .describe_workflow_execution(self.call(), describe);
        let info = described.await.unwrap().workflow_execution_info.unwrap();
        info.status()
    }
}

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue {
        name: "queue".to_owned(),
        ..Default::default()
    })
}

fn input() -> Option<Payloads> {
    Some(Payloads {
        payloads: vec![Payload {
            data: vec![b'x'; INPUT_BYTES].into(),
            ..Default::default()
        }],
    })
}

fn execution(workflow_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution {
        workflow_id: workflow_id.to_owned(),
        run_id: String::new(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_found_and_their_timers_fire() {
    let world = World::open();
    for number in 0..RUNS {
        let lasts = Some(Duration::from_secs(2));
        world.start(format!("flow-{number}"), lasts).await;
    }
    for number in 0..RUNS {
        world.status(&format!("flow-{number}")).await;
    }
    for number in 0..RUNS {
        let workflow_id = format!("flow-{number}");
        let mut closed = GetWorkflowExecutionHistoryRequest {
            execution: execution(&workflow_id),
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
    let world = World::open();
    for number in 0..RUNS {
        world.start(format!("flow-{number}"), None).await;
    }
    for _ in 0..RUNS {
        let poll = PollWorkflowTaskQueueRequest {
            task_queue: queue(),
            ..Default::default()
        };
        let task = world.engine.poll_workflow_task_queue(world.call(), poll);
        let task = task.await.unwrap();
        let attributes = ContinueAsNewWorkflowExecutionCommandAttributes {
            input: input(),
            ..Default::default()
        };
        let done = RespondWorkflowTaskCompletedRequest {
            task_token: task.task_token,
            commands: vec![Command {
                command_type: CommandType::ContinueAsNewWorkflowExecution as i32,
                attributes: Some(Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(
                    attributes,
                )),
                ..Default::default()
            }],
            ..Default::default()
        };
        let done = world
            .engine
            .respond_workflow_task_completed(world.call(), done);
        done.await.unwrap();
    }
    for number in 0..RUNS {
        let status = world.status(&format!("flow-{number}")).await;
        assert_eq!(status, WorkflowExecutionStatus::Running);
    }
}
