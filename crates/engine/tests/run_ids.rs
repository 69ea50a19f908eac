//! A run is found by its run id in the store, but only for those who know whose run it is.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;

use steadfast_engine::SHARDS;
use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::workflowservice::{
    DescribeWorkflowExecutionRequest, StartWorkflowExecutionRequest,
};
use steadfast_store::MemoryStore;
use support::World;

/// Enough that each shard has some.
const RUNS: usize = 4 * SHARDS as usize;

/// Whether the namespace has this run of that workflow.
async fn has(world: &World, namespace: &str, workflow_id: usize, run_id: &str) -> bool {
    let call = world.call_in(namespace);
    let describe = DescribeWorkflowExecutionRequest {
        execution: Some(WorkflowExecution {
            workflow_id: workflow_id.to_string(),
            run_id: run_id.to_owned(),
        }),
        ..Default::default()
    };
    let described = world.engine.describe_workflow_execution(call, describe);
    described.await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_id_of_another_workflow_names_nothing() {
    let world = World::open(Arc::new(MemoryStore::new()));
    world.add_namespace("other");
    let mut run_ids = Vec::new();
    for number in 0..RUNS {
        let start = StartWorkflowExecutionRequest::default();
        world.start(&number.to_string(), start).await;
        let info = world.describe(&number.to_string()).await;
        run_ids.push(info.execution.unwrap().run_id);
    }
    for (owner, run_id) in run_ids.iter().enumerate() {
        for number in 0..RUNS {
            let found = has(&world, "default", number, run_id).await;
            assert_eq!(found, number == owner, "{number} {run_id}");
            assert!(!has(&world, "other", number, run_id).await);
        }
        let compact = run_id.replace('-', "");
        assert!(!has(&world, "default", owner, &compact).await);
    }
}
