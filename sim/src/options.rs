//! What a run is like: drawn from its seed, so that runs differ in kind and not only in detail.

use crate::dice::Dice;
use crate::planted::Planted;

/// The options of one run. Rates are per thousand.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Simulated seconds during which faults happen and work arrives.
    pub fault_seconds: u64,
    /// Tasks that make requests.
    pub clients: u64,
    /// Workflow ids they use; few make them meet.
    pub workflow_ids: u64,
    /// Longest wait of a client between requests, ms.
    pub client_pause_ms: u64,
    /// Worker processes.
    pub workers: u64,
    /// Workers that keep histories in a cache and have a queue of their own.
    pub sticky: bool,
    /// Commits that fail before anything is written.
    pub fail_before: u64,
    /// Commits that are written and reported as failed.
    pub fail_after: u64,
    /// Commits that are written when the shard is next acquired, or never.
    pub limbo: u64,
    /// Groups of which one shard's part fails.
    pub fail_one_shard: u64,
    /// Commits refused since somebody else acquired the shard.
    pub depose: u64,
    /// Reads and acquisitions that fail.
    pub fail_read: u64,
    /// Commits during which the process dies.
    pub crash_in_commit: u64,
    /// Mean seconds between crashes at other moments; 0 for none.
    pub crash_every: u64,
    /// Crashes whose process lives on for a while, deposed.
    pub zombie: u64,
    /// Commits that the store takes its time for.
    pub slow_commit: u64,
    /// Messages between executions that a process keeps in memory; 0 for as many as a real one.
    pub waiting_messages_max: u64,
    /// Bytes of commits that may wait before requests are refused; 0 for as many as in a real process.
    pub waiting_bytes_max: u64,
    /// Bytes of runs that a process keeps in memory; 0 for as many as a real one.
    pub run_bytes_max: u64,
    /// Writes to the visibility store that fail.
    pub fail_visibility: u64,
    /// Crashes that take the visibility store with them, or the last of what was written to it.
    pub lose_visibility: u64,
    /// Requests that never arrive.
    pub lose_request: u64,
    /// Replies that never arrive.
    pub lose_reply: u64,
    /// Requests that arrive twice.
    pub duplicate: u64,
    /// Workflow tasks that a worker fails, drops or answers late.
    pub bad_task: u64,
    /// Mean seconds between deaths of a worker; 0 for none.
    pub worker_dies_every: u64,
    /// Activities and workflow tasks may be handed out with the answer to a completion.
    pub eager: bool,
    /// Mean seconds between jumps of the clock; 0 for none.
    pub clock_jump_every: u64,
    /// Seconds until closed runs are deleted.
    pub retention_seconds: u64,
    /// A bug put in on purpose, to test the simulation itself.
    pub planted: Option<Planted>,
}

impl Options {
    /// The options of a seed.
    pub(crate) fn of(dice: &Dice) -> Self {
        let some = |per_mille: u64, most: u64| {
            if dice.chance(per_mille) {
                dice.between(1, most)
            } else {
                0
            }
        };
        Self {
            fault_seconds: dice.between(30, 240),
            clients: dice.between(1, 4),
            workflow_ids: dice.between(2, 16),
            client_pause_ms: *dice.pick(&[1_000, 4_000, 15_000]),
            workers: dice.between(1, 3),
            sticky: dice.chance(800),
            fail_before: some(500, 30),
            fail_after: some(500, 30),
            limbo: some(400, 20),
            fail_one_shard: some(300, 20),
            depose: some(300, 20),
            fail_read: some(400, 15),
            crash_in_commit: some(500, 8),
            crash_every: some(600, 60) * 2,
            zombie: some(400, 700),
            slow_commit: some(500, 200),
            fail_visibility: some(400, 200),
            lose_visibility: some(300, 500),
            lose_request: some(400, 60),
            lose_reply: some(400, 60),
            duplicate: some(400, 100),
            bad_task: some(500, 80),
            worker_dies_every: some(500, 60) * 2,
            eager: dice.chance(500),
            clock_jump_every: some(200, 120) * 2,
            retention_seconds: *dice.pick(&[20, 3_600, 86_400]),
            waiting_messages_max: some(300, 4),
            waiting_bytes_max: some(300, 4) * 2_000,
            run_bytes_max: some(400, 20) * 10_000,
            planted: None,
        }
    }
}
