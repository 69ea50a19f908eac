//! What is durable, read from the rows themselves as they are written: independent of the engine's own readers.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message;
use steadfast_core::record::{Activity, Head};
use steadfast_core::rows::{Row, read_number};
use steadfast_core::time::Time;
use steadfast_protocol::enums::EventType;
use steadfast_protocol::history::history_event::Attributes;
use steadfast_protocol::history::{History, HistoryEvent};
use steadfast_store::{Batch, Table, Write};

use crate::check;

/// One run, as it is durable.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Its workflow id.
    pub workflow_id: String,
    /// Its history.
    pub events: Vec<HistoryEvent>,
    /// Its head.
    pub head: Head,
    /// Its pending activities as last written, also those that ended.
    pub activities: BTreeMap<i64, Activity>,
    /// Events that wait for the end of a workflow task, by row.
    pub buffered: BTreeMap<u64, HistoryEvent>,
    /// Request ids of its signals.
    pub signal_rows: BTreeSet<String>,
    /// Rows of it were deleted.
    pub deleted: bool,
    /// When its last event was written.
    pub written: Time,
}

impl Run {
    /// Whether its history has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.events.last().is_some_and(is_close)
    }

    /// The attributes of an event.
    pub(crate) fn attributes(&self, event_id: i64) -> Option<&Attributes> {
        let index = usize::try_from(event_id - 1).ok()?;
        self.events.get(index)?.attributes.as_ref()
    }

    /// When an event happened.
    pub(crate) fn time_of(&self, event_id: i64) -> Option<Time> {
        let index = usize::try_from(event_id - 1).ok()?;
        let time = self.events.get(index)?.event_time.as_ref()?;
        Some(Time::from_proto(time))
    }
}

/// Whether the event ends a run.
pub(crate) fn is_close(event: &HistoryEvent) -> bool {
    matches!(
        event.event_type(),
        EventType::WorkflowExecutionCompleted
            | EventType::WorkflowExecutionFailed
            | EventType::WorkflowExecutionTimedOut
            | EventType::WorkflowExecutionCanceled
            | EventType::WorkflowExecutionTerminated
            | EventType::WorkflowExecutionContinuedAsNew
    )
}

/// All that is durable.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// By run id.
    pub runs: BTreeMap<String, Run>,
    /// Runs of each workflow id, in order of their start.
    pub chains: BTreeMap<String, Vec<String>>,
    /// Runs that each start request created.
    pub starts: BTreeMap<String, Vec<String>>,
    /// Runs that have each signal, by its request id.
    pub signals: BTreeMap<String, Vec<String>>,
    /// Request ids of signals that came to two runs of a chain, as the protocol allows.
    pub signals_repeated: u64,
    /// Start requests that created a second run after the first was followed by another.
    pub starts_repeated: u64,
    /// What must not be.
    pub violations: Vec<String>,
    /// Events written.
    pub transitions: u64,
}

/// Run id of a key that begins with it, and the rest of the key.
fn parse_key(key: &[u8]) -> Option<(String, &[u8])> {
    let (run_id, rest) = key.split_first_chunk::<16>()?;
    Some((uuid::Uuid::from_bytes(*run_id).to_string(), rest))
}

/// Workflow id of the value of a head's row, and the head.
fn parse_head(value: &[u8]) -> Option<(String, Head)> {
    let (_, rest) = value.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (workflow_id, head) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let workflow_id = String::from_utf8(workflow_id.to_vec()).ok()?;
    Some((workflow_id, Head::decode(head).ok()?))
}

/// Workflow id of the run whose history this is a key of: its head is in the same batch.
fn owner(batch: &Batch, key: &[u8]) -> Option<String> {
    let head = [key.get(..16)?, &Row::HEAD_KEY].concat();
    batch.writes.iter().find_map(|write| match write {
        Write::Put {
            table: Table::Runs,
            key,
            value,
        } if **key == *head => Some(parse_head(value)?.0),
        _ => None,
    })
}

