//! A namespace goes with all its runs, which stand among those of others.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use steadfast_protocol::enums::WorkflowExecutionStatus;
use steadfast_protocol::workflowservice::StartWorkflowExecutionRequest;
use steadfast_store::{MemoryStore, Order, ShardId, Store, Table};
use support::World;

/// Enough that every shard has several pages of each namespace.
const RUNS: usize = 2000;

/// Rows of a table over all shards.
fn rows(store: &MemoryStore, table: Table) -> usize {
    let all = (Bound::Unbounded, Bound::Unbounded);
    let shards = 0..steadfast_engine::SHARDS;
    let scanned =
        shards.map(|shard| store.scan(ShardId(shard), table, all, usize::MAX, Order::Forward));
    scanned.map(|rows| rows.unwrap().len()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_runs_are_deleted_and_no_others() {
    let store = Arc::new(MemoryStore::new());
    let world = World::open(store.clone());
    let doomed = world.add_namespace("doomed");
    for number in 0..RUNS {
        // The same ids in both.
        for name in ["default", "doomed"] {
            let start = StartWorkflowExecutionRequest::default();
            world.start_in(name, &number.to_string(), start).await;
        }
    }
    let tables = [Table::Current, Table::Runs, Table::History, Table::Tasks];
    assert_eq!(tables.map(|table| rows(&store, table)), [2 * RUNS; 4]);

    world.namespaces.delete(&doomed).unwrap();
    let forgotten = async {
        while world.namespaces.record_by_id(&doomed).is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let forgotten = tokio::time::timeout(Duration::from_secs(60), forgotten).await;
    forgotten.expect("it is forgotten when its runs are gone");

    assert_eq!(tables.map(|table| rows(&store, table)), [RUNS; 4]);
    for number in 0..RUNS {
        let info = world.describe(&number.to_string()).await;
        assert_eq!(info.status(), WorkflowExecutionStatus::Running);
    }
}
