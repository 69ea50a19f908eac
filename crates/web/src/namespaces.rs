//! The namespaces, and one of them: how long runs are kept, its attributes, what it allows.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::{get, post};
use steadfast_protocol::Duration;
use steadfast_protocol::enums::{IndexedValueType, NamespaceState};
use steadfast_protocol::namespace::{NamespaceConfig, UpdateNamespaceInfo};
use steadfast_protocol::operatorservice::{
    AddSearchAttributesRequest, ListSearchAttributesRequest,
};
use steadfast_protocol::workflowservice::{
    DescribeNamespaceRequest, DescribeNamespaceResponse, ListNamespacesRequest,
    RegisterNamespaceRequest, UpdateNamespaceRequest,
};

use crate::app::App;
use crate::failure::PageError;
use crate::form::{Form, see};
use crate::params::Params;
use crate::shell::{Section, Shell};
use crate::time;
use crate::token;
use crate::visit::{Visit, page};

const PAGE_SIZE: i32 = 100;
const DAY_S: i64 = 24 * 3600;

/// The types an attribute may have, in the order in which the form offers them.
const TYPES: [(IndexedValueType, &str); 7] = [
    (IndexedValueType::Keyword, "Keyword"),
    (IndexedValueType::Text, "Text"),
    (IndexedValueType::Int, "Int"),
    (IndexedValueType::Double, "Double"),
    (IndexedValueType::Bool, "Bool"),
    (IndexedValueType::Datetime, "Datetime"),
    (IndexedValueType::KeywordList, "KeywordList"),
];

/// A namespace as pages show it.
struct Facts {
    name: String,
    id: String,
    state: &'static str,
    description: String,
    owner: String,
    retention: String,
    retention_days: i64,
}

/// A search attribute as pages show it.
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
}

#[derive(Template)]
#[template(path = "namespaces.html")]
struct NamespacesPage {
    shell: Shell,
    rows: Vec<Facts>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "namespace.html")]
struct NamespacePage {
    shell: Shell,
    facts: Facts,
    custom: Vec<Attribute>,
    system: Vec<Attribute>,
}

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/namespaces", get(list).post(create))
        .route("/select-namespace", get(list))
        .route("/namespaces/{namespace}/about", get(about).post(update))
        .route(
            "/namespaces/{namespace}/search-attributes",
            post(add_attribute),
        )
}

async fn list(visit: Visit) -> Result<Response, PageError> {
    let request = ListNamespacesRequest {
        page_size: PAGE_SIZE,
        next_page_token: token::decode(visit.params.text("token")).into(),
        ..ListNamespacesRequest::default()
    };
    let answer = visit.backend.workflow().list_namespaces(request).await?;
    let answer = answer.into_inner();
    let next = match answer.next_page_token.is_empty() {
        true => None,
        false => {
            let token = token::encode(&answer.next_page_token);
            Some(visit.here(&Params::default().with("token", &token)))
        }
    };
    // The server's order is that of ids nobody sees.
    let mut rows: Vec<_> = answer.namespaces.iter().map(facts).collect();
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    page(&NamespacesPage {
        rows,
        next,
        shell: visit.shell(None, Section::None, "Namespaces").await,
    })
}

async fn create(visit: Visit, Form(form): Form) -> Result<Response, PageError> {
    let name = form.text("name").trim();
    let request = RegisterNamespaceRequest {
        namespace: name.to_owned(),
        description: form.text("description").to_owned(),
        workflow_execution_retention_period: Some(retention(&form)?),
        ..RegisterNamespaceRequest::default()
    };
    visit.backend.workflow().register_namespace(request).await?;
    Ok(see(&visit.links.about(name)))
}

async fn about(visit: Visit, Path(name): Path<String>) -> Result<Response, PageError> {
    let request = DescribeNamespaceRequest {
        namespace: name.clone(),
        ..DescribeNamespaceRequest::default()
    };
    let answer = visit.backend.workflow().describe_namespace(request).await?;
    let attributes = ListSearchAttributesRequest {
        namespace: name.clone(),
    };
    let attributes = visit
        .backend
        .operator()
        .list_search_attributes(attributes)
        .await?;
    let attributes = attributes.into_inner();
    page(&NamespacePage {
        facts: facts(answer.get_ref()),
        custom: shown(attributes.custom_attributes),
        system: shown(attributes.system_attributes),
        shell: visit.shell(Some(&name), Section::Namespace, &name).await,
    })
}

async fn update(
    visit: Visit,
    Path(name): Path<String>,
    Form(form): Form,
) -> Result<Response, PageError> {
    let request = UpdateNamespaceRequest {
        namespace: name.clone(),
        update_info: Some(UpdateNamespaceInfo {
            description: form.text("description").to_owned(),
            owner_email: form.text("owner").to_owned(),
            ..UpdateNamespaceInfo::default()
        }),
        config: Some(NamespaceConfig {
            workflow_execution_retention_ttl: Some(retention(&form)?),
            ..NamespaceConfig::default()
        }),
        ..UpdateNamespaceRequest::default()
    };
    visit.backend.workflow().update_namespace(request).await?;
    Ok(see(&visit.links.about(&name)))
}

async fn add_attribute(
    visit: Visit,
    Path(name): Path<String>,
    Form(form): Form,
) -> Result<Response, PageError> {
    let attribute = form.text("name").trim();
    let kind = TYPES.iter().find(|(_, word)| *word == form.text("kind"));
    let (Some((kind, _)), false) = (kind, attribute.is_empty()) else {
        return Err(PageError::invalid(
            "A search attribute needs a name and a type.",
        ));
    };
    let request = AddSearchAttributesRequest {
        search_attributes: BTreeMap::from([(attribute.to_owned(), *kind as i32)]),
        namespace: name.clone(),
    };
    visit
        .backend
        .operator()
        .add_search_attributes(request)
        .await?;
    Ok(see(&visit.links.about(&name)))
}

fn retention(form: &Params) -> Result<Duration, PageError> {
    let days: Option<i64> = form.number("days");
    match days.filter(|days| (1..=36_500).contains(days)) {
        Some(days) => Ok(Duration {
            seconds: days * DAY_S,
            nanos: 0,
        }),
        None => Err(PageError::invalid(
            "Closed runs are kept for a number of days, 1 or more.",
        )),
    }
}

fn facts(namespace: &DescribeNamespaceResponse) -> Facts {
    let info = namespace.namespace_info.clone().unwrap_or_default();
    let config = namespace.config.as_ref();
    let retention = config.and_then(|config| config.workflow_execution_retention_ttl);
    Facts {
        state: match info.state() {
            NamespaceState::Registered => "Registered",
            NamespaceState::Deprecated => "Deprecated",
            NamespaceState::Deleted => "Deleted",
            NamespaceState::Unspecified => "Unknown",
        },
        name: info.name,
        id: info.id,
        description: info.description,
        owner: info.owner_email,
        retention: retention.map_or_else(String::new, |span| time::duration(time::nanos(&span))),
        retention_days: retention.map_or(1, |span| (span.seconds / DAY_S).max(1)),
    }
}

pub(crate) fn shown(attributes: BTreeMap<String, i32>) -> Vec<Attribute> {
    let shown = attributes.into_iter().map(|(name, kind)| Attribute {
        name,
        kind: IndexedValueType::try_from(kind)
            .ok()
            .and_then(|kind| TYPES.iter().find(|(other, _)| *other == kind))
            .map_or("Unknown", |(_, word)| word),
    });
    shown.collect()
}
