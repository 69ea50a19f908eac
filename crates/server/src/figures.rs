//! The engine's figures as metrics.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use steadfast_engine::Engine;

/// Reads the figures whenever the metrics are asked for.
pub(crate) struct EngineFigures(pub(crate) Engine);

impl Collector for EngineFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let figures = self.0.figures();
        let mut write = |name: &str, help: &str, value: Value| {
            let full_name = format!("steadfast_{name}");
            match value {
                Value::Total(total) => {
                    let metric = ConstCounter::new(total);
                    let kind = metric.metric_type();
                    metric.encode(encoder.encode_descriptor(&full_name, help, None, kind)?)
                }
                Value::Now(now) => {
                    let metric = ConstGauge::new(now);
                    let kind = metric.metric_type();
                    metric.encode(encoder.encode_descriptor(&full_name, help, None, kind)?)
                }
            }
        };
        let size = |value: usize| Value::Now(i64::try_from(value).unwrap_or(i64::MAX));
        let total = Value::Total;
        write("commits", "Commits written", total(figures.commits))?;
        write(
            "commit_groups",
            "Groups of commits, each one write and one sync",
            total(figures.commit_groups),
        )?;
        write(
            "commit_bytes",
            "Bytes of commits",
            total(figures.commit_bytes),
        )?;
        write(
            "commit_microseconds",
            "Time the store took for commits",
            total(figures.commit_micros),
        )?;
        write(
            "commits_failed",
            "Commits that were not acknowledged",
            total(figures.commits_failed),
        )?;
        write(
            "projected",
            "Visibility records written",
            total(figures.projected),
        )?;
        write(
            "projections_waiting",
            "Visibility records to be written",
            size(figures.projections),
        )?;
        write(
            "deliveries_waiting",
            "Messages between executions to be delivered",
            size(figures.deliveries),
        )?;
        write(
            "task_queues",
            "Task queues in memory",
            size(figures.task_queues),
        )?;
        write(
            "task_backlog",
            "Tasks that wait for a worker",
            Value::Now(figures.backlog),
        )?;
        write(
            "pollers",
            "Polls that wait for a task",
            size(figures.pollers),
        )?;
        write("shards", "Shards of this node", size(figures.shards))?;
        write("cached_runs", "Runs in memory", size(figures.cached_runs))?;
        write(
            "cached_run_bytes",
            "Size of the runs in memory",
            size(figures.cached_bytes),
        )
    }
}

enum Value {
    /// Since the start of the server.
    Total(u64),
    /// At this moment.
    Now(i64),
}

impl fmt::Debug for EngineFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineFigures").finish_non_exhaustive()
    }
}
