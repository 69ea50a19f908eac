//! The list of workflows.

use askama::Template;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use steadfast_protocol::operatorservice::ListSearchAttributesRequest;
use steadfast_protocol::workflow::WorkflowExecutionInfo;
use steadfast_protocol::workflowservice::ListWorkflowExecutionsRequest;

use super::columns::{self, Column, Heading};
use super::counts::{self, Counts};
use super::live;
use super::query::{OPERATORS, Query, condition, quoted};
use super::row::Row;
use super::views;
use crate::failure::PageError;
use crate::form::see;
use crate::fresh::Fresh;
use crate::namespaces::{self, Attribute};
use crate::params::Params;
use crate::shell::{Section, Shell};
use crate::token;
use crate::visit::{Visit, page};

/// Sizes of a page that are offered, the usual one first. A row is some 16 elements, and a page is to have 2,500 at most.
const SIZES: [usize; 3] = [50, 20, 100];
/// With more columns than these, each is as wide as what stands in it.
const EVEN_MAX: usize = 8;
/// As many pages back as the link to the previous one leads.
const TRAIL_MAX: usize = 10;

#[derive(Template)]
#[template(path = "workflows/list.html")]
struct ListPage {
    shell: Shell,
    /// What the query is, as text.
    query: String,
    /// The same list in a terminal.
    command: String,
    /// Why the server does not take it.
    objection: Option<String>,
    chips: Vec<FilterChip>,
    /// Quick filters.
    quick: Vec<QuickLink>,
    counts: Option<Counts>,
    new_rows: Fresh,
    attributes: Vec<Attribute>,
    headings: Vec<Heading>,
    all_columns: Vec<Column>,
    rows: Vec<Row>,
    views: Vec<ViewLink>,
    /// What a view would keep of this page.
    view: String,
    /// Parameters that the forms of this page must keep, without the query.
    kept: Params,
    size: usize,
    number: usize,
    first: Option<String>,
    previous: Option<String>,
    next: Option<String>,
    /// Nothing has been started in this namespace yet.
    untouched: bool,
}

struct FilterChip {
    text: String,
    /// The page without it.
    without: String,
}

struct QuickLink {
    name: &'static str,
    url: String,
    current: bool,
}

struct ViewLink {
    name: String,
    url: String,
    current: bool,
}

/// What of the URL makes a list, wherever one is in it.
pub(super) fn lasting(params: &Params) -> Params {
    let mut lasting = Params::default();
    for (name, value) in params.iter() {
        if matches!(name, "query" | "col" | "size") && !value.is_empty() {
            lasting.push(name, value);
        }
    }
    lasting
}

/// How many rows a page has.
fn size(params: &Params) -> usize {
    let size = params.number("size").filter(|size| SIZES.contains(size));
    size.unwrap_or(SIZES[0])
}

pub(super) async fn show(
    visit: Visit,
    Path(namespace): Path<String>,
) -> Result<Response, PageError> {
    let query = Query::parse(visit.params.text("query"));
    let attributes = attributes(&visit, &namespace).await?;
    if let Some(name) = visit.params.get("add") {
        return Ok(added(&visit, &namespace, &query, name, &attributes));
    }
    let link = |query: &Query| here(&visit, &namespace, query);
    let size = size(&visit.params);
    let request = ListWorkflowExecutionsRequest {
        namespace: namespace.clone(),
        page_size: size as i32,
        next_page_token: token::decode(visit.params.text("token")).into(),
        query: query.text(),
    };
    let mut client = visit.backend.workflow();
    let rest = async {
        tokio::join!(
            client.list_workflow_executions(request),
            views::of(&visit.backend, &namespace),
            visit.shell(Some(&namespace), Section::Workflows, "Workflows"),
        )
    };
    let ((answer, views, shell), counted) = counts::beside(&visit, &namespace, &query, rest).await;
    let whole = visit.here(&visit.params.with("counts", "whole"));
    let counts = counted.map(|counted| Counts::new(&query, link, counted.as_ref(), whole));
    // A query that makes no sense is put right on this page; all else leads away from it.
    let (found, next_token, objection) = match answer {
        Ok(answer) => {
            let answer = answer.into_inner();
            (answer.executions, answer.next_page_token, None)
        }
        Err(status) if status.code() == tonic::Code::InvalidArgument => (
            Vec::new(),
            Default::default(),
            Some(status.message().to_owned()),
        ),
        Err(status) => return Err(status.into()),
    };
    let columns = columns::chosen(&visit.params);
    let rows = |info: &WorkflowExecutionInfo| {
        Row::new(&visit.links, &visit.clock, &namespace, info, &columns)
    };
    let rows: Vec<_> = found.iter().map(rows).collect();
    let lasting = lasting(&visit.params);
    let pages = Pages::new(&visit, &namespace, &next_token);
    let failed = objection.is_some();
    let shell = match failed {
        true => shell,
        false => shell.live(live::url(&visit, &namespace, &found)),
    };
    let names: Vec<_> = attributes
        .iter()
        .map(|attribute| attribute.name.clone())
        .collect();
    let template = ListPage {
        untouched: rows.is_empty() && query == Query::default() && pages.number == 1,
        chips: chips(&query, link),
        quick: quick(&visit, &query, link),
        counts: counts.ok(),
        new_rows: live::no_new_rows(&query),
        all_columns: columns::all(&visit.params, &names),
        headings: columns
            .iter()
            .map(|column| Heading::of(column, &query, &attributes, link))
            .collect(),
        views: view_links(&visit, &namespace, views.unwrap_or_default(), &lasting),
        view: lasting.query(),
        kept: lasting.without("query"),
        command: command(&shell, &query),
        query: query.text(),
        number: pages.number,
        first: pages.first,
        previous: pages.previous,
        next: pages.next,
        objection,
        attributes,
        rows,
        size,
        shell,
    };
    let page = page(&template)?;
    Ok(match failed {
        true => (StatusCode::BAD_REQUEST, page).into_response(),
        false => page,
    })
}

