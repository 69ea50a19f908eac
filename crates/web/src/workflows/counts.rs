//! How many runs there are in each status: chips that are counts and filters at once.

use askama::Template;
use askama::filters::HtmlSafe;
use steadfast_protocol::workflowservice::CountWorkflowExecutionsRequest;

use super::query::{Query, quoted};
use super::row;
use crate::backend::Backend;
use crate::failure::PageError;
use crate::status::{self, Shown};
use crate::visit::Visit;

/// The id of the element.
pub(crate) const ELEMENT: &str = "counts";

/// The chips, as a part of the page and as a fragment that changes.
#[derive(Template)]
#[template(path = "workflows/counts.html")]
pub(crate) struct Counts {
    total: Chip,
    chips: Vec<(Shown, Chip)>,
}

impl HtmlSafe for Counts {}

struct Chip {
    url: String,
    count: String,
    current: bool,
}

impl Counts {
    /// Of what the query finds, were there no condition on the status. `link` makes the URL of a query.
    pub(crate) async fn of(
        visit: &Visit,
        namespace: &str,
        query: &Query,
        link: impl Fn(&Query) -> String,
    ) -> Result<Self, PageError> {
        let others = query.without_attribute("ExecutionStatus");
        let (total, groups) = by_status(&visit.backend, namespace, &others).await?;
        let wanted = query.equals("ExecutionStatus");
        let chips = status::ALL.into_iter().filter_map(|shown| {
            let counted = groups.iter().find(|(name, _)| name == shown.name);
            let count = counted.map_or(0, |(_, count)| *count);
            let current = wanted.as_deref() == Some(shown.name);
            let with = others.and(&format!("ExecutionStatus = {}", quoted(shown.name)));
            let chip = Chip {
                url: link(if current { &others } else { &with }),
                count: grouped(count),
                current,
            };
            (count > 0 || current).then_some((shown, chip))
        });
        Ok(Self {
            chips: chips.collect(),
            total: Chip {
                url: link(&others),
                count: grouped(total),
                current: others == *query,
            },
        })
    }
}

/// The number of runs that a query finds, and in each status.
pub(crate) async fn by_status(
    backend: &Backend,
    namespace: &str,
    query: &Query,
) -> Result<(i64, Vec<(String, i64)>), PageError> {
    let request = CountWorkflowExecutionsRequest {
        namespace: namespace.to_owned(),
        query: format!("{} GROUP BY ExecutionStatus", query.condition()),
    };
    let answer = backend
        .workflow()
        .count_workflow_executions(request)
        .await?;
    let answer = answer.into_inner();
    let groups = answer.groups.iter().filter_map(|group| {
        let name = row::value(group.group_values.first()?);
        Some((name, group.count))
    });
    Ok((answer.count, groups.collect()))
}

/// The number of runs that a query finds.
pub(crate) async fn of(backend: &Backend, namespace: &str, query: &str) -> Result<i64, PageError> {
    let request = CountWorkflowExecutionsRequest {
        namespace: namespace.to_owned(),
        query: query.to_owned(),
    };
    let answer = backend
        .workflow()
        .count_workflow_executions(request)
        .await?;
    Ok(answer.into_inner().count)
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
