//! Queries: they ride on a workflow task, or go to a worker as a task of their own (server-semantics 3.8).

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use prost::Message;
use rustc_hash::FxHashMap;
use steadfast_core::Refusal;
use steadfast_core::execution::RunKey;
use steadfast_core::outcome::TaskKind;
use steadfast_core::query::{self, BufferedQuery, Plan};
use steadfast_core::time::MILLISECOND;
use steadfast_protocol::common::link::{Variant, Workflow};
use steadfast_protocol::common::{Link, Payloads};
use steadfast_protocol::enums::QueryResultType;
use steadfast_protocol::query::{QueryRejected, WorkflowQuery};
use steadfast_protocol::workflowservice::{
    QueryWorkflowRequest, QueryWorkflowResponse, RespondQueryTaskCompletedRequest,
    RespondQueryTaskCompletedResponse,
};
use tokio::sync::oneshot;

use super::{Call, names, require, time_of, token};
use crate::Engine;
use crate::clock::instant;
use crate::node::lock;
use crate::queues::{QueryTask, QueueKey};
use crate::shard::{Durability, QueryEnd};
use crate::token::TokenKind;
use crate::view::View;

/// How long a query waits where its caller names no limit.
const QUERY_PATIENCE: Duration = Duration::from_secs(30);

/// What the caller is told of a larger answer: as an error of the query where a worker got it as a task of its own, as one
/// of the request where it rode on a workflow task.
const TOO_LARGE: &str = "Blob data size exceeds limit.";

/// The callers of direct queries, by query.
#[derive(Default)]
pub(crate) struct DirectQueries {
    pub(super) waiting: Mutex<FxHashMap<String, oneshot::Sender<Answer>>>,
}

type Answer = Result<Option<Payloads>, Refusal>;

/// One look at the run, and what it means for the query.
enum Next {
    Rejected(Arc<RunKey>, QueryRejected),
    Direct {
        key: Arc<RunKey>,
        queue: String,
        sticky: bool,
        durability: Durability,
    },
    Buffered {
        key: Arc<RunKey>,
        id: String,
        end: oneshot::Receiver<QueryEnd>,
    },
    Wait(oneshot::Receiver<()>),
}

impl Engine {
    /// Asks the workflow, through its worker.
    ///
    /// # Errors
    /// INVALID_ARGUMENT with the worker's failure; FAILED_PRECONDITION where no worker can know the answer yet;
    /// RESOURCE_EXHAUSTED where too many queries wait; DEADLINE_EXCEEDED.
    pub async fn query_workflow(
        &self,
        call: Call,
        request: QueryWorkflowRequest,
    ) -> Result<QueryWorkflowResponse, Refusal> {
        let until = call.deadline.unwrap_or_else(|| instant() + QUERY_PATIENCE);
        let query = Arc::new(request.query.clone().unwrap_or_default());
        let mut try_sticky = true;
        loop {
            let next = self.next(&call, &request, &query, until, try_sticky)?;
            match next {
                Next::Rejected(key, rejected) => {
                    return Ok(QueryWorkflowResponse {
                        query_rejected: Some(rejected),
                        link: Some(link(&call, &key, "Query rejected")),
                        query_result: None,
                    });
                }
                Next::Direct {
                    key,
                    queue,
                    sticky,
                    durability,
                } => {
                    durability.reached().await?;
                    let asked = self.ask(&call, &key, &queue, sticky, &query, until).await?;
                    match asked {
                        Some(answer) => return Ok(answered(&call, &key, answer?)),
                        // The worker that has the run in its cache does not answer: any other will do.
                        None => try_sticky = false,
                    }
                }
                Next::Buffered { key, id, end } => {
                    let waiting = Waiting {
                        engine: self,
                        call: &call,
                        key: &key,
                        id,
                    };
                    let end = tokio::time::timeout_at(until.into(), end).await;
                    drop(waiting);
                    match end {
                        Ok(Ok(QueryEnd::Answer(answer))) => {
                            if self.is_too_large(answer.answer.as_ref()) {
                                return Err(Refusal::invalid(TOO_LARGE));
                            }
                            let answer = judge(
                                answer.result_type,
                                answer.answer,
                                answer.error_message,
                                answer.failure,
                            )?;
                            return Ok(answered(&call, &key, answer));
                        }
                        Ok(_) => {}
                        Err(_) => return Err(too_late()),
                    }
                }
                Next::Wait(changed) => {
                    let changed = tokio::time::timeout_at(until.into(), changed).await;
                    changed.map_err(|_| too_late())?.ok();
                }
            }
        }
    }

