//! One action on many runs: a preview with their number, then the action in portions, each with what became of it.

use std::sync::Arc;

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use futures_util::StreamExt;
use serde_json::value::RawValue;
use steadfast_protocol::common::{Payload, Payloads, WorkflowExecution};
use steadfast_protocol::workflowservice::{
    DeleteWorkflowExecutionRequest, ListWorkflowExecutionsRequest,
    RequestCancelWorkflowExecutionRequest, SignalWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
};
use tonic::{Code, Status};
use uuid::Uuid;

use super::counts;
use super::query::{Query, quoted};
use super::row;
use crate::backend::Backend;
use crate::failure::PageError;
use crate::form::Form;
use crate::params::Params;
use crate::shell::{Section, Shell};
use crate::token;
use crate::visit::{Visit, page};

/// The actions with their words.
pub(crate) const ACTIONS: [(&str, &str); 4] = [
    ("cancel", "Cancel"),
    ("terminate", "Terminate"),
    ("signal", "Signal"),
    ("delete", "Delete"),
];

/// Who did it, as histories say it.
pub(crate) const IDENTITY: &str = "steadfast-ui";
/// So many runs at a time; the rest follows when the page says so.
const PORTION: usize = 500;
/// So many calls at once.
const CALLS_MAX: usize = 16;
/// So many failures are told one by one.
const TOLD_MAX: usize = 50;

#[derive(Template)]
#[template(path = "workflows/bulk.html")]
struct BulkPage {
    shell: Shell,
    action: String,
    word: &'static str,
    /// What is acted on: picked runs, or all that a query finds.
    picked: Vec<String>,
    query: String,
    /// How many there are, for a query.
    count: String,
    count_exact: i64,
    form: Params,
    /// What became of the portion before.
    outcome: Option<Outcome>,
    request_id: String,
}

struct Outcome {
    done: usize,
    failures: Vec<(String, String)>,
    more_failures: usize,
    /// The place from which to go on; none at the end.
    token: Option<String>,
}

/// What an action does: one of the table, with what it needs.
struct Action {
    name: String,
    reason: String,
    signal: String,
    input: Option<Payloads>,
    /// The same for the same form, so that sending it twice signals once.
    request_id: String,
}

pub(super) async fn preview(
    visit: Visit,
    Path(namespace): Path<String>,
) -> Result<Response, PageError> {
    let params = &visit.params;
    let (action, picked): (_, Vec<String>) = match params.get("picked") {
        Some(action) => (action, params.all("run").map(str::to_owned).collect()),
        None => (params.text("all"), Vec::new()),
    };
    let word = word(action)?;
    if params.get("picked").is_some() && picked.is_empty() {
        return Err(PageError::invalid(
            "No run is picked. Go back and tick some.",
        ));
    }
    let query = affected(action, params.text("query"), &visit.clock.before(0));
    let count = match picked.len() {
        0 => counts::of(&visit.backend, &namespace, &query).await?,
        count => count as i64,
    };
    let title = format!("{word} runs");
    let shell = visit.shell(Some(&namespace), Section::Workflows, &title);
    page(&BulkPage {
        shell: shell.await,
        action: action.to_owned(),
        word,
        picked,
        query,
        count: counts::grouped(count),
        count_exact: count,
        form: Params::default(),
        outcome: None,
        request_id: Uuid::new_v4().to_string(),
    })
}

pub(super) async fn act(
    visit: Visit,
    Path(namespace): Path<String>,
    Form(form): Form,
) -> Result<Response, PageError> {
    let action = form.text("action");
    let word = word(action)?;
    let query = form.text("query").to_owned();
    let mut picked: Vec<String> = form.all("run").map(str::to_owned).collect();
    let (runs, next) = match picked.is_empty() {
        false => {
            let named = picked.iter().filter_map(|name| named(name));
            (named.collect(), None)
        }
        true if query.is_empty() => {
            return Err(PageError::invalid("It is not said which runs are meant."));
        }
        true => portion(&visit.backend, &namespace, &query, form.text("token")).await?,
    };
    let action = Arc::new(Action {
        name: action.to_owned(),
        reason: form.text("reason").to_owned(),
        signal: form.text("signal").trim().to_owned(),
        input: input(&form)?,
        request_id: form.text("request").to_owned(),
    });
    if action.name == "signal" && action.signal.is_empty() {
        return Err(PageError::invalid("A signal needs a name."));
    }
    let outcomes = futures_util::stream::iter(runs).map(|run: WorkflowExecution| {
        let (backend, namespace, action) =
            (visit.backend.clone(), namespace.clone(), action.clone());
        async move {
            let id = run.workflow_id.clone();
            (id, action.on(&backend, namespace, run).await)
        }
    });
    let outcomes: Vec<_> = outcomes.buffer_unordered(CALLS_MAX).collect().await;
    let all = outcomes.len();
    let mut failures: Vec<_> = outcomes
        .into_iter()
        .filter_map(|(id, outcome)| Some((id, outcome.err()?.message().to_owned())))
        .collect();
    let failed = failures.len();
    failures.truncate(TOLD_MAX);
    picked.clear();
    let title = format!("{word} runs");
    let shell = visit.shell(Some(&namespace), Section::Workflows, &title);
    page(&BulkPage {
        shell: shell.await,
        action: action.name.clone(),
        word,
        picked,
        query,
        count: String::new(),
        count_exact: 0,
        form,
        outcome: Some(Outcome {
            done: all - failed,
            more_failures: failed - failures.len(),
            failures,
            token: next,
        }),
        request_id: Uuid::new_v4().to_string(),
    })
}

