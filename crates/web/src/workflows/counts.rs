//! How many runs there are in each status: chips that are counts and filters at once.
//!
//! Most counts are known at once. Those for which the server has to look at very many runs may take longer than a page
//! should: it goes without them, and they follow on its event stream; who has no scripts follows a link to the page with
//! them.

use std::pin::pin;

use askama::Template;
use askama::filters::HtmlSafe;
use steadfast_protocol::workflowservice::{
    CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse,
};

use super::query::{Query, quoted};
use super::row;
use super::tally::PATIENCE;
use crate::backend::Backend;
use crate::failure::PageError;
use crate::status::{self, Shown};
use crate::visit::Visit;

/// The id of the element.
pub(crate) const ELEMENT: &str = "counts";
/// In a namespace of so few runs every count is quick, so that it is always waited for.
const FEW: i64 = 10_000;

/// The chips, as a part of the page and as a fragment that changes.
#[derive(Template)]
#[template(path = "workflows/counts.html")]
pub(crate) struct Counts {
    total: Chip,
    chips: Vec<(Shown, Chip)>,
    /// The page with all counts, where they are not known yet.
    whole: Option<String>,
}

impl HtmlSafe for Counts {}

struct Chip {
    url: String,
    /// None while it is not known.
    count: Option<String>,
    current: bool,
}

/// How many runs a query finds, and how many in each status.
pub(crate) type ByStatus = (i64, Vec<(String, i64)>);

impl Counts {
    /// The chips of a query: of what it finds, were there no condition on the status. `link` makes the URL of a query,
    /// `whole` is that of this page with all counts.
    pub(crate) fn new(
        query: &Query,
        link: impl Fn(&Query) -> String,
        counted: Option<&ByStatus>,
        whole: String,
    ) -> Self {
        let others = unconditional(query);
        let wanted = query.equals("ExecutionStatus");
        let chips = status::ALL.into_iter().filter_map(|shown| {
            let count = counted.map(|(_, groups)| {
                let found = groups.iter().find(|(name, _)| name == shown.name);
                found.map_or(0, |(_, count)| *count)
            });
            let current = wanted.as_deref() == Some(shown.name);
            let with = others.and(&format!("ExecutionStatus = {}", quoted(shown.name)));
            let chip = Chip {
                url: link(if current { &others } else { &with }),
                count: count.map(grouped),
                current,
            };
            (count.is_some_and(|count| count > 0) || current).then_some((shown, chip))
        });
        Self {
            chips: chips.collect(),
            total: Chip {
                url: link(&others),
                count: counted.map(|(total, _)| grouped(*total)),
                current: others == *query,
            },
            whole: counted.is_none().then_some(whole),
        }
    }
}

/// The query whose runs are counted.
pub(crate) fn unconditional(query: &Query) -> Query {
    query.without_attribute("ExecutionStatus")
}

/// The counts of a page, unless they take much longer than `rest`, which is what the page needs anyway.
pub(crate) async fn beside<T>(
    visit: &Visit,
    namespace: &str,
    query: &Query,
    rest: impl Future<Output = T>,
) -> (T, Result<Option<ByStatus>, PageError>) {
    let query = unconditional(query);
    let mut counting = pin!(by_status(&visit.backend, namespace, &query));
    let is_waited_for = async {
        visit.params.text("counts") == "whole"
            || query.condition().is_empty()
            || of(&visit.backend, namespace, "")
                .await
                .is_ok_and(|all| all <= FEW)
    };
    let mut rest = pin!(async { tokio::join!(rest, is_waited_for) });
    tokio::select! {
        counted = &mut counting => (rest.await.0, counted.map(Some)),
        (rest, is_waited_for) = &mut rest => {
            if is_waited_for {
                return (rest, counting.await.map(Some));
            }
            let counted = tokio::time::timeout(PATIENCE, counting).await;
            (rest, counted.ok().transpose())
        }
    }
}

/// The number of runs that a query finds, and in each status.
pub(crate) async fn by_status(
    backend: &Backend,
    namespace: &str,
    query: &Query,
) -> Result<ByStatus, PageError> {
    let query = format!("{} GROUP BY ExecutionStatus", query.condition());
    let answer = count(backend, namespace, query).await?;
    let groups = answer.groups.iter().filter_map(|group| {
        let name = row::value(group.group_values.first()?);
        Some((name, group.count))
    });
    Ok((answer.count, groups.collect()))
}

/// The number of runs that a query finds.
pub(crate) async fn of(backend: &Backend, namespace: &str, query: &str) -> Result<i64, PageError> {
    Ok(count(backend, namespace, query.to_owned()).await?.count)
}

async fn count(
    backend: &Backend,
    namespace: &str,
    query: String,
) -> Result<CountWorkflowExecutionsResponse, PageError> {
    let request = CountWorkflowExecutionsRequest {
        namespace: namespace.to_owned(),
        query,
    };
    let answer = backend
        .workflow()
        .count_workflow_executions(request)
        .await?;
    Ok(answer.into_inner())
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}