/// What the CLI lists with the same query; it knows no order but the usual one.
fn command(shell: &Shell, query: &Query) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let (address, namespace) = (quoted(&shell.grpc_address), quoted(&shell.namespace));
    let condition = query.condition();
    let query = match condition.as_str() {
        "" => String::new(),
        condition => format!(" --query {}", quoted(condition)),
    };
    format!("temporal workflow list --address {address} --namespace {namespace}{query}")
}

/// The list that another query makes, with columns and size as they are.
fn here(visit: &Visit, namespace: &str, query: &Query) -> String {
    let params = lasting(&visit.params).with("query", &query.text());
    visit.links.workflows(namespace) + &params.query()
}

/// The search attributes of a namespace, its own first.
async fn attributes(visit: &Visit, namespace: &str) -> Result<Vec<Attribute>, PageError> {
    let request = ListSearchAttributesRequest {
        namespace: namespace.to_owned(),
    };
    let answer = visit
        .backend
        .operator()
        .list_search_attributes(request)
        .await?;
    let answer = answer.into_inner();
    let mut all = namespaces::shown(answer.custom_attributes);
    all.extend(namespaces::shown(answer.system_attributes));
    Ok(all)
}

/// Takes the condition of the filter form into the query, and goes there.
fn added(
    visit: &Visit,
    namespace: &str,
    query: &Query,
    name: &str,
    attributes: &[Attribute],
) -> Response {
    let found = attributes.iter().find(|attribute| attribute.name == name);
    let kind = found.map_or("Keyword", |attribute| attribute.kind);
    let value = visit.params.text("value");
    let operator = visit.params.get("is").unwrap_or("=");
    // What does not suit the type is left for the server to explain.
    let part = condition(name, operator, value, kind)
        .unwrap_or_else(|| format!("{name} {operator} {value}"));
    see(&here(visit, namespace, &query.and(&part)))
}

fn chips(query: &Query, link: impl Fn(&Query) -> String) -> Vec<FilterChip> {
    let chips = query
        .parts()
        .iter()
        .enumerate()
        .map(|(place, part)| FilterChip {
            text: part.clone(),
            without: link(&query.without(place)),
        });
    chips.collect()
}

fn quick(visit: &Visit, query: &Query, link: impl Fn(&Query) -> String) -> Vec<QuickLink> {
    let ago = |seconds| {
        let time = visit.clock.before(seconds);
        format!("StartTime > {}", quoted(&time))
    };
    let parts = [
        ("No children", "ParentWorkflowId IS NULL".to_owned()),
        ("Last hour", ago(3600)),
        ("Last 24 hours", ago(24 * 3600)),
    ];
    let quick = parts.into_iter().map(|(name, part)| {
        let current = query.parts().contains(&part);
        let base = match part.starts_with("StartTime") {
            true => query.without_attribute("StartTime"),
            false => query.without_attribute("ParentWorkflowId"),
        };
        let url = link(&if current { base } else { base.and(&part) });
        QuickLink { name, url, current }
    });
    quick.collect()
}

fn view_links(
    visit: &Visit,
    namespace: &str,
    views: Vec<views::View>,
    lasting: &Params,
) -> Vec<ViewLink> {
    let links = views.into_iter().map(|view| ViewLink {
        url: visit.links.workflows(namespace) + &view.params.query(),
        current: view.params == *lasting,
        name: view.name,
    });
    links.collect()
}

/// The ways from this page to others.
struct Pages {
    number: usize,
    first: Option<String>,
    previous: Option<String>,
    next: Option<String>,
}

impl Pages {
    fn new(visit: &Visit, namespace: &str, next_token: &[u8]) -> Self {
        let token = visit.params.text("token");
        let number = visit.params.number("page").filter(|_| !token.is_empty());
        let number: usize = number.unwrap_or(1);
        let base = lasting(&visit.params);
        let list = visit.links.workflows(namespace);
        // Tokens lead forward only, so the URL remembers those of the pages before.
        let trail: Vec<&str> = visit.params.all("trail").collect();
        let go = |number: usize, token: &str, trail: &[&str]| {
            let mut params = base.clone();
            if number > 1 {
                params.push("page", &number.to_string());
                params.push("token", token);
            }
            for step in &trail[trail.len().saturating_sub(TRAIL_MAX)..] {
                params.push("trail", step);
            }
            list.clone() + &params.query()
        };
        let mut onward = trail.clone();
        onward.push(token);
        Self {
            first: (number > 1).then(|| go(1, "", &[])),
            previous: (number > 1)
                .then(|| trail.split_last())
                .flatten()
                .map(|(last, before)| go(number - 1, last, before)),
            next: (!next_token.is_empty())
                .then(|| go(number + 1, &token::encode(next_token), &onward)),
            number,
        }
    }
}
