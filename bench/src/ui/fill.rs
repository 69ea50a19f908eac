//! Many workflows of several types, statuses and search attributes, to look at.
//!
//! What becomes of a workflow is decided by its number, so a filling that was stopped goes on where it was. No worker
//! polls: those that are to complete or fail take their first workflow task with the answer to their start, others are
//! terminated or run into a timeout, most stay open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use steadfast_protocol::command::{self, command::Attributes};
use steadfast_protocol::common::{Payload, SearchAttributes, WorkflowExecution, WorkflowType};
use steadfast_protocol::enums::{CommandType, IndexedValueType, WorkflowIdReusePolicy};
use steadfast_protocol::failure::Failure;
use steadfast_protocol::operatorservice::AddSearchAttributesRequest;
use steadfast_protocol::workflowservice::{
    CountWorkflowExecutionsRequest, PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedRequest, StartWorkflowExecutionRequest,
};
use tokio::task::JoinSet;
use tonic::Code;

use super::terminate;
use crate::connect::{CALL_TIMEOUT, Client, Server, request, seconds};
use crate::error::BenchError;
use crate::report::Report;
use crate::script::{activity_result, command, complete, normal_queue};
use crate::worker::identity;

/// How the types of all workflows of a filling begin.
pub(crate) const TYPE: &str = "BenchFill";
/// Types of workflows.
const TYPES: u64 = 20;
/// Task queues.
const QUEUES: u64 = 5;
/// Values of the keyword.
const CUSTOMERS: u64 = 10_000;
/// The keyword that half of the workflows have, and the number that a quarter has.
pub(crate) const CUSTOMER: &str = "BenchCustomer";
pub(crate) const AMOUNT: &str = "BenchAmount";
/// Starts in flight.
const CONCURRENCY: u64 = 200;
/// Workflows that are to time out do so after this long.
const RUN_TIMEOUT_S: f64 = 1.0;
/// How often a workflow is tried to be started, and the pause between.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);
/// How long visibility may take to show what was started.
const VISIBLE_WAIT: Duration = Duration::from_secs(120);

/// What becomes of a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Completed,
    Failed,
    Terminated,
    TimedOut,
}

impl Fate {
    fn of(number: u64) -> Fate {
        match scattered(number) % 20 {
            0..=10 => Fate::Open,
            11..=14 => Fate::Completed,
            15 => Fate::Failed,
            16..=17 => Fate::Terminated,
            _ => Fate::TimedOut,
        }
    }
}

/// Bits without a pattern, the same for the same number.
fn scattered(number: u64) -> u64 {
    let mixed = (number ^ 0x5851_f42d_4c95_7f2d).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 32)
}

pub(crate) fn workflow_id(number: u64) -> String {
    format!("order-{:016x}-{number}", scattered(number))
}

pub(crate) fn workflow_type(number: u64) -> String {
    format!("{TYPE}{:02}", scattered(number) / 31 % TYPES)
}

pub(crate) fn customer(number: u64) -> String {
    format!("customer-{}", scattered(number) / 7 % CUSTOMERS)
}

/// Adds the search attributes, which others may have added.
pub(crate) async fn prepare(server: &Server, namespace: &str) -> Result<(), BenchError> {
    server.prepare(namespace).await?;
    let kinds = [
        (CUSTOMER, IndexedValueType::Keyword),
        (AMOUNT, IndexedValueType::Int),
    ];
    let kinds = kinds.map(|(name, kind)| (name.to_string(), kind.into()));
    let add = AddSearchAttributesRequest {
        namespace: namespace.to_string(),
        search_attributes: kinds.into(),
    };
    let added = server
        .operator()
        .add_search_attributes(request(add, CALL_TIMEOUT))
        .await;
    match added {
        Err(status) if status.code() != Code::AlreadyExists => {
            Err(BenchError::refused("AddSearchAttributes")(status))
        }
        _ => Ok(()),
    }
}