fn word(action: &str) -> Result<&'static str, PageError> {
    let known = ACTIONS.iter().find(|(name, _)| *name == action);
    let (_, word) = known.ok_or_else(|| PageError::invalid("There is no such action."))?;
    Ok(word)
}

/// The runs that an action on a query is about: those that started before the preview, and only running ones where
/// the action is for them.
fn affected(action: &str, query: &str, now: &str) -> String {
    let query = Query::parse(query).and(&format!("StartTime <= {}", quoted(now)));
    match action {
        "delete" => query.condition(),
        _ => query.and("ExecutionStatus = \"Running\"").condition(),
    }
}

fn named(name: &str) -> Option<WorkflowExecution> {
    let params = Params::parse(name.trim_start_matches('?'));
    let run = WorkflowExecution {
        workflow_id: params.get("id")?.to_owned(),
        run_id: params.get("run")?.to_owned(),
    };
    debug_assert_eq!(row::form_name(&run.workflow_id, &run.run_id), name);
    Some(run)
}

/// The next runs that a query finds, and the place after them.
async fn portion(
    backend: &Backend,
    namespace: &str,
    query: &str,
    token: &str,
) -> Result<(Vec<WorkflowExecution>, Option<String>), PageError> {
    let request = ListWorkflowExecutionsRequest {
        namespace: namespace.to_owned(),
        page_size: PORTION as i32,
        next_page_token: token::decode(token).into(),
        query: query.to_owned(),
    };
    let answer = backend.workflow().list_workflow_executions(request).await?;
    let answer = answer.into_inner();
    let runs = answer.executions.into_iter();
    let next = Some(token::encode(&answer.next_page_token));
    Ok((
        runs.filter_map(|info| info.execution).collect(),
        next.filter(|token| !token.is_empty()),
    ))
}

/// The input of a signal: one JSON value, or none.
fn input(form: &Params) -> Result<Option<Payloads>, PageError> {
    let Some(text) = form
        .get("input")
        .map(str::trim)
        .filter(|text| !text.is_empty())
    else {
        return Ok(None);
    };
    if let Err(error) = serde_json::from_str::<&RawValue>(text) {
        return Err(PageError::invalid(format!(
            "The input is no JSON: {error}."
        )));
    }
    Ok(Some(Payloads {
        payloads: vec![json(text)],
    }))
}

/// JSON as it was typed: numbers keep all their digits.
pub(crate) fn json(text: &str) -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), "json/plain".into())].into(),
        data: text.to_owned().into(),
        ..Payload::default()
    }
}

impl Action {
    async fn on(
        &self,
        backend: &Backend,
        namespace: String,
        run: WorkflowExecution,
    ) -> Result<(), Status> {
        let mut client = backend.workflow();
        let identity = IDENTITY.to_owned();
        let reason = self.reason.clone();
        let request_id = format!("{}-{}", self.request_id, run.run_id);
        let workflow_execution = Some(run);
        let outcome = match self.name.as_str() {
            "cancel" => client
                .request_cancel_workflow_execution(RequestCancelWorkflowExecutionRequest {
                    namespace,
                    workflow_execution,
                    identity,
                    request_id,
                    reason,
                    ..Default::default()
                })
                .await
                .map(|_| ()),
            "terminate" => client
                .terminate_workflow_execution(TerminateWorkflowExecutionRequest {
                    namespace,
                    workflow_execution,
                    reason,
                    identity,
                    ..Default::default()
                })
                .await
                .map(|_| ()),
            "signal" => client
                .signal_workflow_execution(SignalWorkflowExecutionRequest {
                    namespace,
                    workflow_execution,
                    signal_name: self.signal.clone(),
                    input: self.input.clone(),
                    identity,
                    request_id,
                    ..Default::default()
                })
                .await
                .map(|_| ()),
            _ => client
                .delete_workflow_execution(DeleteWorkflowExecutionRequest {
                    namespace,
                    workflow_execution,
                })
                .await
                .map(|_| ()),
        };
        match outcome {
            // It closed meanwhile, which is what was wanted.
            Err(status) if status.code() == Code::NotFound && self.name != "signal" => Ok(()),
            outcome => outcome,
        }
    }
}