    /// The answer to a direct query.
    ///
    /// # Errors
    /// NOT_FOUND for a query nobody waits for any more.
    pub async fn respond_query_task_completed(
        &self,
        _call: Call,
        request: RespondQueryTaskCompletedRequest,
    ) -> Result<RespondQueryTaskCompletedResponse, Refusal> {
        let token = token(&request.task_token, TokenKind::Query)?;
        let caller = lock(&self.queries.waiting).remove(&token.query_id);
        let caller =
            caller.ok_or_else(|| Refusal::not_found("query task not found, or already expired"))?;
        let answer = match self.is_too_large(request.query_result.as_ref()) {
            true => Err(Refusal::QueryFailed {
                message: TOO_LARGE.to_owned(),
                failure: None,
            }),
            false => judge(
                request.completed_type,
                request.query_result,
                request.error_message,
                request.failure,
            ),
        };
        let _ = caller.send(answer);
        Ok(RespondQueryTaskCompletedResponse {})
    }

    fn next(
        &self,
        call: &Call,
        request: &QueryWorkflowRequest,
        query: &Arc<WorkflowQuery>,
        until: Instant,
        try_sticky: bool,
    ) -> Result<Next, Refusal> {
        let node = self.node();
        let (workflow_id, run_id) = names(request.execution.as_ref());
        let mut shard = node.lock_of(&call.namespace.id, workflow_id);
        let key = require(&mut shard, &call.namespace, workflow_id, run_id)?;
        let now = node.now();
        let run = shard.run_mut(&key);
        let deadline = time_of(node, until);
        let plan = query::decide(run, now, Some(deadline), request.query_reject_condition)?;
        Ok(match plan {
            Plan::Rejected(status) => {
                let status = status as i32;
                Next::Rejected(key, QueryRejected { status })
            }
            Plan::Direct { sticky } => {
                let normal = run.task_queue().to_owned();
                let (queue, sticky) = match sticky {
                    Some(queue) if try_sticky => (queue, true),
                    _ => (normal, false),
                };
                Next::Direct {
                    queue,
                    sticky,
                    durability: shard.durability(&key),
                    key,
                }
            }
            Plan::Buffer => {
                let id = node.ids().uuid();
                query::buffer(
                    run,
                    node.limits(),
                    BufferedQuery {
                        id: id.clone(),
                        query: query.clone(),
                        delivered: false,
                    },
                )?;
                let end = shard.await_query(id.clone());
                Next::Buffered { key, id, end }
            }
            Plan::WaitForTask => Next::Wait(shard.watch(&key)),
        })
    }

    /// Hands the query to a poller of the queue. `None`: the worker's own queue is deserted.
    async fn ask(
        &self,
        call: &Call,
        key: &Arc<RunKey>,
        queue: &str,
        sticky: bool,
        query: &Arc<WorkflowQuery>,
        until: Instant,
    ) -> Result<Option<Answer>, Refusal> {
        let node = self.node();
        let queue = QueueKey {
            namespace_id: call.namespace.id.as_str().into(),
            kind: TaskKind::Workflow,
            name: queue.into(),
        };
        let now = node.now();
        let mut until_here = until;
        if sticky {
            if !node.queues.has_recent_poller(&queue, now) {
                self.forget_sticky(call, key);
                return Ok(None);
            }
            until_here = until.min(instant() + self.sticky_patience(key));
        }
        let id = node.ids().uuid();
        let (sender, receiver) = oneshot::channel();
        lock(&self.queries.waiting).insert(id.clone(), sender);
        let task = QueryTask {
            id: id.clone(),
            run: key.clone(),
            query: query.clone(),
            sticky,
        };
        let offered = node.queues.offer_query(&queue, now, task);
        let asked = Asked { engine: self, id };
        let Some(offered) = offered else {
            return Err(Refusal::busy_workflow(
                "too many queries wait on this task queue",
            ));
        };
        let answer = tokio::time::timeout_at(until_here.into(), receiver).await;
        node.queues.withdraw(&queue, offered);
        drop(asked);
        match answer {
            Ok(Ok(answer)) => Ok(Some(answer)),
            // The queue was emptied, as when its worker shuts down.
            Ok(Err(_)) if sticky => Ok(None),
            _ if sticky && instant() < until => {
                self.forget_sticky(call, key);
                Ok(None)
            }
            _ => Err(too_late()),
        }
    }

