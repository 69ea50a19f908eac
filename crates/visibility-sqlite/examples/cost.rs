//! What the store costs: CPU per change in large transactions, and the time of typical lists and counts.
//!
//! `cargo run --profile bench -p steadfast-visibility-sqlite --example cost -- [runs] [file]`

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program to run by hand"
)]

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;
use steadfast_visibility::{
    Change, CustomAttributes, Record, Scope, SearchAttributeType, Value, VisibilityStore,
    parse_count, parse_list,
};
use steadfast_visibility_sqlite::SqliteVisibility;

/// Changes of one transaction.
const BATCH: u64 = 1000;
/// How many batches later a run closes.
const LIFE: u64 = 5;
/// 2026-01-01T00:00:00Z.
const BEGIN: i64 = 1_767_225_600_000_000_000;
/// One run in so many stays open.
const OPEN_EVERY: u64 = 50;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let runs: u64 = arguments
        .next()
        .map_or(200_000, |runs| runs.parse().unwrap());
    let path = arguments.next().map_or_else(
        || std::env::temp_dir().join("visibility-cost.db"),
        PathBuf::from,
    );
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", path.display()));
    }
    let store = SqliteVisibility::open(Some(&path)).unwrap().store;

    let batches = runs / BATCH;
    let (mut opened, mut closed) = (0.0, 0.0);
    let step = (batches / 5).max(1);
    for batch in 0..batches + LIFE {
        if batch < batches {
            opened += timed(
                &store,
                (batch * BATCH..(batch + 1) * BATCH).map(|number| Change::Upsert(open(number))),
            );
        }
        if batch >= LIFE {
            let batch = batch - LIFE;
            let numbers =
                (batch * BATCH..(batch + 1) * BATCH).filter(|number| number % OPEN_EVERY != 0);
            closed += timed(&store, numbers.map(|number| Change::Upsert(close(number))));
        }
        if (batch + 1) % step == 0 {
            #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
            let changes = (step * BATCH) as f64;
            let after = (batch + 1) * BATCH;
            println!(
                "after {after:>8}: open {:5.1} us, close {:5.1} us of CPU",
                opened / changes,
                closed / changes
            );
            (opened, closed) = (0.0, 0.0);
        }
    }
    let size = fs::metadata(&path).unwrap().len() >> 20;
    println!("file {size} MiB");
    lists(&store, runs);
}

fn timed(store: &SqliteVisibility, changes: impl Iterator<Item = Change>) -> f64 {
    let changes: Vec<_> = changes.collect();
    let before = cpu_us();
    store.apply(&changes, None).unwrap();
    cpu_us() - before
}

/// CPU time of this thread.
fn cpu_us() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1000.0
}

fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ number.wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(31)
}

fn open(number: u64) -> Record {
    let start_time = BEGIN + i64::try_from(number).unwrap() * 1_000_000;
    let random = scattered(number);
    let mut search_attributes = Vec::new();
    if number.is_multiple_of(10) {
        search_attributes.push((
            "Customer".to_owned(),
            Value::Keyword(format!("customer-{}", random % 10_000)),
        ));
    }
    Record {
        namespace_id: "7c1f7b1c-6d0f-4f0d-9a4e-2f6f1c6e0a11".to_owned(),
        workflow_id: format!("order-{random:016x}{:08x}", random >> 7),
        run_id: format!(
            "019a{number:08x}-7000-8{:03x}-{:012x}",
            random % 4096,
            random & 0xffff_ffff_ffff
        ),
        workflow_type: format!("ProcessOrderWorkflow{}", random % 20),
        task_queue: "orders-task-queue".to_owned(),
        status: 1,
        start_time,
        execution_time: start_time,
        memo: Bytes::new(),
        search_attributes,
        version: 1,
        ..Record::default()
    }
}

