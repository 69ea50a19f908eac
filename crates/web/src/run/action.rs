//! What can be done to a run: signal, cancel, terminate.

use axum::extract::Path;
use axum::response::Response;
use steadfast_protocol::common::{Payload, Payloads};
use steadfast_protocol::workflowservice::{
    RequestCancelWorkflowExecutionRequest, SignalWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
};

use super::load::execution;
use super::{RunPath, named};
use crate::failure::PageError;
use crate::form::{Form, see};
use crate::history::index::RunName;
use crate::payload::json;
use crate::visit::Visit;

/// Who does what is done here, as histories show it.
const IDENTITY: &str = "steadfast-ui";

pub(super) async fn signal(
    Path(path): RunPath,
    visit: Visit,
    Form(form): Form,
) -> Result<Response, PageError> {
    let run = named(path);
    let request = SignalWorkflowExecutionRequest {
        namespace: run.namespace.clone(),
        workflow_execution: Some(execution(&run)),
        signal_name: form.text("name").to_owned(),
        input: input(form.text("input"))?,
        identity: IDENTITY.to_owned(),
        request_id: form.text("request").to_owned(),
        ..Default::default()
    };
    visit
        .backend
        .workflow()
        .signal_workflow_execution(request)
        .await?;
    Ok(done(&visit, &run, "signal"))
}

pub(super) async fn cancel(
    Path(path): RunPath,
    visit: Visit,
    Form(form): Form,
) -> Result<Response, PageError> {
    let run = named(path);
    let request = RequestCancelWorkflowExecutionRequest {
        namespace: run.namespace.clone(),
        workflow_execution: Some(execution(&run)),
        identity: IDENTITY.to_owned(),
        request_id: form.text("request").to_owned(),
        reason: form.text("reason").to_owned(),
        ..Default::default()
    };
    visit
        .backend
        .workflow()
        .request_cancel_workflow_execution(request)
        .await?;
    Ok(done(&visit, &run, "cancel"))
}

pub(super) async fn terminate(
    Path(path): RunPath,
    visit: Visit,
    Form(form): Form,
) -> Result<Response, PageError> {
    let run = named(path);
    let request = TerminateWorkflowExecutionRequest {
        namespace: run.namespace.clone(),
        workflow_execution: Some(execution(&run)),
        reason: form.text("reason").to_owned(),
        identity: IDENTITY.to_owned(),
        ..Default::default()
    };
    visit
        .backend
        .workflow()
        .terminate_workflow_execution(request)
        .await?;
    Ok(done(&visit, &run, "terminate"))
}

/// What somebody typed as a payload, digit for digit; none for nothing.
pub(super) fn input(text: &str) -> Result<Option<Payloads>, PageError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if json::pretty(text).is_none() {
        return Err(PageError::invalid(format!(
            "The input is not JSON. Go back and mend it; text needs quotes: \"{}\"",
            text.replace('"', "\\\"")
        )));
    }
    let payload = Payload {
        metadata: [("encoding".to_owned(), "json/plain".into())].into(),
        data: text.to_owned().into(),
        ..Default::default()
    };
    Ok(Some(Payloads {
        payloads: vec![payload],
    }))
}

fn done(visit: &Visit, run: &RunName, what: &str) -> Response {
    let page = visit
        .links
        .run(&run.namespace, &run.workflow_id, &run.run_id);
    see(&format!("{page}?done={what}"))
}
