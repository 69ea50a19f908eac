//! The list of workflows: filters, orders, deep pages; and the weight of first views.

use std::fmt::Write;

use steadfast_protocol::workflowservice::ListWorkflowExecutionsRequest;
use tonic::Code;

use super::Target;
use super::fill::{AMOUNT, CUSTOMER, customer, workflow_id, workflow_type};
use super::http::{Form, attribute};
use super::long::Run;
use super::timing::{Case, time};
use crate::connect::{CALL_TIMEOUT, request};
use crate::error::BenchError;
use crate::report::{self, Report};

/// The budget of a list, in milliseconds.
const LIST_MS: f64 = 25.0;
/// The budget of a list whose filter looks for a part of a text.
const CONTAINS_MS: f64 = 80.0;
/// Rows of a page of the UI.
const ROWS: u64 = 50;
/// Rows of a page over gRPC.
const STRIDE: u64 = 1000;
/// The deep page.
const PAGE: u64 = 10_000;
/// Different values in the filters of one figure.
const VALUES: u64 = 20;

const STATUSES: [&str; 6] = [
    "Running",
    "Completed",
    "Failed",
    "Terminated",
    "TimedOut",
    "Paused",
];

const COLUMNS: [&str; 11] = [
    "StartTime",
    "CloseTime",
    "ExecutionTime",
    "ExecutionDuration",
    "ExecutionStatus",
    "WorkflowType",
    "WorkflowId",
    "TaskQueue",
    "HistoryLength",
    CUSTOMER,
    AMOUNT,
];

const FILTERED: [&str; 6] = [
    "ExecutionStatus = \"Running\" ORDER BY StartTime",
    "ExecutionStatus = \"Failed\" ORDER BY WorkflowId",
    "WorkflowType = \"BenchFill07\" ORDER BY StartTime",
    "WorkflowType = \"BenchFill07\" ORDER BY CloseTime DESC",
    "BenchCustomer = \"customer-7\" ORDER BY StartTime",
    "BenchAmount < 50000 ORDER BY WorkflowId",
];

const PARTS: [&str; 4] = [
    "WorkflowId CONTAINS \"abc\"",
    "WorkflowId CONTAINS \"nowhere\"",
    "WorkflowType CONTAINS \"Fill07\"",
    "BenchCustomer CONTAINS \"mer-77\"",
];

const DEEP: [&str; 5] = [
    "",
    "ExecutionStatus = \"Running\"",
    "ORDER BY StartTime",
    "ORDER BY WorkflowType DESC",
    "ORDER BY BenchCustomer",
];

/// Bytes of the pages and of the files they name, as they are sent.
pub(super) async fn weights(target: &Target, run: &Run) -> Result<Report, BenchError> {
    let mut report = Report::new("Weight of a first view, gzip");
    let (mut script, mut style) = (0, 0);
    for (name, path, budget) in [
        ("list", target.list(&[]), 45.0),
        ("run", target.run(run, ""), 60.0),
    ] {
        let text = target.site.text(&path).await?;
        let mut all = target.site.get(&path, Form::Gzip).await?.body.len();
        report.add(format!("{name}: page alone"), all as f64 / 1000.0, "KB");
        let mut requests = 1;
        for before in [
            "rel=\"icon\" href=\"",
            "rel=\"stylesheet\" href=\"",
            "type=\"module\" src=\"",
        ] {
            let Some(file) = attribute(&text, before) else {
                continue;
            };
            let bytes = target.site.get(&file, Form::Gzip).await?.body.len();
            all += bytes;
            requests += 1;
            if before.contains("src") {
                script = bytes;
            }
            if before.contains("stylesheet") {
                style = bytes;
            }
        }
        let most = report::Target::AtMost(budget);
        report.add_with(format!("{name}: all"), all as f64 / 1000.0, "KB", most);
        let most = report::Target::AtMost(4.0);
        report.add_with(format!("{name}: requests"), f64::from(requests), "", most);
    }
    let most = report::Target::AtMost;
    report.add_with("script", script as f64 / 1000.0, "KB", most(14.0));
    report.add_with("style", style as f64 / 1000.0, "KB", most(12.0));
    Ok(report)
}

/// Numbers of workflows all over the filling.
fn numbers(target: &Target) -> Vec<u64> {
    let all = target.workflows.max(VALUES);
    (0..VALUES).map(|n| n * (all / VALUES)).collect()
}