fn close(number: u64) -> Record {
    let record = open(number);
    let duration = 4_000_000_000;
    Record {
        status: if number % 1000 == 7 { 3 } else { 2 },
        close_time: Some(record.start_time + duration),
        execution_duration: Some(duration),
        history_length: Some(11),
        history_size_bytes: Some(1700),
        state_transition_count: Some(8),
        version: 2,
        ..record
    }
}

fn lists(store: &SqliteVisibility, runs: u64) {
    let custom = CustomAttributes::from([("Customer".to_owned(), SearchAttributeType::Keyword)]);
    let namespace = open(0).namespace_id;
    let wanted = open(runs / 3 / 10 * 10);
    let Value::Keyword(customer) = &wanted.search_attributes[0].1 else {
        unreachable!("a keyword")
    };
    let at = |share: u64| BEGIN + i64::try_from(runs / 10 * share).unwrap() * 1_000_000;
    let queries = [
        String::new(),
        "ExecutionStatus = 'Running'".to_owned(),
        "ExecutionStatus = 'Completed'".to_owned(),
        "ExecutionStatus = 'Failed'".to_owned(),
        "ExecutionStatus = 'Paused'".to_owned(),
        "WorkflowType = 'ProcessOrderWorkflow7'".to_owned(),
        "WorkflowType = 'ProcessOrderWorkflow7' AND ExecutionStatus = 'Failed'".to_owned(),
        "WorkflowType = 'Nothing'".to_owned(),
        format!("WorkflowId = '{}'", wanted.workflow_id),
        format!("WorkflowId STARTS_WITH '{}'", &wanted.workflow_id[..12]),
        "WorkflowId STARTS_WITH 'order-'".to_owned(),
        format!("WorkflowId CONTAINS '{}'", &wanted.workflow_id[8..16]),
        "WorkflowId CONTAINS 'abc'".to_owned(),
        "WorkflowId CONTAINS 'nowhere'".to_owned(),
        "Customer CONTAINS 'mer-77'".to_owned(),
        format!("RunId = '{}'", wanted.run_id),
        format!("Customer = '{customer}'"),
        "Customer STARTS_WITH 'customer-'".to_owned(),
        "Customer = 'nobody'".to_owned(),
        format!("StartTime > {}", at(9)),
        format!("StartTime BETWEEN {} AND {}", at(2), at(2) + 1_000_000_000),
        format!("StartTime BETWEEN {} AND {}", at(2), at(4)),
        format!("CloseTime BETWEEN {} AND {}", at(2), at(4)),
        "TaskQueue = 'orders-task-queue'".to_owned(),
        "TaskQueue = 'nothing'".to_owned(),
        "TemporalNamespaceDivision = 'TemporalScheduler'".to_owned(),
        "ParentWorkflowId = 'x'".to_owned(),
    ];
    for text in queries {
        let filter = parse_list(&text, &custom, Scope::Workflows).unwrap();
        // The first is slower, as the connection is new to it.
        let list = |token: &[u8]| {
            let begin = Instant::now();
            let page = store.list(&namespace, &filter, 100, token).unwrap();
            (begin.elapsed(), page)
        };
        let (cold, page) = list(&[]);
        let (warm, _) = list(&[]);
        let mut token = page.next_page_token.clone();
        let mut deep = String::new();
        for _ in 0..20 {
            if !token.is_empty() {
                let (time, page) = list(&token);
                deep = format!(", deeper {time:.1?}");
                token = page.next_page_token;
            }
        }
        let begin = Instant::now();
        let count = store.count(&namespace, &filter, None).unwrap().total;
        let counted = begin.elapsed();
        println!(
            "list {warm:>9.1?} (first {cold:.1?}{deep}), {count} counted in {counted:.1?}: {text}"
        );
    }
    let query = parse_count("GROUP BY ExecutionStatus", &custom, Scope::Workflows).unwrap();
    let begin = Instant::now();
    let count = store
        .count(&namespace, &query.filter, query.group_by)
        .unwrap();
    println!("{:?} in {:.1?}", count.groups, begin.elapsed());
}
