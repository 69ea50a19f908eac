//! Queries: what the code of a workflow answers about itself, its call stack among it.

use std::time::Duration;

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use prost_reflect::DynamicMessage;
use steadfast_protocol::common::Payloads;
use steadfast_protocol::enums::QueryRejectCondition;
use steadfast_protocol::query::WorkflowQuery;
use steadfast_protocol::sdk::{
    WorkflowDefinition, WorkflowInteractionDefinition, WorkflowMetadata,
};
use steadfast_protocol::workflowservice::QueryWorkflowRequest;

use super::action::input;
use super::head::{self, Head};
use super::load::{Loaded, execution, load, readable};
use super::{RunPath, named};
use crate::failure::PageError;
use crate::form::Form;
use crate::history::attributes::reflect;
use crate::history::index::RunName;
use crate::payload::{PayloadView, json};
use crate::shell::Shell;
use crate::visit::{Visit, page};

const STACK_TRACE: &str = "__stack_trace";
const METADATA: &str = "__temporal_workflow_metadata";
/// A worker may have to replay the whole history first.
const QUERY_TIME: Duration = Duration::from_secs(15);
/// A page does not wait for a list of queries as long as for an answer to one.
const METADATA_TIME: Duration = Duration::from_secs(3);

#[derive(Template)]
#[template(path = "run/query.html")]
struct QueryPage {
    shell: Shell,
    head: Head,
    no_worker: bool,
    queries: Vec<WorkflowInteractionDefinition>,
    signals: Vec<WorkflowInteractionDefinition>,
    updates: Vec<WorkflowInteractionDefinition>,
    asked: String,
    typed: String,
    answer: Option<Vec<PayloadView>>,
    problem: String,
}

#[derive(Template)]
#[template(path = "run/call_stack.html")]
struct CallStack {
    shell: Shell,
    head: Head,
    no_worker: bool,
    stack: String,
    problem: String,
}

pub(super) async fn show(Path(path): RunPath, visit: Visit) -> Result<Response, PageError> {
    let loaded = load(&visit, named(path)).await?;
    page(&QueryPage::new(&visit, &loaded).await)
}

pub(super) async fn ask(
    Path(path): RunPath,
    visit: Visit,
    Form(form): Form,
) -> Result<Response, PageError> {
    let loaded = load(&visit, named(path)).await?;
    let mut shown = QueryPage::new(&visit, &loaded).await;
    form.text("query").clone_into(&mut shown.asked);
    form.text("input").clone_into(&mut shown.typed);
    match input(&shown.typed) {
        Err(error) => shown.problem = error.message,
        Ok(arguments) => {
            match query(&visit, &loaded.name, &shown.asked, arguments, QUERY_TIME).await {
                Err(error) => shown.problem = error.message,
                Ok(answer) => {
                    let name = "temporal.api.common.v1.Payloads";
                    let namespace = &loaded.name.namespace;
                    let (answer, problem) = readable(&visit, namespace, name, answer).await;
                    shown.head.codec_problem = problem;
                    shown.answer = Some(PayloadView::list(Some(&answer)));
                }
            }
        }
    }
    page(&shown)
}

pub(super) async fn call_stack(Path(path): RunPath, visit: Visit) -> Result<Response, PageError> {
    let loaded = load(&visit, named(path)).await?;
    let head = Head::new(&visit, &loaded, "call-stack");
    let mut shown = CallStack {
        shell: head::shell(&visit, &loaded, "call-stack").await,
        head,
        no_worker: has_no_worker(&visit, &loaded).await,
        stack: String::new(),
        problem: String::new(),
    };
    if !shown.no_worker {
        match query(&visit, &loaded.name, STACK_TRACE, None, QUERY_TIME).await {
            Err(error) => shown.problem = error.message,
            Ok(answer) => {
                let text = decoded(&visit, &loaded.name, answer)
                    .await
                    .payloads
                    .first()
                    .map(PayloadView::new)
                    .unwrap_or_else(|| {
                        PayloadView::new(&steadfast_protocol::common::Payload::default())
                    });
                shown.stack = json::string(&text.text).unwrap_or(text.text);
            }
        }
    }
    page(&shown)
}

