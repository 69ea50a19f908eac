//! A store that does not come along: what is refused then, and that nothing of it was done.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use steadfast_protocol::common::{Payload, Payloads, WorkflowExecution, WorkflowType};
use steadfast_protocol::enums::ResourceExhaustedCause;
use steadfast_protocol::errordetails::ResourceExhaustedFailure;
use steadfast_protocol::google::rpc;
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::workflowservice as wf;
use steadfast_store::{Batch, ObservedStore};
use steadfast_visibility::MemoryVisibility;
use support::{call, connect, serve_on};
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// More bytes than may wait for the store.
const STARTS: usize = 90;
const INPUT_BYTES: usize = 1 << 20;
/// Who brings the first commit writes it, and what else that thread has to do waits for the store with it. That may be
/// one connection, not all of them.
const CONNECTIONS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(300);

/// Holds commits up.
#[derive(Default)]
struct Hold {
    held: Mutex<bool>,
    released: Condvar,
}

impl Hold {
    fn set(&self, held: bool) {
        *self.held.lock().unwrap() = held;
        self.released.notify_all();
    }

    fn wait(&self) {
        let held = self.held.lock().unwrap();
        drop(self.released.wait_while(held, |held| *held).unwrap());
    }
}

fn id(number: usize) -> String {
    format!("w-{number}")
}

fn start(number: usize) -> wf::StartWorkflowExecutionRequest {
    wf::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: id(number),
        request_id: id(number),
        workflow_type: Some(WorkflowType {
            name: "Flow".to_owned(),
        }),
        task_queue: Some(TaskQueue {
            name: "q".to_owned(),
            ..TaskQueue::default()
        }),
        input: Some(Payloads {
            payloads: vec![Payload {
                data: vec![b'x'; INPUT_BYTES].into(),
                ..Default::default()
            }],
        }),
        ..Default::default()
    }
}

async fn ask(channel: &Channel, rpc: &str, request: impl Message) -> Result<Bytes, Status> {
    let path = format!("/temporal.api.workflowservice.v1.WorkflowService/{rpc}");
    call(channel, &path, request.encode_to_vec(), PATIENCE).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_would_wait_without_bound_is_refused_and_was_not_done() {
    let hold = Arc::new(Hold::default());
    let store = ObservedStore::new({
        let hold = hold.clone();
        move |_: &[Batch]| hold.wait()
    });
    let visibility = Arc::new(MemoryVisibility::default());
    let served = serve_on(Arc::new(store), visibility).await;
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(connect(served.address).await);
    }
    hold.set(true);
    let mut starts = JoinSet::new();
    for number in 0..STARTS {
        let channel = channels[number % CONNECTIONS].clone();
        starts.spawn(async move {
            let answer = ask(&channel, "StartWorkflowExecution", start(number)).await;
            (number, answer.err())
        });
    }
    // While the store is held up nothing is acknowledged, so what comes first is refused.
    let (first, refused) = starts.join_next().await.unwrap().unwrap();
    let refused = refused.expect("the store is held up");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    let details = rpc::Status::decode(refused.details()).unwrap().details;
    let failure = ResourceExhaustedFailure::decode(&details[0].value[..]).unwrap();
    assert_eq!(failure.cause(), ResourceExhaustedCause::SystemOverloaded);
    hold.set(false);
    let mut left_out = vec![first];
    let mut acknowledged = Vec::new();
    while let Some(ended) = starts.join_next().await {
        match ended.unwrap() {
            (number, None) => acknowledged.push(number),
            (number, Some(refused)) => {
                assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
                left_out.push(number);
            }
        }
    }
    assert!(
        acknowledged.len() > STARTS / 2,
        "most had room: {}",
        acknowledged.len()
    );
    let describe = |number| wf::DescribeWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        execution: Some(WorkflowExecution {
            workflow_id: id(number),
            run_id: String::new(),
        }),
    };
    for number in acknowledged {
        let described = ask(
            &served.channel,
            "DescribeWorkflowExecution",
            describe(number),
        )
        .await;
        described.unwrap();
    }
    for number in left_out {
        let described = ask(
            &served.channel,
            "DescribeWorkflowExecution",
            describe(number),
        )
        .await;
        assert_eq!(described.unwrap_err().code(), Code::NotFound);
        // There is room again.
        ask(&served.channel, "StartWorkflowExecution", start(number))
            .await
            .unwrap();
    }
}
