//! Saved views: the parameters of a list under a name, for all who use the namespace. They are kept in the data of
//! the namespace, which every client can read and write.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::response::Response;
use steadfast_protocol::namespace::UpdateNamespaceInfo;
use steadfast_protocol::workflowservice::{DescribeNamespaceRequest, UpdateNamespaceRequest};

use crate::backend::Backend;
use crate::failure::PageError;
use crate::form::{Form, see};
use crate::params::Params;
use crate::visit::Visit;

/// What the names of views begin with in the data of the namespace.
const PREFIX: &str = "ui.view.";
const VIEWS_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 60;

/// What a view keeps of a URL.
const KEPT: [&str; 3] = ["query", "col", "size"];

/// A saved view.
pub(crate) struct View {
    pub(crate) name: String,
    pub(crate) params: Params,
}

/// The views of a namespace, by name.
pub(crate) async fn of(backend: &Backend, namespace: &str) -> Result<Vec<View>, PageError> {
    let request = DescribeNamespaceRequest {
        namespace: namespace.to_owned(),
        ..DescribeNamespaceRequest::default()
    };
    let answer = backend.workflow().describe_namespace(request).await?;
    let data = answer.into_inner().namespace_info.unwrap_or_default().data;
    // An entry cannot be taken out again; an empty one is as good as none.
    let views = data.into_iter().filter(|(_, text)| !text.is_empty());
    let views = views.filter_map(|(key, text)| {
        Some(View {
            name: key.strip_prefix(PREFIX)?.to_owned(),
            params: Params::parse(text.trim_start_matches('?')),
        })
    });
    Ok(views.take(VIEWS_MAX).collect())
}

/// Saves the view in the form, or takes it out.
pub(crate) async fn change(
    visit: Visit,
    Path(namespace): Path<String>,
    Form(form): Form,
) -> Result<Response, PageError> {
    let name = form.text("name").trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(PageError::invalid(
            "A view needs a name of up to 60 characters.",
        ));
    }
    let mut view = Params::default();
    for (key, value) in Params::parse(form.text("view").trim_start_matches('?')).iter() {
        if KEPT.contains(&key) {
            view.push(key, value);
        }
    }
    let removed = form.is_on("remove");
    if !removed && of(&visit.backend, &namespace).await?.len() >= VIEWS_MAX {
        return Err(PageError::invalid(
            "There are too many views already. Take one out first.",
        ));
    }
    let query = view.query();
    let text = match (removed, query.as_str()) {
        (true, _) => String::new(),
        (false, "") => "?".to_owned(),
        (false, query) => query.to_owned(),
    };
    let request = UpdateNamespaceRequest {
        namespace: namespace.clone(),
        update_info: Some(UpdateNamespaceInfo {
            data: BTreeMap::from([(format!("{PREFIX}{name}"), text)]),
            ..UpdateNamespaceInfo::default()
        }),
        ..UpdateNamespaceRequest::default()
    };
    visit.backend.workflow().update_namespace(request).await?;
    Ok(see(&(visit.links.workflows(&namespace) + &query)))
}
