//! Every command of workers, with every field set to something odd, as the answer to a task that waits for it: the
//! server takes it or refuses it in the protocol's terms, and the run can be read and goes on or ends.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor, Value};
use steadfast_protocol::DESCRIPTORS;
use steadfast_protocol::common::{WorkflowExecution, WorkflowType};
use steadfast_protocol::enums::CommandType;
use steadfast_protocol::taskqueue::TaskQueue;
use steadfast_protocol::workflowservice as wf;
use support::odd::Filler;
use support::{Served, ask, call, serve};
use tonic::{Code, Status};

const COMPLETE: &str =
    "/temporal.api.workflowservice.v1.WorkflowService/RespondWorkflowTaskCompleted";
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

static PANICS: AtomicUsize = AtomicUsize::new(0);

fn queue(name: &str) -> Option<TaskQueue> {
    Some(TaskQueue {
        name: name.to_owned(),
        ..TaskQueue::default()
    })
}

/// Starts a run and takes its first task.
async fn task(served: &Served, workflow_id: &str) -> Vec<u8> {
    let start = wf::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: workflow_id.to_owned(),
        workflow_type: Some(WorkflowType {
            name: "Flow".to_owned(),
        }),
        task_queue: queue(workflow_id),
        ..Default::default()
    };
    let _: wf::StartWorkflowExecutionResponse =
        ask(served, "StartWorkflowExecution", start).await.unwrap();
    let poll = wf::PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: queue(workflow_id),
        ..Default::default()
    };
    let task: wf::PollWorkflowTaskQueueResponse =
        ask(served, "PollWorkflowTaskQueue", poll).await.unwrap();
    task.task_token.to_vec()
}

/// A plausible command of each kind, and those with an odd field.
fn commands(filler: &Filler) -> Vec<(String, DynamicMessage)> {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let command = pool
        .get_message_by_name("temporal.api.command.v1.Command")
        .unwrap();
    let mut all = Vec::new();
    for field in command.oneofs().next().unwrap().fields() {
        let Kind::Message(attributes) = field.kind() else {
            unreachable!("attributes are messages");
        };
        let with = |attributes: DynamicMessage| {
            let mut it = DynamicMessage::new(command.clone());
            it.set_field(&field, Value::Message(attributes));
            it.set_field_by_name("command_type", Value::EnumNumber(kind(field.name())));
            it
        };
        let mut plausible = filler.plausible(&attributes);
        for field in ["namespace", "cron_schedule"] {
            if attributes.get_field_by_name(field).is_some() {
                plausible.clear_field_by_name(field);
            }
        }
        all.push((field.name().to_owned(), with(plausible.clone())));
        for (what, odd) in filler.odd_messages(&plausible) {
            all.push((format!("{}{what}", field.name()), with(odd)));
        }
    }
    all
}

fn kind(field: &str) -> i32 {
    let name = field.trim_end_matches("_command_attributes");
    let name = format!("COMMAND_TYPE_{}", name.to_ascii_uppercase());
    CommandType::from_str_name(&name).unwrap() as i32
}

fn completion(descriptor: &MessageDescriptor, token: Vec<u8>, command: DynamicMessage) -> Vec<u8> {
    let mut request = DynamicMessage::new(descriptor.clone());
    request.set_field_by_name("task_token", Value::Bytes(token.into()));
    request.set_field_by_name("commands", Value::List(vec![Value::Message(command)]));
    request.encode_to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_commands_are_taken_or_refused_in_the_protocols_terms() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(panic);
    }));
    let served = serve().await;
    let filler = Filler {
        namespace: "default".to_owned(),
        token: Vec::new(),
        foreign_token: Vec::new(),
    };
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let request = "temporal.api.workflowservice.v1.RespondWorkflowTaskCompletedRequest";
    let request = pool.get_message_by_name(request).unwrap();
    let mut codes = BTreeMap::<String, usize>::new();
    let mut wrong = Vec::new();
    for (number, (what, command)) in commands(&filler).into_iter().enumerate() {
        let workflow_id = format!("w{number}");
        let token = task(&served, &workflow_id).await;
        let body = completion(&request, token, command);
        let answer = call(&served.channel, COMPLETE, body, PATIENCE).await;
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        *codes.entry(format!("{code:?}")).or_default() += 1;
        let is_fine = match code {
            Code::Ok | Code::InvalidArgument => true,
            Code::NotFound => what.contains("attributes.namespace"),
            _ => false,
        };
        if !is_fine {
            wrong.push(format!("{what}: {code:?}"));
        }
        let describe = wf::DescribeWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            execution: Some(WorkflowExecution {
                workflow_id,
                ..Default::default()
            }),
        };
        let described = ask::<wf::DescribeWorkflowExecutionResponse>(
            &served,
            "DescribeWorkflowExecution",
            describe,
        );
        if let Err(status) = described.await {
            wrong.push(format!("{what}: afterwards {status}"));
        }
    }
    println!("{codes:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    assert!(codes["Ok"] > 500 && codes["InvalidArgument"] > 200);
}