impl QueryPage {
    async fn new(visit: &Visit, loaded: &Loaded) -> Self {
        let no_worker = has_no_worker(visit, loaded).await;
        let known = match no_worker {
            true => None,
            false => metadata(visit, &loaded.name).await,
        };
        let definition = known.and_then(|known| known.definition).unwrap_or_default();
        let head = Head::new(visit, loaded, "query");
        let own = |definitions: Vec<WorkflowInteractionDefinition>| {
            let own = definitions
                .into_iter()
                .filter(|one| !one.name.starts_with("__"));
            own.collect::<Vec<_>>()
        };
        Self {
            shell: head::shell(visit, loaded, "query").await,
            head,
            no_worker,
            queries: own(definition.query_definitions),
            signals: own(definition.signal_definitions),
            updates: own(definition.update_definitions),
            asked: String::new(),
            typed: String::new(),
            answer: None,
            problem: String::new(),
        }
    }
}

/// Closed runs can be asked too, so their pollers matter as well.
async fn has_no_worker(visit: &Visit, loaded: &Loaded) -> bool {
    if loaded.is_open() {
        return loaded.has_no_worker();
    }
    let request = steadfast_protocol::workflowservice::DescribeTaskQueueRequest {
        namespace: loaded.name.namespace.clone(),
        task_queue: Some(steadfast_protocol::taskqueue::TaskQueue {
            name: loaded.info.task_queue.clone(),
            ..Default::default()
        }),
        task_queue_type: steadfast_protocol::enums::TaskQueueType::Workflow as i32,
        ..Default::default()
    };
    let answer = visit.backend.workflow().describe_task_queue(request).await;
    answer.is_ok_and(|answer| answer.into_inner().pollers.is_empty())
}

/// What a workflow says it can be asked; none if it does not say.
pub(super) async fn metadata(visit: &Visit, run: &RunName) -> Option<WorkflowMetadata> {
    let answer = match query(visit, run, METADATA, None, METADATA_TIME).await {
        Ok(answer) => answer,
        Err(error) => return queries_in(&error.message),
    };
    let answer = decoded(visit, run, answer).await;
    let payload = answer.payloads.first()?;
    let descriptor = prost_reflect::ReflectMessage::descriptor(&reflect(
        "temporal.api.sdk.v1.WorkflowMetadata",
        &WorkflowMetadata::default(),
    )?);
    let mut deserializer = serde_json::Deserializer::from_slice(&payload.data);
    let options = prost_reflect::DeserializeOptions::new().deny_unknown_fields(false);
    let message =
        DynamicMessage::deserialize_with_options(descriptor, &mut deserializer, &options).ok()?;
    message.transcode_to().ok()
}

/// SDKs that do not know this query name those that they know, in brackets.
fn queries_in(refusal: &str) -> Option<WorkflowMetadata> {
    let (_, names) = refusal.rsplit_once('[')?;
    let (names, _) = names.split_once(']')?;
    let names = names.split([',', ' ']).filter(|name| !name.is_empty());
    let query_definitions = names.map(|name| WorkflowInteractionDefinition {
        name: name.to_owned(),
        ..Default::default()
    });
    Some(WorkflowMetadata {
        definition: Some(WorkflowDefinition {
            query_definitions: query_definitions.collect(),
            ..Default::default()
        }),
        ..Default::default()
    })
    .filter(|_| refusal.contains(METADATA))
}

/// An answer as a codec reads it, or as it came.
async fn decoded(visit: &Visit, run: &RunName, answer: Payloads) -> Payloads {
    let name = "temporal.api.common.v1.Payloads";
    readable(visit, &run.namespace, name, answer).await.0
}

async fn query(
    visit: &Visit,
    run: &RunName,
    query: &str,
    arguments: Option<Payloads>,
    time: Duration,
) -> Result<Payloads, PageError> {
    let request = QueryWorkflowRequest {
        namespace: run.namespace.clone(),
        execution: Some(execution(run)),
        query: Some(WorkflowQuery {
            query_type: query.to_owned(),
            query_args: arguments,
            header: None,
        }),
        query_reject_condition: QueryRejectCondition::None as i32,
    };
    let answer = visit
        .backend
        .within(time)
        .workflow()
        .query_workflow(request)
        .await?;
    Ok(answer.into_inner().query_result.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_sdk_names_its_queries_when_it_refuses() {
        let names = |refusal: &str| {
            let definition = queries_in(refusal)?.definition?;
            let names = definition.query_definitions.into_iter();
            Some(names.map(|one| one.name).collect::<Vec<_>>().join("|"))
        };
        let refusal =
            "unknown queryType __temporal_workflow_metadata. KnownQueryTypes=[__stack_trace state]";
        assert_eq!(names(refusal).as_deref(), Some("__stack_trace|state"));
        assert_eq!(
            names("__temporal_workflow_metadata: known: [a, b]").as_deref(),
            Some("a|b")
        );
        assert_eq!(names("no worker [x]"), None);
        assert_eq!(names("__temporal_workflow_metadata"), None);
    }
}
