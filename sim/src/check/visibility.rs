//! P8: in the end, lists and counts say what is true.

use std::collections::BTreeMap;

use steadfast_core::time::Time;
use steadfast_visibility::{Filter, Record, VisibilityStore};

use crate::ledger::Run;
use crate::world::{NAMESPACE_ID, World};

/// Compares the visibility store with what is durable.
pub(crate) fn all(world: &World) {
    let visibility = world.visibility();
    let filter = Filter::all();
    let mut shown = BTreeMap::new();
    let mut token = Vec::new();
    loop {
        let Ok(page) = visibility.list(NAMESPACE_ID, &filter, 100, &token) else {
            world.violation("the visibility store cannot be read".to_owned());
            return;
        };
        shown.extend(
            page.records
                .into_iter()
                .map(|record| (record.run_id.clone(), record)),
        );
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let counted = visibility.count(NAMESPACE_ID, &filter, None);
    let counted = counted.map_or(0, |count| count.total);
    if counted != shown.len() as u64 {
        let listed = shown.len();
        world.violation(format!("{listed} runs are listed, {counted} counted"));
    }
    let ledger = world.store.ledger();
    let mut wrong = Vec::new();
    for (run_id, run) in ledger.runs.iter().filter(|(_, run)| !run.deleted) {
        match shown.remove(run_id) {
            None => wrong.push(format!("run {run_id} of {} is not listed", run.workflow_id)),
            Some(record) => {
                let found = differing(run, &record);
                wrong.extend(found.map(|what| format!("run {run_id} is listed with {what}")));
            }
        }
    }
    wrong.extend(
        shown
            .keys()
            .map(|run_id| format!("run {run_id} is listed but gone")),
    );
    drop(ledger);
    for wrong in wrong {
        world.violation(wrong);
    }
}

fn differing(run: &Run, record: &Record) -> Option<String> {
    let micros = |time: Time| time.0 / 1000 * 1000;
    let close = run.events.last()?;
    let closed = close.event_time.as_ref().map(Time::from_proto).map(micros);
    let started = run.time_of(1).map(micros)?;
    let truth = (
        run.workflow_id.as_str(),
        run.head.status,
        started,
        closed,
        Some(run.events.len() as i64),
    );
    let shown = (
        record.workflow_id.as_str(),
        record.status,
        record.start_time,
        record.close_time,
        record.history_length,
    );
    (truth != shown).then(|| format!("{shown:?}, which is {truth:?}"))
}
