//! Where things are in a history: its groups, and for each page of the server the token that leads to it, so that any
//! window is one or two calls away. Made on first sight of a run, then kept up to date from its last page.
//!
//! Nothing is shown from here before the server was asked about the run with the rights of who looks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::history::HistoryEvent;
use steadfast_protocol::workflowservice::GetWorkflowExecutionHistoryRequest;
use tokio::sync::Mutex as AsyncMutex;

use super::group::Group;
use super::grouping::Grouping;
use crate::backend::Backend;
use crate::failure::PageError;

/// All that is kept of all runs, bytes.
const KEPT_BYTES_MAX: usize = 96 << 20;
/// Runs whose indexes are kept.
const KEPT_RUNS_MAX: usize = 500;
/// Events asked for at a time.
const PAGE_SIZE: i32 = 256;

/// Which run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunName {
    /// Its namespace.
    pub namespace: String,
    /// Its workflow id.
    pub workflow_id: String,
    /// Its run id.
    pub run_id: String,
}

/// Where things are in one history.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Events in groups.
    pub grouping: Grouping,
    /// First event and token of each page of the server.
    pages: Vec<(i64, Bytes)>,
}

impl Index {
    /// The last event there is.
    pub fn last_event(&self) -> i64 {
        i64::try_from(self.grouping.group_of.len()).unwrap_or(i64::MAX)
    }

    /// All groups.
    pub fn groups(&self) -> &[Group] {
        &self.grouping.groups
    }

    /// The first event at or after `from` that made its group fail.
    pub fn next_failure(&self, from: i64) -> Option<i64> {
        self.grouping.failures.range(from..).next().copied()
    }

    /// The last event before `before` that made its group fail.
    pub fn previous_failure(&self, before: i64) -> Option<i64> {
        self.grouping.failures.range(..before).next_back().copied()
    }

    /// First and last event of each page of the server, oldest first.
    pub fn spans(&self) -> impl DoubleEndedIterator<Item = (i64, i64)> {
        let last = self.last_event();
        (0..self.pages.len()).map(move |at| {
            let next = self.pages.get(at + 1).map(|(first, _)| first - 1);
            (self.pages[at].0, next.unwrap_or(last))
        })
    }

    fn weight(&self) -> usize {
        let groups: usize = self.groups().iter().map(Group::weight).sum();
        // Each event has a place in two tables, each page a token.
        groups + self.grouping.group_of.len() * 24 + self.pages.len() * 200
    }

    /// The last page of the server.
    pub(super) fn last_page(&self) -> Bytes {
        let last = self.pages.last();
        last.map_or_else(Bytes::new, |(_, token)| token.clone())
    }

    /// The page of the server that holds an event.
    fn page_of(&self, event_id: i64) -> Bytes {
        let at = self.pages.partition_point(|(first, _)| *first <= event_id);
        let page = at.checked_sub(1).and_then(|at| self.pages.get(at));
        page.map_or_else(Bytes::new, |(_, token)| token.clone())
    }

    fn take(&mut self, token: Bytes, events: &[HistoryEvent]) {
        let Some(first) = events.first() else {
            return;
        };
        if self
            .pages
            .last()
            .is_none_or(|(last, _)| *last < first.event_id)
        {
            self.pages.push((first.event_id, token));
        }
        for event in events {
            // What comes again is known; there is no gap, as pages begin where others ended.
            if event.event_id == self.last_event() + 1 {
                self.grouping.push(event);
            }
        }
    }
}

/// One page of a history: its events, and where the next one begins.
pub async fn read_page(
    backend: &Backend,
    run: &RunName,
    token: Bytes,
) -> Result<(Vec<HistoryEvent>, Bytes), PageError> {
    read(backend, run, token, false).await
}

/// The same, but for a run that goes on: waits a while for events if there are none yet, and there is always a next
/// page.
pub(super) async fn await_page(
    backend: &Backend,
    run: &RunName,
    token: Bytes,
) -> Result<(Vec<HistoryEvent>, Bytes), PageError> {
    read(backend, run, token, true).await
}