/// How many workflows a query finds.
pub(crate) async fn count(
    server: &Server,
    namespace: &str,
    query: &str,
) -> Result<u64, BenchError> {
    let count = CountWorkflowExecutionsRequest {
        namespace: namespace.to_string(),
        query: query.to_string(),
    };
    let answer = server
        .client()
        .count_workflow_executions(request(count, CALL_TIMEOUT))
        .await;
    let answer = answer.map_err(BenchError::refused("CountWorkflowExecutions"))?;
    Ok(answer.into_inner().count.unsigned_abs())
}

/// What starters share.
struct Filling {
    namespace: String,
    next: AtomicU64,
    end: u64,
    /// Calls without an answer, which were made again.
    lost: AtomicU64,
}

/// Starts as many workflows as are missing, and waits until lists show them.
pub(crate) async fn fill(
    server: &Server,
    namespace: &str,
    workflows: u64,
) -> Result<Report, BenchError> {
    prepare(server, namespace).await?;
    let found = format!("WorkflowType STARTS_WITH \"{TYPE}\"");
    let there = count(server, namespace, &found).await?;
    let mut report = Report::new(format!("Filling with {workflows} workflows"));
    report.add("there before", there as f64, "");
    if workflows <= there {
        return Ok(report);
    }
    eprintln!("filling: {there} of {workflows} workflows are there");
    let begin = Instant::now();
    let filling = Arc::new(Filling {
        namespace: namespace.to_string(),
        // Those in flight when a filling was stopped may be missing.
        next: AtomicU64::new(there.saturating_sub(CONCURRENCY)),
        end: workflows,
        lost: AtomicU64::new(0),
    });
    let server = server.sized(CONCURRENCY as usize)?;
    let mut starters = JoinSet::new();
    for _ in 0..CONCURRENCY {
        starters.spawn(starter(server.client(), filling.clone()));
    }
    while let Some(ended) = starters.join_next().await {
        ended.map_err(|error| BenchError::Setup(format!("a starter ended: {error}")))??;
    }
    let took = begin.elapsed();
    report.add("started", (workflows - there) as f64, "");
    report.add(
        "calls without an answer",
        filling.lost.load(Ordering::Relaxed) as f64,
        "",
    );
    report.add("took", took.as_secs_f64(), "s");
    report.add(
        "started/s",
        (workflows - there) as f64 / took.as_secs_f64(),
        "/s",
    );
    while count(&server, namespace, &found).await? < workflows {
        if VISIBLE_WAIT < begin.elapsed().saturating_sub(took) {
            return Err(BenchError::Setup(
                "lists do not show all workflows that were started".to_string(),
            ));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    report.add("all in lists after", begin.elapsed().as_secs_f64(), "s");
    Ok(report)
}

async fn starter(mut client: Client, filling: Arc<Filling>) -> Result<(), BenchError> {
    loop {
        let number = filling.next.fetch_add(1, Ordering::Relaxed);
        if filling.end <= number {
            return Ok(());
        }
        if number.is_multiple_of(50_000) && number > 0 {
            eprintln!("filling: {number} of {}", filling.end);
        }
        let mut attempt = 1;
        while let Err(error) = filling.bring(&mut client, number).await {
            let lost = matches!(&error, BenchError::Refused { status, .. } if is_lost(status));
            if !lost || attempt == ATTEMPTS {
                return Err(error);
            }
            attempt += 1;
            filling.lost.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Whether the answer to a call is lost; what it did is found when it is made again.
fn is_lost(status: &tonic::Status) -> bool {
    matches!(
        status.code(),
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Unavailable
            | Code::Unknown
            // A connection that broke.
            | Code::Internal
    )
}

impl Filling {
    /// Brings one workflow to where it is to be.
    async fn bring(&self, client: &mut Client, number: u64) -> Result<(), BenchError> {
        let fate = Fate::of(number);
        let start = StartWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_id: workflow_id(number),
            request_id: workflow_id(number),
            workflow_id_reuse_policy: WorkflowIdReusePolicy::RejectDuplicate.into(),
            workflow_type: Some(WorkflowType {
                name: workflow_type(number),
            }),
            task_queue: Some(normal_queue(&format!(
                "bench-fill-{}",
                scattered(number) / 3 % QUEUES
            ))),
            workflow_run_timeout: (fate == Fate::TimedOut).then(|| seconds(RUN_TIMEOUT_S)),
            request_eager_execution: matches!(fate, Fate::Completed | Fate::Failed),
            search_attributes: attributes(number),
            identity: identity(),
            ..Default::default()
        };
        let answer = client
            .start_workflow_execution(request(start, CALL_TIMEOUT))
            .await;
        let answer = match answer {
            Ok(answer) => answer.into_inner(),
            // Started by a filling that was stopped.
            Err(status) if status.code() == Code::AlreadyExists => return Ok(()),
            Err(status) => return Err(BenchError::refused("StartWorkflowExecution")(status)),
        };
        match (fate, answer.eager_workflow_task) {
            (Fate::Open | Fate::TimedOut, _) => Ok(()),
            (Fate::Completed | Fate::Failed, Some(task)) => self.close(client, fate, *task).await,
            // A server may start nothing eagerly.
            _ => self.terminate(client, number, answer.run_id).await,
        }
    }

    async fn close(
        &self,
        client: &mut Client,
        fate: Fate,
        task: PollWorkflowTaskQueueResponse,
    ) -> Result<(), BenchError> {
        let command = match fate {
            Fate::Failed => command(
                CommandType::FailWorkflowExecution,
                Attributes::FailWorkflowExecutionCommandAttributes(
                    command::FailWorkflowExecutionCommandAttributes {
                        failure: Some(Failure {
                            message: "the card was declined".to_string(),
                            ..Default::default()
                        }),
                    },
                ),
            ),
            _ => complete(activity_result("1", 20)),
        };
        let completed = RespondWorkflowTaskCompletedRequest {
            namespace: self.namespace.clone(),
            task_token: task.task_token,
            commands: vec![command],
            identity: identity(),
            ..Default::default()
        };
        client
            .respond_workflow_task_completed(request(completed, CALL_TIMEOUT))
            .await
            .map(drop)
            .or_else(unless_closed)
            .map_err(BenchError::refused("RespondWorkflowTaskCompleted"))
    }

    async fn terminate(
        &self,
        client: &mut Client,
        number: u64,
        run_id: String,
    ) -> Result<(), BenchError> {
        let run = WorkflowExecution {
            workflow_id: workflow_id(number),
            run_id,
        };
        terminate(client, &self.namespace, run)
            .await
            .or_else(unless_closed)
            .map_err(BenchError::refused("TerminateWorkflowExecution"))
    }
}

/// A call whose first answer was lost may have closed the run already.
fn unless_closed(status: tonic::Status) -> Result<(), tonic::Status> {
    match status.code() {
        Code::NotFound => Ok(()),
        _ => Err(status),
    }
}

fn attributes(number: u64) -> Option<SearchAttributes> {
    let json = |kind: &str, text: String| Payload {
        metadata: BTreeMap::from([
            ("encoding".to_string(), "json/plain".into()),
            ("type".to_string(), kind.to_string().into()),
        ]),
        data: text.into(),
        ..Default::default()
    };
    let mut fields = BTreeMap::new();
    if scattered(number).is_multiple_of(2) {
        let value = format!("\"{}\"", customer(number));
        fields.insert(CUSTOMER.to_string(), json("Keyword", value));
    }
    if scattered(number).is_multiple_of(4) {
        let value = (scattered(number) / 13 % 100_000).to_string();
        fields.insert(AMOUNT.to_string(), json("Int", value));
    }
    (!fields.is_empty()).then(|| SearchAttributes {
        indexed_fields: fields,
    })
}