/// Filters, each with several values where it has any.
pub(super) async fn filters(target: &Target) -> Result<Report, BenchError> {
    let numbers = numbers(target);
    let times = start_times(target, &numbers).await?;
    let found = |query: &str| target.list(&[("query", query)]);
    let one = |name: &str, query: &str| Case::new(name, LIST_MS, vec![found(query)]);
    let each = |name: &str, query: &dyn Fn(u64) -> String| {
        let paths = numbers.iter().map(|number| found(&query(*number)));
        Case::new(name, LIST_MS, paths.collect())
    };
    let each_time = |name: &str, query: &dyn Fn(&str) -> String| {
        let paths = times.iter().map(|time| found(&query(time)));
        Case::new(name, LIST_MS, paths.collect())
    };
    let mut cases = vec![
        one("all", ""),
        Case::new("100 rows", LIST_MS, vec![target.list(&[("size", "100")])]),
    ];
    for status in STATUSES {
        let query = format!("ExecutionStatus = \"{status}\"");
        cases.push(one(&format!("status {status}"), &query));
    }
    cases.extend([
        each("type", &|n| {
            format!("WorkflowType = \"{}\"", workflow_type(n))
        }),
        each("type and status", &|n| {
            let kind = workflow_type(n);
            format!("WorkflowType = \"{kind}\" AND ExecutionStatus = \"Failed\"")
        }),
        each("workflow id", &|n| {
            format!("WorkflowId = \"{}\"", workflow_id(n))
        }),
        each("workflow id begins with 9 letters", &|n| {
            format!("WorkflowId STARTS_WITH \"{}\"", &workflow_id(n)[..9])
        }),
        one(
            "workflow id begins as all do",
            "WorkflowId STARTS_WITH \"order-\"",
        ),
        each("keyword", &|n| format!("{CUSTOMER} = \"{}\"", customer(n))),
        one(
            "keyword begins as all do",
            &format!("{CUSTOMER} STARTS_WITH \"customer-\""),
        ),
        each("number, few", &|n| {
            format!("{AMOUNT} BETWEEN {} AND {}", n % 90_000, n % 90_000 + 20)
        }),
        one("number, many", &format!("{AMOUNT} >= 50000")),
        each_time("started after", &|time| format!("StartTime > \"{time}\"")),
        each_time("started before", &|time| format!("StartTime < \"{time}\"")),
        each_time("closed after", &|time| format!("CloseTime > \"{time}\"")),
        each_time("failed, started after", &|time| {
            format!("ExecutionStatus = \"Failed\" AND StartTime > \"{time}\"")
        }),
        one("no children", "ParentWorkflowId IS NULL"),
        one("nothing", &format!("{CUSTOMER} = \"nobody\"")),
        Case::free(
            "no index: duration",
            vec![found("ExecutionDuration > \"1s\"")],
        ),
        Case::free(
            "no index: queue",
            vec![found("TaskQueue = \"bench-fill-1\"")],
        ),
    ]);
    time(target, "List: filters", cases).await
}

/// The same page with all of its counts, for filters whose counts are not kept; without a promise, since a page does not
/// wait for them.
pub(super) async fn counts(target: &Target) -> Result<Report, BenchError> {
    let times = start_times(target, &numbers(target)).await?;
    let whole = |name: &str, query: &str| {
        let path = target.list(&[("query", query), ("counts", "whole")]);
        Case::free(name, vec![path])
    };
    let middle = &times[times.len() / 2];
    let cases = vec![
        whole("started after", &format!("StartTime > \"{middle}\"")),
        whole("started before", &format!("StartTime < \"{middle}\"")),
        whole("closed after", &format!("CloseTime > \"{middle}\"")),
        whole(
            "workflow id begins as all do",
            "WorkflowId STARTS_WITH \"order-\"",
        ),
        whole("no children", "ParentWorkflowId IS NULL"),
        whole(
            "keyword begins as all do",
            &format!("{CUSTOMER} STARTS_WITH \"customer-\""),
        ),
        whole("number, many", &format!("{AMOUNT} >= 50000")),
        whole("no index: duration", "ExecutionDuration > \"1s\""),
    ];
    time(target, "List: with all counts", cases).await
}

