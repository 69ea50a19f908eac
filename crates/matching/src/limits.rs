//! Every bound of a task queue, with its reason.

/// Stored tasks held in memory per queue and priority. Some hundred bytes each, so a flooded queue costs a megabyte or
/// two; what is beyond stays in the durable outbox. Per priority, so that a flood of low priority never keeps a task
/// of high priority out of memory.
pub const WINDOW_TASKS_MAX: usize = 2_048;

/// A refill is wanted once a window holds no more than this while older tasks wait outside: half, so that pollers go
/// on being served while the next batch is read.
pub const WINDOW_REFILL_AT: usize = WINDOW_TASKS_MAX / 2;

/// Transient tasks (queries, Nexus requests) that wait for a poller. Each has a caller with a deadline behind it, so a
/// long line only means that most of them time out.
pub const TRANSIENT_TASKS_MAX: usize = 1_024;

/// Polls waiting on one queue. A worker has some tens; more than this is a runaway client.
pub const POLLERS_WAITING_MAX: usize = 10_000;

/// Identities remembered for the description of a queue.
pub const POLLERS_REMEMBERED_MAX: usize = 1_000;

/// How long an identity is remembered after its last poll, as the reference server does.
pub const POLLER_REMEMBERED_MS: i64 = 300_000;

/// A sticky queue counts as served for this long after its last poll; the same figure as the reference's, because
/// the SDKs' sticky timeouts are chosen with it in mind.
pub const POLLER_RECENT_MS: i64 = 10_000;

/// A queue without tasks, polls or changes for this long may be dropped. Not shorter than a poller is remembered, so that
/// dropping loses nothing that could be described.
pub const IDLE_MS: i64 = POLLER_REMEMBERED_MS;

/// The window of the add and dispatch rates that are reported, and the width of one of its steps.
pub const RATE_WINDOW_MS: i64 = 30_000;
/// See [`RATE_WINDOW_MS`].
pub const RATE_STEP_MS: i64 = 5_000;

/// A poll that waited this long before it got a task suggests that there are more pollers than needed.
pub const SCALE_DOWN_WAIT_MS: i64 = 1_000;

/// A backlog this old suggests that there are fewer pollers than needed.
pub const SCALE_UP_BACKLOG_AGE_MS: i64 = 200;

/// So does a queue that fills this much faster than it empties.
pub const SCALE_UP_ADD_TO_DISPATCH: f64 = 1.2;

/// Suggestions to add pollers per second and remembered poller: each is one step, and pollers come up in seconds.
pub const SCALE_UP_PER_SECOND: f64 = 10.0;

/// What is reported as the limit of a queue for which nobody has set one. It is not enforced: a queue is as fast as the
/// shards behind it, and they push back by themselves.
pub const SYSTEM_TASKS_PER_SECOND: f64 = 100_000.0;

/// What is reported for a poller that set no rate of its own.
pub const POLLER_RATE_UNSET: f64 = 100_000.0;

const _: () = assert!(WINDOW_REFILL_AT < WINDOW_TASKS_MAX);
const _: () = assert!(POLLER_RECENT_MS < POLLER_REMEMBERED_MS);
const _: () = assert!(IDLE_MS >= POLLER_REMEMBERED_MS);
const _: () = assert!(RATE_WINDOW_MS % RATE_STEP_MS == 0);
