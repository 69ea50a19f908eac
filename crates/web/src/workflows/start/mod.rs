//! The form that starts a workflow, empty or filled with what another run was started with.

mod fields;
mod prefill;
mod request;

use askama::Template;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use steadfast_protocol::operatorservice::ListSearchAttributesRequest;
use tonic::Code;

use crate::failure::PageError;
use crate::form::{Form, see};
use crate::namespaces::{self, Attribute};
use crate::shell::{Section, Shell};
use crate::visit::{Visit, page};
use fields::{CONFLICTS, Fields, REUSES};

#[derive(Template)]
#[template(path = "workflows/start.html")]
struct StartPage {
    shell: Shell,
    fields: Fields,
    attributes: Vec<Attribute>,
    /// What the server said about the form as a whole.
    objection: Option<String>,
}

pub(super) async fn show(
    visit: Visit,
    Path(namespace): Path<String>,
) -> Result<Response, PageError> {
    let params = &visit.params;
    let fields = match params.get("workflowId") {
        Some(id) => prefill::like(&visit, &namespace, id, params.text("runId")).await?,
        None => Fields::empty(params),
    };
    render(&visit, &namespace, fields, None).await
}

pub(super) async fn start(
    visit: Visit,
    Path(namespace): Path<String>,
    Form(form): Form,
) -> Result<Response, PageError> {
    let mut fields = Fields::typed(&form);
    if form.is_on("more") {
        fields.inputs.push(fields::Input::default());
        return render(&visit, &namespace, fields, None).await;
    }
    let attributes = attributes(&visit, &namespace).await?;
    let Some(request) = request::of(&namespace, &mut fields, &attributes) else {
        let page = render(&visit, &namespace, fields, None).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    let id = request.workflow_id.clone();
    match visit
        .backend
        .workflow()
        .start_workflow_execution(request)
        .await
    {
        Ok(answer) => Ok(see(&visit.links.run(
            &namespace,
            &id,
            &answer.get_ref().run_id,
        ))),
        Err(status) => match status.code() {
            Code::InvalidArgument | Code::AlreadyExists | Code::FailedPrecondition => {
                let message = Some(status.message().to_owned());
                let page = render(&visit, &namespace, fields, message).await?;
                Ok((PageError::from(status).status, page).into_response())
            }
            _ => Err(status.into()),
        },
    }
}

async fn render(
    visit: &Visit,
    namespace: &str,
    fields: Fields,
    objection: Option<String>,
) -> Result<Response, PageError> {
    let attributes = attributes(visit, namespace).await?;
    let shell = visit.shell(Some(namespace), Section::Workflows, "Start a workflow");
    page(&StartPage {
        shell: shell.await,
        fields,
        attributes,
        objection,
    })
}

async fn attributes(visit: &Visit, namespace: &str) -> Result<Vec<Attribute>, PageError> {
    let request = ListSearchAttributesRequest {
        namespace: namespace.to_owned(),
    };
    let answer = visit
        .backend
        .operator()
        .list_search_attributes(request)
        .await?;
    Ok(namespaces::shown(answer.into_inner().custom_attributes))
}