/// Orders by each column, and together with filters.
pub(super) async fn orders(target: &Target) -> Result<Report, BenchError> {
    let found = |query: &str| target.list(&[("query", query)]);
    let columns = COLUMNS.into_iter().map(|by| {
        let (rising, falling) = (format!("ORDER BY {by}"), format!("ORDER BY {by} DESC"));
        Case::new(
            format!("by {by}"),
            LIST_MS,
            vec![found(&rising), found(&falling)],
        )
    });
    let filtered = FILTERED.into_iter();
    let filtered = filtered.map(|query| Case::new(query, LIST_MS, vec![found(query)]));
    time(target, "List: orders", columns.chain(filtered).collect()).await
}

/// Filters for a part of a text; nothing where the server does not know them.
pub(super) async fn parts(target: &Target) -> Result<Option<Report>, BenchError> {
    match list(target, PARTS[0], 1, Vec::new()).await {
        Err(BenchError::Refused { status, .. }) if status.code() == Code::InvalidArgument => {
            eprintln!("left out: filters for a part of a text, which the server does not know");
            return Ok(None);
        }
        answer => answer?,
    };
    let ids = numbers(target).into_iter().map(|number| {
        let query = format!("WorkflowId CONTAINS \"{}\"", &workflow_id(number)[10..18]);
        target.list(&[("query", &query)])
    });
    let mut cases = vec![Case::new(
        "8 letters of a workflow id",
        CONTAINS_MS,
        ids.collect(),
    )];
    for query in PARTS {
        let path = target.list(&[("query", query)]);
        cases.push(Case::new(query, CONTAINS_MS, vec![path]));
    }
    time(target, "List: parts of texts", cases).await.map(Some)
}

/// Start times all over the filling, as queries have them.
async fn start_times(target: &Target, numbers: &[u64]) -> Result<Vec<String>, BenchError> {
    let mut times = Vec::new();
    for number in numbers {
        let query = format!("WorkflowId = \"{}\"", workflow_id(*number));
        let (page, _) = list(target, &query, 1, Vec::new()).await?;
        let found = page.first().and_then(|info| info.start_time);
        let time = found.ok_or_else(|| {
            BenchError::Setup(format!("{} is not in lists", workflow_id(*number)))
        })?;
        times.push(format!("{time}"));
    }
    Ok(times)
}

type Runs = Vec<steadfast_protocol::workflow::WorkflowExecutionInfo>;

async fn list(
    target: &Target,
    query: &str,
    size: u64,
    token: Vec<u8>,
) -> Result<(Runs, Vec<u8>), BenchError> {
    let list = ListWorkflowExecutionsRequest {
        namespace: target.namespace.clone(),
        page_size: i32::try_from(size).unwrap_or(i32::MAX),
        next_page_token: token.into(),
        query: query.to_string(),
    };
    let mut list = request(list, CALL_TIMEOUT);
    // As the web UI does; without it servers refuse to sort.
    list.metadata_mut().insert(
        "supported-features",
        tonic::metadata::MetadataValue::from_static("order-by"),
    );
    let answer = target
        .server
        .client()
        .list_workflow_executions(list)
        .await
        .map_err(BenchError::refused("ListWorkflowExecutions"))?
        .into_inner();
    Ok((answer.executions, answer.next_page_token.into()))
}

/// Pages that many rows come before. The way there is over gRPC: a token leads to the same place in both.
pub(super) async fn deep(target: &Target) -> Result<Report, BenchError> {
    let mut cases = Vec::new();
    for query in DEEP {
        let (mut token, mut rows) = (Vec::new(), 0);
        while rows < (PAGE - 1) * ROWS {
            let stride = STRIDE.min((PAGE - 1) * ROWS - rows);
            let (_, next) = list(target, query, stride, token.clone()).await?;
            // The last page of what is found is as far down as it goes.
            if next.is_empty() {
                break;
            }
            (token, rows) = (next, rows + stride);
        }
        if token.is_empty() {
            continue;
        }
        let text = token.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        let page = (rows / ROWS + 1).to_string();
        let path = target.list(&[("query", query), ("page", &page), ("token", &text)]);
        let name = if query.is_empty() { "all" } else { query };
        cases.push(Case::new(
            format!("page {page}: {name}"),
            LIST_MS,
            vec![path],
        ));
    }
    time(target, "List: far down", cases).await
}