async fn read(
    backend: &Backend,
    run: &RunName,
    token: Bytes,
    wait_new_event: bool,
) -> Result<(Vec<HistoryEvent>, Bytes), PageError> {
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: run.namespace.clone(),
        execution: Some(WorkflowExecution {
            workflow_id: run.workflow_id.clone(),
            run_id: run.run_id.clone(),
        }),
        maximum_page_size: PAGE_SIZE,
        next_page_token: token,
        wait_new_event,
        ..Default::default()
    };
    let answer = backend
        .workflow()
        .get_workflow_execution_history(request)
        .await?;
    let answer = answer.into_inner();
    let events = answer.history.unwrap_or_default().events;
    Ok((events, answer.next_page_token))
}

/// Reads what has come since an index was read last. Where it fails half-way, what was read is kept.
async fn catch_up(
    index: &mut Arc<Index>,
    backend: &Backend,
    run: &RunName,
) -> Result<(), PageError> {
    let mut token = index.last_page();
    loop {
        let (events, next) = read_page(backend, run, token.clone()).await?;
        let known = index.last_event();
        if events.last().is_some_and(|event| event.event_id > known) {
            // Copied only if somebody looks at it at this moment.
            Arc::make_mut(index).take(token, &events);
        }
        if next.is_empty() {
            return Ok(());
        }
        token = next;
    }
}

type Slot = Arc<AsyncMutex<Arc<Index>>>;

/// The indexes of the runs that were looked at last.
#[derive(Clone, Default)]
pub struct Indexes {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    runs: BTreeMap<RunName, Entry>,
    bytes: usize,
    clock: u64,
}

struct Entry {
    slot: Slot,
    bytes: usize,
    used: u64,
}

impl Indexes {
    /// The index of a run, with all events that are there now.
    pub async fn of(&self, backend: &Backend, run: &RunName) -> Result<Arc<Index>, PageError> {
        let slot = self.slot(run);
        // Two who look at the same run read it once.
        let mut index = slot.lock().await;
        let known = index.last_event();
        let read = catch_up(&mut index, backend, run).await;
        if index.last_event() > known {
            self.weigh(run, index.weight());
        }
        read?;
        Ok(Arc::clone(&index))
    }

    /// The index of a run, as far as it is known already.
    pub(super) async fn known(&self, run: &RunName) -> Arc<Index> {
        let slot = self.slot(run);
        let index = slot.lock().await;
        Arc::clone(&index)
    }

    /// The events from `from` to `to`, both included.
    pub async fn window(
        &self,
        backend: &Backend,
        run: &RunName,
        index: &Index,
        from: i64,
        to: i64,
    ) -> Result<Vec<HistoryEvent>, PageError> {
        let mut token = index.page_of(from);
        let mut window = Vec::new();
        loop {
            let (events, next) = read_page(backend, run, token).await?;
            let last = events.last().map_or(i64::MAX, |event| event.event_id);
            let wanted = |event: &HistoryEvent| (from..=to).contains(&event.event_id);
            window.extend(events.into_iter().filter(wanted));
            if last >= to || next.is_empty() {
                return Ok(window);
            }
            token = next;
        }
    }

    fn slot(&self, run: &RunName) -> Slot {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clock += 1;
        let used = kept.clock;
        let entry = kept.runs.entry(run.clone()).or_insert_with(|| Entry {
            slot: Slot::default(),
            bytes: 0,
            used,
        });
        entry.used = used;
        Arc::clone(&entry.slot)
    }

    fn weigh(&self, run: &RunName, bytes: usize) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut *kept;
        if let Some(entry) = kept.runs.get_mut(run) {
            kept.bytes = kept.bytes - entry.bytes + bytes;
            entry.bytes = bytes;
        }
        while kept.runs.len() > 1
            && (kept.bytes > KEPT_BYTES_MAX || kept.runs.len() > KEPT_RUNS_MAX)
        {
            let oldest = kept.runs.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(run, _)| run.clone()) else {
                return;
            };
            if let Some(entry) = kept.runs.remove(&oldest) {
                kept.bytes -= entry.bytes;
            }
        }
    }
}
