//! Activities whose worker waits for them already.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use steadfast_protocol::command::ScheduleActivityTaskCommandAttributes;
use steadfast_protocol::command::command::Attributes;
use steadfast_protocol::common::ActivityType;
use steadfast_protocol::enums::CommandType;
use steadfast_protocol::workflowservice::{
    PollActivityTaskQueueRequest, PollActivityTaskQueueResponse,
    RespondActivityTaskCompletedRequest,
};
use steadfast_store::{Batch, ObservedStore, Table, Write};
use support::{World, command, queue};

/// The tables that each commit put rows into.
type Commits = Arc<Mutex<Vec<Vec<Table>>>>;

/// A world with one workflow, whose first workflow task a worker has.
struct Scene {
    world: World,
    commits: Commits,
    task_token: Bytes,
}

fn note(commits: &Commits, batches: &[Batch]) {
    let written = batches.iter().filter(|batch| !batch.writes.is_empty());
    let tables = written.map(|batch| {
        let puts = batch
            .writes
            .iter()
            .filter(|write| matches!(write, Write::Put { .. }));
        puts.map(Write::table).collect()
    });
    commits.lock().unwrap().extend(tables);
}

impl Scene {
    async fn open() -> Self {
        let commits = Commits::default();
        let noted = commits.clone();
        let store = ObservedStore::new(move |batches: &[Batch]| note(&noted, batches));
        let world = World::open(Arc::new(store));
        world.start("flow", Default::default()).await;
        let task_token = world.poll().await.task_token;
        Self {
            world,
            commits,
            task_token,
        }
    }

    async fn poll(&self, identity: &str) -> PollActivityTaskQueueResponse {
        let request = PollActivityTaskQueueRequest {
            task_queue: queue(),
            identity: identity.to_owned(),
            ..Default::default()
        };
        let call = self.world.call();
        let polled = self.world.engine.poll_activity_task_queue(call, request);
        polled.await.unwrap()
    }

    /// The workflow schedules an activity. Answers the commits that were made meanwhile.
    async fn schedule(&self) -> Vec<Vec<Table>> {
        let before = self.commits.lock().unwrap().len();
        let attributes = ScheduleActivityTaskCommandAttributes {
            activity_id: "a".to_owned(),
            activity_type: Some(ActivityType {
                name: "work".to_owned(),
            }),
            task_queue: queue(),
            start_to_close_timeout: Some(Duration::from_secs(60).try_into().unwrap()),
            ..Default::default()
        };
        let schedule = command(
            CommandType::ScheduleActivityTask,
            Attributes::ScheduleActivityTaskCommandAttributes(attributes),
        );
        self.world
            .complete(self.task_token.clone(), vec![schedule])
            .await;
        self.commits.lock().unwrap()[before..].to_vec()
    }

    async fn complete(&self, task: PollActivityTaskQueueResponse) {
        let request = RespondActivityTaskCompletedRequest {
            task_token: task.task_token,
            ..Default::default()
        };
        let call = self.world.call();
        let completed = self
            .world
            .engine
            .respond_activity_task_completed(call, request);
        completed.await.unwrap();
    }
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
    let scene = Scene::open().await;
    let mut poll = pin!(scene.poll("waiting"));
    begin(poll.as_mut()).await;
    let commits = scene.schedule().await;
    assert_eq!(commits.len(), 1, "{commits:?}");
    assert!(!commits[0].contains(&Table::Tasks), "{commits:?}");
    let task = poll.await;
    assert_eq!((task.activity_id.as_str(), task.attempt), ("a", 1));
    let commits = scene.commits.lock().unwrap().len();
    scene.complete(task).await;
    assert_eq!(scene.commits.lock().unwrap().len(), commits + 1);
}

#[tokio::test]
async fn where_no_worker_waits_the_task_is_stored_first() {
    let scene = Scene::open().await;
    let commits = scene.schedule().await;
    assert_eq!(commits.len(), 1, "{commits:?}");
    assert!(commits[0].contains(&Table::Tasks), "{commits:?}");
    let task = scene.poll("late").await;
    scene.complete(task).await;
}

#[tokio::test]
async fn what_was_started_for_a_worker_that_left_goes_to_another() {
    let scene = Scene::open().await;
    {
        let mut leaving = pin!(scene.poll("leaving"));
        begin(leaving.as_mut()).await;
        let commits = scene.schedule().await;
        assert!(!commits[0].contains(&Table::Tasks), "{commits:?}");
        // The worker goes away before it looks at what it got.
    }
    let task = scene.poll("staying").await;
    assert_eq!((task.activity_id.as_str(), task.attempt), ("a", 1));
    scene.complete(task).await;
}

#[tokio::test]
async fn a_worker_that_left_before_is_passed_over() {
    let scene = Scene::open().await;
    let mut staying = pin!(scene.poll("staying"));
    {
        let mut leaving = pin!(scene.poll("leaving"));
        begin(leaving.as_mut()).await;
        begin(staying.as_mut()).await;
    }
    let commits = scene.schedule().await;
    assert!(!commits[0].contains(&Table::Tasks), "{commits:?}");
    let task = staying.await;
    assert_eq!(task.activity_id, "a");
    scene.complete(task).await;
}
