//! An engine with a namespace, and one queue in it.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use steadfast_engine::{Call, Engine, Limits, NamespaceRecord, Namespaces};
use steadfast_protocol::command::Command;
use steadfast_protocol::command::command::Attributes;
use steadfast_protocol::common::{Payload, Payloads, WorkflowExecution, WorkflowType};
use steadfast_protocol::enums::{CommandType, NamespaceState};
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::workflow::WorkflowExecutionInfo;
use steadfast_protocol::workflowservice::{
    DescribeWorkflowExecutionRequest, PollWorkflowTaskQueueRequest, PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedRequest, StartWorkflowExecutionRequest,
};
use steadfast_store::Store;
use steadfast_visibility::MemoryVisibility;
use tokio::time::Instant;

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) namespaces: Arc<Namespaces>,
}

impl World {
    pub(crate) fn open(store: Arc<dyn Store>) -> Self {
        let namespaces = Arc::new(Namespaces::open(store.clone(), "cluster".to_owned()).unwrap());
        let visibility = Arc::new(MemoryVisibility::default());
        let engine = Engine::start(store, visibility, namespaces.clone(), Limits::DEFAULT);
        let world = Self {
            engine: engine.unwrap(),
            namespaces,
        };
        world.add_namespace("default");
        world
    }

    /// Adds a namespace, and says its id.
    pub(crate) fn add_namespace(&self, name: &str) -> String {
        let record = NamespaceRecord {
            id: uuid::Uuid::new_v4().to_string(),
            name: name.to_owned(),
            state: NamespaceState::Registered as i32,
            retention_ns: 24 * 3600 * 1_000_000_000,
            ..Default::default()
        };
        let id = record.id.clone();
        self.namespaces.create(record).unwrap();
        id
    }

    /// A call in a namespace.
    pub(crate) fn call_in(&self, namespace: &str) -> Call {
        Call {
            namespace: self.namespaces.by_name(namespace).unwrap(),
            ..self.call()
        }
    }

    pub(crate) fn call(&self) -> Call {
        self.call_within(None)
    }

    /// A call whose caller waits so long.
    pub(crate) fn call_within(&self, patience: Option<Duration>) -> Call {
        Call {
            namespace: self.namespaces.by_name("default").unwrap(),
            deadline: patience.map(|patience| (Instant::now() + patience).into_std()),
            for_people: false,
        }
    }

    /// Starts a run of that id, with what the request says besides.
    pub(crate) async fn start(&self, workflow_id: &str, request: StartWorkflowExecutionRequest) {
        self.start_in("default", workflow_id, request).await;
    }

    pub(crate) async fn start_in(
        &self,
        namespace: &str,
        workflow_id: &str,
        request: StartWorkflowExecutionRequest,
    ) {
        let start = StartWorkflowExecutionRequest {
            workflow_id: workflow_id.to_owned(),
            request_id: workflow_id.to_owned(),
            workflow_type: Some(WorkflowType {
                name: "Flow".to_owned(),
            }),
            task_queue: queue(),
            ..request
        };
        let call = self.call_in(namespace);
        let started = self.engine.start_workflow_execution(call, start);
        started.await.unwrap();
    }

    /// What describing the current run of that id tells.
    pub(crate) async fn describe(&self, workflow_id: &str) -> WorkflowExecutionInfo {
        let describe = DescribeWorkflowExecutionRequest {
            execution: execution(workflow_id),
            ..Default::default()
        };
        let described = self
            .engine
            .describe_workflow_execution(self.call(), describe);
        described.await.unwrap().workflow_execution_info.unwrap()
    }

    /// The next task of the queue. The clock of a test may run ahead while nothing else happens, so a poll may end early.
    pub(crate) async fn poll(&self) -> PollWorkflowTaskQueueResponse {
        loop {
            let request = PollWorkflowTaskQueueRequest {
                task_queue: queue(),
                ..Default::default()
            };
            let polled = self.engine.poll_workflow_task_queue(self.call(), request);
            let polled = polled.await.unwrap();
            if !polled.task_token.is_empty() {
                return polled;
            }
        }
    }

    /// Completes a workflow task with these commands.
    pub(crate) async fn complete(&self, task_token: Bytes, commands: Vec<Command>) {
        let done = RespondWorkflowTaskCompletedRequest {
            task_token,
            commands,
            ..Default::default()
        };
        let done = self
            .engine
            .respond_workflow_task_completed(self.call(), done);
        done.await.unwrap();
    }
}

pub(crate) fn command(command_type: CommandType, attributes: Attributes) -> Command {
    Command {
        command_type: command_type as i32,
        attributes: Some(attributes),
        ..Default::default()
    }
}

pub(crate) fn queue() -> Option<TaskQueue> {
    Some(TaskQueue {
        name: "queue".to_owned(),
        ..Default::default()
    })
}

/// One payload of so many bytes.
pub(crate) fn payloads(size: usize) -> Option<Payloads> {
    Some(Payloads {
        payloads: vec![Payload {
            data: vec![0; size].into(),
            ..Default::default()
        }],
    })
}

/// The current run of that id.
pub(crate) fn execution(workflow_id: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution {
        workflow_id: workflow_id.to_owned(),
        run_id: String::new(),
    })
}
