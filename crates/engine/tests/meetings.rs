//! Activities whose worker waits for them already.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use steadfast_engine::{Call, Engine, Limits, NamespaceRecord, Namespaces};
use steadfast_protocol::command::command::Attributes;
use steadfast_protocol::command::{Command, ScheduleActivityTaskCommandAttributes};
use steadfast_protocol::common::{ActivityType, WorkflowType};
use steadfast_protocol::enums::{CommandType, NamespaceState};
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::workflowservice::{
    PollActivityTaskQueueRequest, PollActivityTaskQueueResponse, PollWorkflowTaskQueueRequest,
    RespondActivityTaskCompletedRequest, RespondWorkflowTaskCompletedRequest,
    StartWorkflowExecutionRequest,
};
use steadfast_store::{
    Batch, CommitOutcome, Fence, KeyRange, MemoryStore, Order, ShardId, Store, StoreError, Table,
    Write,
};
use steadfast_visibility::MemoryVisibility;

/// A store that remembers which tables each commit wrote to.
struct Watched {
    store: MemoryStore,
    commits: Mutex<Vec<Vec<Table>>>,
}

impl Store for Watched {
    fn acquire(&self, shard: ShardId) -> Result<Fence, StoreError> {
        self.store.acquire(shard)
    }

    fn commit(&self, batches: Vec<Batch>) -> Vec<CommitOutcome> {
        let written = batches.iter().filter(|batch| !batch.writes.is_empty());
        let tables = written.map(|batch| {
            let puts = batch
                .writes
                .iter()
                .filter(|write| matches!(write, Write::Put { .. }));
            puts.map(Write::table).collect()
        });
        self.commits.lock().unwrap().extend(tables);
        self.store.commit(batches)
    }

    fn get(&self, shard: ShardId, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.store.get(shard, table, key)
    }

    fn scan(
        &self,
        shard: ShardId,
        table: Table,
        range: KeyRange<'_>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Bytes, Bytes)>, StoreError> {
        self.store.scan(shard, table, range, limit, order)
    }
}

/// An engine with one workflow, whose first workflow task a worker has.
struct World {
    engine: Engine,
    namespaces: Arc<Namespaces>,
    store: Arc<Watched>,
    task_token: Bytes,
}

impl World {
    async fn open() -> Self {
        let store = Arc::new(Watched {
            store: MemoryStore::new(),
            commits: Mutex::default(),
        });
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
        let engine = Engine::start(
            store.clone(),
            visibility,
            namespaces.clone(),
            Limits::DEFAULT,
        );
        let mut world = Self {
            engine: engine.unwrap(),
            namespaces,
            store,
            task_token: Bytes::new(),
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
        let started = world.engine.start_workflow_execution(world.call(), start);
        started.await.unwrap();
        let poll = PollWorkflowTaskQueueRequest {
            task_queue: queue(),
            ..Default::default()
        };
        let polled = world.engine.poll_workflow_task_queue(world.call(), poll);
        world.task_token = polled.await.unwrap().task_token;
        world
    }

    fn call(&self) -> Call {
        Call {
            namespace: self.namespaces.by_name("default").unwrap(),
            deadline: None,
            for_people: false,
        }
    }

    async fn poll(&self, identity: &str) -> PollActivityTaskQueueResponse {
        let request = PollActivityTaskQueueRequest {
            task_queue: queue(),
            identity: identity.to_owned(),
            ..Default::default()
        };
        let polled = self.engine.poll_activity_task_queue(self.call(), request);
        polled.await.unwrap()
    }

    /// The workflow schedules an activity. Answers the commits that were made meanwhile.
    async fn schedule(&self) -> Vec<Vec<Table>> {
        let before = self.store.commits.lock().unwrap().len();
        let attributes = ScheduleActivityTaskCommandAttributes {
            activity_id: "a".to_owned(),
            activity_type: Some(ActivityType {
                name: "work".to_owned(),
            }),
            task_queue: queue(),
            start_to_close_timeout: Some(Duration::from_secs(60).try_into().unwrap()),
            ..Default::default()
        };
        let done = RespondWorkflowTaskCompletedRequest {
            task_token: self.task_token.clone(),
            commands: vec![Command {
                command_type: CommandType::ScheduleActivityTask as i32,
                attributes: Some(Attributes::ScheduleActivityTaskCommandAttributes(
                    attributes,
                )),
                ..Default::default()
            }],
            ..Default::default()
        };
        let done = self
            .engine
            .respond_workflow_task_completed(self.call(), done);
        done.await.unwrap();
        self.store.commits.lock().unwrap()[before..].to_vec()
    }

    async fn complete(&self, task: PollActivityTaskQueueResponse) {
        let request = RespondActivityTaskCompletedRequest {
            task_token: task.task_token,
            ..Default::default()
        };
        let completed = self
            .engine
            .respond_activity_task_completed(self.call(), request);
        completed.await.unwrap();
    }
}

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue {
        name: "queue".to_owned(),
        ..Default::default()
    })
}

/// Lets a future come to where it waits.
async fn begin<T>(mut future: std::pin::Pin<&mut impl Future<Output = T>>) {
    tokio::select! {
        biased;
        _ = &mut future => panic!("there is nothing for it yet"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test]
async fn one_commit_schedules_and_starts_where_a_worker_waits() {
    let world = World::open().await;
    let mut poll = pin!(world.poll("waiting"));
    begin(poll.as_mut()).await;
    let commits = world.schedule().await;
    assert_eq!(commits.len(), 1, "{commits:?}");
    assert!(!commits[0].contains(&Table::Tasks), "{commits:?}");
    let task = poll.await;
    assert_eq!((task.activity_id.as_str(), task.attempt), ("a", 1));
    let commits = world.store.commits.lock().unwrap().len();
    world.complete(task).await;
    assert_eq!(world.store.commits.lock().unwrap().len(), commits + 1);
}

#[tokio::test]
async fn where_no_worker_waits_the_task_is_stored_first() {
    let world = World::open().await;
    let commits = world.schedule().await;
    assert_eq!(commits.len(), 1, "{commits:?}");
    assert!(commits[0].contains(&Table::Tasks), "{commits:?}");
    let task = world.poll("late").await;
    world.complete(task).await;
}

#[tokio::test]
async fn what_was_started_for_a_worker_that_left_goes_to_another() {
    let world = World::open().await;
    {
        let mut leaving = pin!(world.poll("leaving"));
        begin(leaving.as_mut()).await;
        let commits = world.schedule().await;
        assert!(!commits[0].contains(&Table::Tasks), "{commits:?}");
        // The worker goes away before it looks at what it got.
    }
    let task = world.poll("staying").await;
    assert_eq!((task.activity_id.as_str(), task.attempt), ("a", 1));
    world.complete(task).await;
}

#[tokio::test]
async fn a_worker_that_left_before_is_passed_over() {
    let world = World::open().await;
    let mut staying = pin!(world.poll("staying"));
    {
        let mut leaving = pin!(world.poll("leaving"));
        begin(leaving.as_mut()).await;
        begin(staying.as_mut()).await;
    }
    let commits = world.schedule().await;
    assert!(!commits[0].contains(&Table::Tasks), "{commits:?}");
    let task = staying.await;
    assert_eq!(task.activity_id, "a");
    world.complete(task).await;
}
