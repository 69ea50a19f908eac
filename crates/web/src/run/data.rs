//! What a run carries: memo, search attributes, and what its author says of it.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use steadfast_protocol::common::Payload;
use steadfast_protocol::workflowservice::DescribeWorkflowExecutionResponse;

use super::head::{self, Head};
use super::load::{load, readable};
use super::summary::payload_map;
use super::{RunPath, named, query};
use crate::failure::PageError;
use crate::history::attributes::{self, Attribute, Content};
use crate::payload::PayloadView;
use crate::payload::failure::text_of;
use crate::payload::markdown::Markdown;
use crate::shell::Shell;
use crate::visit::{Visit, page};

#[derive(Template)]
#[template(path = "run/data.html")]
struct Data {
    shell: Shell,
    head: Head,
    summary: Markdown,
    details: Markdown,
    current_details: Markdown,
    memo: Vec<(String, PayloadView)>,
    search_attributes: Vec<(String, PayloadView)>,
    attributes: Vec<Attribute>,
}

pub(super) async fn show(Path(path): RunPath, visit: Visit) -> Result<Response, PageError> {
    let loaded = load(&visit, named(path)).await?;
    let name = "temporal.api.workflowservice.v1.DescribeWorkflowExecutionResponse";
    let namespace = loaded.name.namespace.clone();
    let description = loaded.description.clone();
    let (description, problem) = readable(&visit, &namespace, name, description).await;
    let DescribeWorkflowExecutionResponse {
        execution_config: config,
        workflow_execution_info: info,
        workflow_extended_info: extended,
        ..
    } = description;
    let (config, mut info) = (config.unwrap_or_default(), info.unwrap_or_default());
    let author = config.user_metadata.clone().unwrap_or_default();
    let memo = info.memo.take().unwrap_or_default().fields;
    let search_attributes = info
        .search_attributes
        .take()
        .unwrap_or_default()
        .indexed_fields;
    let api = "temporal.api.workflow.v1";
    let mut rest = attributes::of_message(&format!("{api}.WorkflowExecutionInfo"), &info);
    rest.extend(attributes::of_message(
        &format!("{api}.WorkflowExecutionConfig"),
        &config,
    ));
    if let Some(extended) = extended {
        rest.extend(attributes::of_message(
            &format!("{api}.WorkflowExecutionExtendedInfo"),
            &extended,
        ));
    }
    let current_details = match loaded.is_open() && !loaded.has_no_worker() {
        true => query::metadata(&visit, &loaded.name)
            .await
            .map(|found| found.current_details),
        false => None,
    };
    let mut head = Head::new(&visit, &loaded, "metadata");
    head.codec_problem = problem;
    page(&Data {
        shell: head::shell(&visit, &loaded, "metadata").await,
        head,
        summary: said(author.summary.as_ref()),
        details: said(author.details.as_ref()),
        current_details: Markdown::new(&current_details.unwrap_or_default()),
        memo: payload_map(&memo),
        search_attributes: payload_map(&search_attributes),
        attributes: rest,
    })
}

fn said(payload: Option<&Payload>) -> Markdown {
    payload.map_or_else(Markdown::default, |payload| {
        Markdown::new(&text_of(payload))
    })
}
