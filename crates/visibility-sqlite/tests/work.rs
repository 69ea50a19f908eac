//! How much work lists and counts are, whatever the machine: in thousands of steps of SQLite's.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use steadfast_visibility::{
    Caller, Change, CustomAttributes, GroupBy, List, Record, Scope, SearchAttributeType, Value,
    VisibilityStore, parse_sorted_list,
};
use steadfast_visibility_sqlite::SqliteVisibility;

const RUNS: i64 = 50_000;
/// To look at all runs takes more than this.
const ALL: usize = 240;
/// A page takes less, of which most is to find out whether a part of the filter selects few runs.
const PAGE: usize = 200;
/// A count that is kept, or nearly.
const KEPT: usize = 5;

/// Every other run is open. Those that timed out have no amount, and nobody has a parent.
fn run(number: i64) -> Record {
    let status = match number % 20 {
        even if even % 2 == 0 => 1,
        1..=9 => 2,
        11 | 13 => 3,
        _ => 7,
    };
    let start_time = number * 1_000_000;
    let amount = (
        "Amount".to_owned(),
        Value::Int(number.wrapping_mul(7919) % 1000),
    );
    Record {
        namespace_id: "ns".to_owned(),
        run_id: format!("run-{number:06}"),
        workflow_id: format!("order-{number:06}"),
        workflow_type: format!("Type{}", number % 3),
        task_queue: "queue".to_owned(),
        status,
        start_time,
        execution_time: start_time,
        close_time: (status != 1).then_some(start_time + 5_000_000),
        search_attributes: if status == 7 { vec![] } else { vec![amount] },
        ..Record::default()
    }
}

fn filled() -> SqliteVisibility {
    let store = SqliteVisibility::open_in_memory().unwrap();
    let runs = (0..RUNS).map(run).map(Change::Upsert);
    store.apply(&runs.collect::<Vec<_>>(), None).unwrap();
    store
}

/// A caller who counts how often they are asked.
fn counting() -> (Caller, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let caller = Caller::until(move || {
        count.fetch_add(1, Ordering::Relaxed);
        false
    });
    (caller, asked)
}

/// What the first page of a query costs, and its count by status.
fn costs(store: &SqliteVisibility, query: &str) -> (usize, usize) {
    let custom = CustomAttributes::from([("Amount".to_owned(), SearchAttributeType::Int)]);
    let (filter, sort) = parse_sorted_list(query, &custom, Scope::Workflows).unwrap();
    let (caller, asked) = counting();
    let list = List {
        namespace_id: "ns",
        filter: &filter,
        sort: sort.as_ref(),
        page_size: 50,
        token: &[],
    };
    store.page(&list, &caller).unwrap();
    let page = asked.swap(0, Ordering::Relaxed);
    store
        .tally("ns", &filter, Some(GroupBy::ExecutionStatus), &caller)
        .unwrap();
    (page, asked.load(Ordering::Relaxed))
}

/// An instant after so many of all runs have started.
fn after(percent: i64) -> String {
    let second = RUNS * percent / 100 / 1000;
    format!("'1970-01-01T00:00:{second:02}Z'")
}

#[test]
fn pages_and_counts_cost_what_they_show() {
    let store = filled();
    let (early, half, late) = (after(10), after(50), after(90));
    for (query, most) in [
        ("".to_owned(), KEPT),
        ("ExecutionStatus = 'TimedOut'".to_owned(), KEPT),
        ("WorkflowId STARTS_WITH 'order-'".to_owned(), KEPT),
        ("TaskQueue = 'nobody'".to_owned(), KEPT),
        ("WorkflowType STARTS_WITH 'Type'".to_owned(), KEPT),
        ("WorkflowType STARTS_WITH 'nowhere'".to_owned(), KEPT),
        ("WorkflowType CONTAINS 'nowhere'".to_owned(), KEPT),
        ("ParentWorkflowId IS NULL".to_owned(), KEPT),
        (format!("StartTime > {early}"), usize::MAX),
        (format!("StartTime > {late}"), usize::MAX),
        (format!("StartTime < {early}"), usize::MAX),
        (format!("CloseTime > {half}"), usize::MAX),
        (format!("CloseTime < {early}"), usize::MAX),
        (format!("CloseTime < {late}"), usize::MAX),
        (
            format!("ExecutionStatus != 'Running' AND CloseTime > {}", after(0)),
            KEPT,
        ),
        (
            format!(
                "ExecutionStatus != 'Running' AND CloseTime <= '{}'",
                "2000-01-01T00:00:00Z"
            ),
            KEPT,
        ),
        (
            format!("ExecutionStatus = 'Failed' AND StartTime > {half}"),
            usize::MAX,
        ),
        (
            format!("WorkflowType = 'Type1' AND StartTime > {half}"),
            usize::MAX,
        ),
        ("Amount >= 500".to_owned(), usize::MAX),
        (
            "Amount >= 500 AND ExecutionStatus != 'Running'".to_owned(),
            usize::MAX,
        ),
        ("Amount > 400 AND Amount < 402".to_owned(), PAGE),
        ("WorkflowId CONTAINS '-0123'".to_owned(), PAGE),
        ("WorkflowId CONTAINS 'nowhere'".to_owned(), KEPT),
        (
            "WorkflowId CONTAINS 'nowhere' OR WorkflowId CONTAINS '-01234'".to_owned(),
            PAGE,
        ),
        (
            "WorkflowId CONTAINS 'nowhere' AND StartTime > 0".to_owned(),
            usize::MAX,
        ),
        ("ORDER BY CloseTime DESC".to_owned(), KEPT),
        ("ORDER BY TaskQueue".to_owned(), KEPT),
        ("ORDER BY ExecutionStatus DESC".to_owned(), KEPT),
        ("ORDER BY WorkflowType".to_owned(), KEPT),
    ] {
        let (page, count) = costs(&store, &query);
        assert!(page <= PAGE, "a page of {query} took {page}");
        assert!(count <= most, "the count of {query} took {count}");
    }
}

/// What has to be looked at run by run is seen to be, so that the figures above mean something.
#[test]
fn looking_at_all_runs_costs_more() {
    let (page, count) = costs(&filled(), "ParentRunId = 'nobody'");
    assert!(page > ALL && count > ALL, "{page} and {count}");
}