impl Ledger {
    /// A batch became durable at `now`.
    pub(crate) fn record(&mut self, batch: &Batch, now: Time) {
        self.transitions += u64::from(!batch.writes.is_empty());
        let mut touched = BTreeSet::new();
        for write in &batch.writes {
            match write {
                Write::Put { table, key, value } => {
                    self.put(batch, (*table, key, value), now, &mut touched);
                }
                Write::Delete { table, key } => self.delete(*table, key),
            }
        }
        for workflow_id in touched {
            check::once::one_open_run(self, &workflow_id);
        }
    }

    fn put(
        &mut self,
        batch: &Batch,
        (table, key, value): (Table, &Bytes, &Bytes),
        now: Time,
        touched: &mut BTreeSet<String>,
    ) {
        let Some((run_id, rest)) = parse_key(key) else {
            return;
        };
        match table {
            Table::History => {
                let Ok(history) = History::decode(value.clone()) else {
                    self.violations
                        .push(format!("run {run_id}: a block is unreadable"));
                    return;
                };
                let Some(workflow_id) = owner(batch, key) else {
                    self.violations
                        .push(format!("run {run_id}: events without a head"));
                    return;
                };
                let first = read_number(rest).unwrap_or_default() as i64;
                touched.insert(workflow_id.clone());
                self.add_block(&workflow_id, &run_id, first, history.events, now);
            }
            Table::Runs => self.put_row(&run_id, rest, value),
            _ => {}
        }
    }

    fn put_row(&mut self, run_id: &str, row: &[u8], value: &Bytes) {
        let Some(run) = self.runs.get_mut(run_id) else {
            self.violations
                .push(format!("run {run_id}: a row stands before the first event"));
            return;
        };
        match row.first() {
            Some(0) => {
                let Some((_, head)) = parse_head(value) else {
                    self.violations
                        .push(format!("run {run_id}: the head is unreadable"));
                    return;
                };
                let is_new = run.head == Head::default();
                let request_id = head.create_request_id.clone();
                run.head = head;
                if is_new {
                    check::once::started(self, run_id, &request_id);
                }
                check::history::head_agrees(self, run_id);
            }
            Some(1) => {
                if let Ok(activity) = Activity::decode(value.clone()) {
                    run.activities.insert(activity.scheduled_event_id, activity);
                }
            }
            Some(6) => {
                if let (Some(number), Ok(event)) =
                    (read_number(&row[1..]), HistoryEvent::decode(value.clone()))
                {
                    run.buffered.insert(number, event);
                }
            }
            Some(7) => {
                let id = String::from_utf8_lossy(&row[1..]).into_owned();
                run.signal_rows.insert(id);
            }
            _ => {}
        }
    }

    fn add_block(
        &mut self,
        workflow_id: &str,
        run_id: &str,
        first: i64,
        events: Vec<HistoryEvent>,
        now: Time,
    ) {
        let known = self.runs.contains_key(run_id);
        let run = self.runs.entry(run_id.to_owned()).or_default();
        if !known {
            run.workflow_id = workflow_id.to_owned();
            let chain = self.chains.entry(workflow_id.to_owned()).or_default();
            chain.push(run_id.to_owned());
        }
        if let Some(found) = check::history::block(run, first, &events) {
            self.violations.push(format!("run {run_id}: {found}"));
            return;
        }
        run.written = now;
        for event in events {
            check::once::event(self, run_id, &event);
            check::timers::event(self, run_id, &event, now);
            if let Some(run) = self.runs.get_mut(run_id) {
                run.events.push(event);
            }
        }
    }

    fn delete(&mut self, table: Table, key: &Bytes) {
        let Some((run_id, row)) = parse_key(key) else {
            return;
        };
        if table == Table::Runs
            && let Some((6, number)) = row.split_first()
            && let (Some(run), Some(number)) = (self.runs.get_mut(&run_id), read_number(number))
        {
            run.buffered.remove(&number);
        }
        if table != Table::History {
            return;
        }
        if let Some(run) = self.runs.get_mut(&run_id) {
            run.deleted = true;
            if !run.is_closed() {
                self.violations
                    .push(format!("run {run_id}: deleted while open"));
            }
        }
    }

    /// The runs that have not ended.
    pub(crate) fn open_runs(&self) -> impl Iterator<Item = (&String, &Run)> {
        self.runs.iter().filter(|(_, run)| !run.is_closed())
    }
}