    /// Forgets which worker has the run in its cache: it did not answer.
    fn forget_sticky(&self, call: &Call, key: &Arc<RunKey>) {
        let node = self.node();
        let mut shard = node.lock_of(&key.namespace_id, &key.workflow_id);
        if !matches!(shard.load(key), Ok(true)) {
            return;
        }
        let run = shard.run_mut(key);
        if !run.is_open() || run.head.workflow_task.is_some() {
            return;
        }
        let view = View::new(node, &call.namespace);
        let cx = view.context(node, node.now());
        if let Ok(outcome) = steadfast_core::workflow_task::reset_sticky(run, &cx) {
            let change = crate::shard::RunChange {
                key: key.clone(),
                outcome,
            };
            let _ = shard.commit(node, vec![change], Default::default(), None);
        }
    }

    fn sticky_patience(&self, key: &RunKey) -> Duration {
        let node = self.node();
        let mut shard = node.lock_of(&key.namespace_id, &key.workflow_id);
        if !matches!(shard.load(key), Ok(true)) {
            return Duration::ZERO;
        }
        let sticky = shard.run(key).head.sticky.as_ref();
        let patience = sticky.map_or(0, |sticky| sticky.schedule_to_start);
        Duration::from_millis(u64::try_from(patience / MILLISECOND).unwrap_or_default())
            .max(Duration::from_secs(1))
    }

    fn is_too_large(&self, answer: Option<&Payloads>) -> bool {
        answer.is_some_and(|answer| answer.encoded_len() > self.limits().blob_size)
    }
}

/// Takes a buffered query back when its caller goes.
struct Waiting<'a> {
    engine: &'a Engine,
    call: &'a Call,
    key: &'a Arc<RunKey>,
    id: String,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let node = self.engine.node();
        let mut shard = node.lock_of(&self.call.namespace.id, &self.key.workflow_id);
        shard.forget_query(&self.id);
        if matches!(shard.load(self.key), Ok(true)) {
            query::cancel(shard.run_mut(self.key), &self.id);
        }
    }
}

/// Forgets a direct query when its caller goes.
struct Asked<'a> {
    engine: &'a Engine,
    id: String,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        lock(&self.engine.queries.waiting).remove(&self.id);
    }
}

/// The worker's answer, or its failure.
fn judge(
    result_type: i32,
    answer: Option<Payloads>,
    error_message: String,
    failure: Option<steadfast_protocol::failure::Failure>,
) -> Answer {
    if result_type == QueryResultType::Answered as i32 {
        return Ok(answer);
    }
    Err(Refusal::QueryFailed {
        message: error_message,
        failure: failure.map(Box::new),
    })
}

fn answered(call: &Call, key: &RunKey, query_result: Option<Payloads>) -> QueryWorkflowResponse {
    QueryWorkflowResponse {
        query_result,
        query_rejected: None,
        link: Some(link(call, key, "Query processed")),
    }
}

fn link(call: &Call, key: &RunKey, reason: &str) -> Link {
    Link {
        variant: Some(Variant::Workflow(Workflow {
            namespace: call.namespace.name.clone(),
            workflow_id: key.workflow_id.clone(),
            run_id: key.run_id.clone(),
            reason: reason.to_owned(),
        })),
    }
}

fn too_late() -> Refusal {
    Refusal::DeadlineExceeded("query timed out before a worker could process it".to_owned())
}
