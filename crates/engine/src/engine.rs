//! The running engine: a node, and the threads and tasks that move it.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use steadfast_core::limits::Limits;
use steadfast_store::{Store, StoreError};
use steadfast_visibility::VisibilityStore;
use tokio::sync::watch;

use crate::Namespaces;
use crate::api::DirectQueries;
use crate::clock::System;
use crate::node::{Node, lock};

/// Housekeeping happens this often.
const TEND: Duration = Duration::from_millis(100);

/// The engine of one node. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) node: Arc<Node>,
    pub(crate) queries: Arc<DirectQueries>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

/// Figures of a running engine, for metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Groups of commits written so far.
    pub commit_groups: u64,
    /// Commits in them.
    pub commits: u64,
    /// Bytes in them.
    pub commit_bytes: u64,
    /// Microseconds the store took for them.
    pub commit_micros: u64,
    /// Commits that were not acknowledged.
    pub commits_failed: u64,
    /// Task queues in memory.
    pub task_queues: usize,
    /// Tasks that wait.
    pub backlog: i64,
    /// Polls that wait.
    pub pollers: usize,
    /// Messages between executions that wait.
    pub deliveries: usize,
    /// Visibility records that wait.
    pub projections: usize,
    /// Visibility records written so far.
    pub projected: u64,
    /// Shards.
    pub shards: usize,
    /// Runs in memory.
    pub cached_runs: usize,
    /// Their size, bytes.
    pub cached_bytes: usize,
}

impl Engine {
    /// Opens the stores and begins to work. To be called within a tokio runtime.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn start(
        store: Arc<dyn Store>,
        visibility: Arc<dyn VisibilityStore>,
        namespaces: Arc<Namespaces>,
        limits: Limits,
    ) -> Result<Self, StoreError> {
        let surroundings = Arc::new(System::default());
        let node = Node::open(store, visibility, namespaces, surroundings, limits)?;
        let mut threads = Vec::new();
        let committing = node.clone();
        threads.extend(spawn("commit", move || committing.committer.run()));
        let projecting = node.clone();
        threads.extend(spawn("visibility", move || {
            projecting.projector.run(&projecting);
        }));
        tokio::spawn(node.clone().run_timers());
        tokio::spawn(node.clone().run_deliveries());
        tokio::spawn(node.clone().run_deletions());
        let tending = node.clone();
        tokio::spawn(async move {
            while !tending.is_stopping() {
                tokio::time::sleep(TEND).await;
                tending.tend();
            }
        });
        Ok(Self {
            node,
            queries: Arc::default(),
            threads: Arc::new(Mutex::new(threads)),
        })
    }

    /// The engine over a node that is moved by hand, with [`Node::advance`]: no threads, no tasks. For simulations.
    pub fn over(node: Arc<Node>) -> Self {
        Self {
            node,
            queries: Arc::default(),
            threads: Arc::default(),
        }
    }

    /// Answers all polls without a task. New ones may come; who stops the server refuses them.
    pub fn release_pollers(&self) {
        self.node.queues.release_pollers(self.node.now());
    }

    /// Stops: what is queued is written, then the threads end. Blocks until then.
    pub fn stop(&self) {
        self.node.stop();
        self.node.projector.stop();
        self.node.committer.stop();
        for thread in lock(&self.threads).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the engine panicked");
            }
        }
    }

    /// The limits that it was given.
    pub fn limits(&self) -> &Limits {
        self.node.limits()
    }

    /// The figures as they are now.
    pub fn figures(&self) -> Figures {
        use std::sync::atomic::Ordering::Relaxed;
        let commits = &self.node.committer.figures;
        let (task_queues, backlog, pollers) = self.node.queues.figures();
        let (cached_runs, cached_bytes) = self.node.cached();
        Figures {
            commit_groups: commits.groups.load(Relaxed),
            commits: commits.commits.load(Relaxed),
            commit_bytes: commits.bytes.load(Relaxed),
            commit_micros: commits.micros.load(Relaxed),
            commits_failed: commits.failed.load(Relaxed),
            task_queues,
            backlog,
            pollers,
            deliveries: self.node.deliveries.len(),
            projections: self.node.projector.waiting(),
            projected: *self.node.projector.applied.borrow(),
            shards: usize::from(crate::node::SHARDS),
            cached_runs,
            cached_bytes,
        }
    }

    /// How many visibility records were written so far: a change of it says that lists and counts may have changed.
    pub fn projected(&self) -> watch::Receiver<u64> {
        self.node.projector.applied.subscribe()
    }

    /// To be awaited before lists and counts are read: what was acknowledged before is in them then, unless the
    /// visibility store is behind by more than a moment.
    pub async fn visible(&self) {
        self.node.projector.caught_up().await;
    }

    /// The visibility store, for lists and counts.
    pub fn visibility(&self) -> &Arc<dyn VisibilityStore> {
        &self.node.projector.store
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    match thread.spawn(work) {
        Ok(thread) => Some(thread),
        Err(error) => {
            tracing::error!(%error, name, "a thread of the engine cannot be started");
            std::process::abort();
        }
    }
}
