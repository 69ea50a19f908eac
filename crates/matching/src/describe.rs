//! What DescribeTaskQueue tells, in the protocol's own types.

use std::collections::BTreeMap;

use steadfast_protocol::taskqueue::{self, TaskQueueStats};
use steadfast_protocol::workflowservice::describe_task_queue_response::EffectiveRateLimit;
use steadfast_protocol::{Duration, Timestamp};

use crate::limits::POLLER_RATE_UNSET;
use crate::priority::Priority;
use crate::queue::TaskQueue;

/// A queue as DescribeTaskQueue reports it.
#[derive(Clone, Debug)]
pub struct Description {
    /// The identities that polled within the last minutes, in the order of their names.
    pub pollers: Vec<taskqueue::PollerInfo>,
    /// Backlog and rates over all priorities.
    pub stats: TaskQueueStats,
    /// The same by priority key, for the priorities seen so far; the default one if none was.
    pub stats_by_priority_key: BTreeMap<i32, TaskQueueStats>,
    /// The dispatch limit and who set it.
    pub effective_rate_limit: EffectiveRateLimit,
}

impl<T, P> TaskQueue<T, P> {
    /// Describes the queue.
    pub fn describe(&mut self, now_ms: i64) -> Description {
        let rate_limiting_active = self.is_throttled(now_ms);
        let all = || 0..self.lanes.len();
        let (per_second, source) = self.rate_limit.effective();
        Description {
            pollers: self.describe_pollers(now_ms),
            stats: self.stats(now_ms, rate_limiting_active, all()),
            stats_by_priority_key: self
                .keys_seen()
                .map(|key| {
                    let lane = key.index()..key.index() + 1;
                    (key.key(), self.stats(now_ms, rate_limiting_active, lane))
                })
                .collect(),
            effective_rate_limit: EffectiveRateLimit {
                requests_per_second: per_second as f32,
                rate_limit_source: source.into(),
            },
        }
    }

    fn describe_pollers(&self, now_ms: i64) -> Vec<taskqueue::PollerInfo> {
        #[allow(deprecated, reason = "still reported, and shown by older clients")]
        let describe = |seen: &crate::pollers::Seen| taskqueue::PollerInfo {
            last_access_time: Some(timestamp(seen.last_access_ms)),
            identity: seen.info.identity.to_string(),
            rate_per_second: seen.info.max_tasks_per_second.unwrap_or(POLLER_RATE_UNSET),
            worker_version_capabilities: seen.info.worker_version_capabilities.clone(),
            deployment_options: seen.info.deployment_options.clone(),
        };
        self.pollers.seen(now_ms).map(describe).collect()
    }

    fn keys_seen(&self) -> impl Iterator<Item = Priority> {
        let none = !self.used.iter().any(|used| *used);
        Priority::all()
            .filter(move |key| self.used[key.index()] || (none && *key == Priority::DEFAULT))
    }

    fn stats(
        &self,
        now_ms: i64,
        rate_limiting_active: bool,
        lanes: std::ops::Range<usize>,
    ) -> TaskQueueStats {
        let count: u64 = self.lanes[lanes.clone()]
            .iter()
            .map(|lane| lane.count())
            .sum();
        let oldest_ms = self.lanes[lanes.clone()]
            .iter()
            .filter_map(|lane| lane.oldest_created_ms())
            .min();
        TaskQueueStats {
            approximate_backlog_count: i64::try_from(count).unwrap_or(i64::MAX),
            approximate_backlog_age: Some(duration(
                oldest_ms.map_or(0, |oldest| (now_ms - oldest).max(0)),
            )),
            tasks_add_rate: self.added[lanes.clone()]
                .iter()
                .map(|rate| rate.per_second(now_ms))
                .sum(),
            tasks_dispatch_rate: self.dispatched[lanes]
                .iter()
                .map(|rate| rate.per_second(now_ms))
                .sum(),
            rate_limiting_active: rate_limiting_active && count > 0,
        }
    }
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp {
        seconds: ms.div_euclid(1000),
        nanos: ms.rem_euclid(1000) as i32 * 1_000_000,
    }
}

fn duration(ms: i64) -> Duration {
    Duration {
        seconds: ms / 1000,
        nanos: (ms % 1000) as i32 * 1_000_000,
    }
}
