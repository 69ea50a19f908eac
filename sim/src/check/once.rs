//! P2: what may happen once happens once.

use std::collections::BTreeMap;

use steadfast_protocol::history::HistoryEvent;
use steadfast_protocol::history::history_event::Attributes;

use crate::ledger::Ledger;

/// At most one run of a workflow id is open.
pub(crate) fn one_open_run(ledger: &mut Ledger, workflow_id: &str) {
    let Some(chain) = ledger.chains.get(workflow_id) else {
        return;
    };
    let open: Vec<_> = chain
        .iter()
        .filter(|run_id| ledger.runs.get(*run_id).is_some_and(|run| !run.is_closed()))
        .cloned()
        .collect();
    if open.len() > 1 {
        ledger
            .violations
            .push(format!("{workflow_id}: several open runs: {open:?}"));
    }
}

/// A request starts one run, as long as nothing followed that run.
pub(crate) fn started(ledger: &mut Ledger, run_id: &str, request_id: &str) {
    let Some(run) = ledger.runs.get(run_id) else {
        return;
    };
    let workflow_id = run.workflow_id.clone();
    let before = ledger.starts.entry(request_id.to_owned()).or_default();
    before.push(run_id.to_owned());
    let Some([.., first, _]) = before.get(..).filter(|runs| runs.len() > 1) else {
        return;
    };
    let chain = &ledger.chains[&workflow_id];
    let follower = chain.iter().skip_while(|run| *run != first).nth(1);
    let gone = ledger.runs.get(first).is_some_and(|run| run.deleted);
    if follower.is_some_and(|follower| follower == run_id) && !gone {
        ledger.violations.push(format!(
            "{workflow_id}: request {request_id} started {first} and {run_id}"
        ));
    } else {
        ledger.starts_repeated += 1;
    }
}

/// The event that an event answers, where only one answer may be, and the kind of the answer.
fn answered(attributes: &Attributes) -> Option<(&'static str, i64)> {
    use Attributes as A;
    let of = match attributes {
        A::ActivityTaskStartedEventAttributes(it) => ("activity start", it.scheduled_event_id),
        A::ActivityTaskCompletedEventAttributes(it) => ("activity", it.scheduled_event_id),
        A::ActivityTaskFailedEventAttributes(it) => ("activity", it.scheduled_event_id),
        A::ActivityTaskTimedOutEventAttributes(it) => ("activity", it.scheduled_event_id),
        A::ActivityTaskCanceledEventAttributes(it) => ("activity", it.scheduled_event_id),
        A::TimerFiredEventAttributes(it) => ("timer", it.started_event_id),
        A::TimerCanceledEventAttributes(it) => ("timer", it.started_event_id),
        A::WorkflowTaskStartedEventAttributes(it) => ("task start", it.scheduled_event_id),
        A::WorkflowTaskCompletedEventAttributes(it) => ("task", it.scheduled_event_id),
        A::WorkflowTaskFailedEventAttributes(it) => ("task", it.scheduled_event_id),
        A::WorkflowTaskTimedOutEventAttributes(it) => ("task", it.scheduled_event_id),
        A::ChildWorkflowExecutionStartedEventAttributes(it) => {
            ("child start", it.initiated_event_id)
        }
        A::StartChildWorkflowExecutionFailedEventAttributes(it) => {
            ("child start", it.initiated_event_id)
        }
        A::ChildWorkflowExecutionCompletedEventAttributes(it) => ("child", it.initiated_event_id),
        A::ChildWorkflowExecutionFailedEventAttributes(it) => ("child", it.initiated_event_id),
        A::ChildWorkflowExecutionCanceledEventAttributes(it) => ("child", it.initiated_event_id),
        A::ChildWorkflowExecutionTimedOutEventAttributes(it) => ("child", it.initiated_event_id),
        A::ChildWorkflowExecutionTerminatedEventAttributes(it) => ("child", it.initiated_event_id),
        A::ExternalWorkflowExecutionSignaledEventAttributes(it) => {
            ("external signal", it.initiated_event_id)
        }
        A::SignalExternalWorkflowExecutionFailedEventAttributes(it) => {
            ("external signal", it.initiated_event_id)
        }
        A::ExternalWorkflowExecutionCancelRequestedEventAttributes(it) => {
            ("external cancel", it.initiated_event_id)
        }
        A::RequestCancelExternalWorkflowExecutionFailedEventAttributes(it) => {
            ("external cancel", it.initiated_event_id)
        }
        _ => return None,
    };
    Some(of)
}

/// Nothing is answered twice, nothing comes from nowhere, and no signal comes twice.
pub(crate) fn event(ledger: &mut Ledger, run_id: &str, event: &HistoryEvent) {
    let (Some(run), Some(attributes)) = (ledger.runs.get(run_id), &event.attributes) else {
        return;
    };
    let id = event.event_id;
    if let Some((kind, answers)) = answered(attributes) {
        if answers <= 0 || answers >= id {
            ledger
                .violations
                .push(format!("run {run_id}: event {id} answers event {answers}"));
            return;
        }
        let before = run.events[answers as usize..]
            .iter()
            .filter_map(|event| Some((event.event_id, answered(event.attributes.as_ref()?)?)));
        let before: BTreeMap<_, _> = before.map(|(id, what)| (what, id)).collect();
        if let Some(first) = before.get(&(kind, answers)) {
            ledger.violations.push(format!(
                "run {run_id}: events {first} and {id} both end the {kind} of event {answers}"
            ));
        }
    }
    if let Attributes::WorkflowExecutionSignaledEventAttributes(signal) = attributes
        && !signal.request_id.is_empty()
    {
        let runs = ledger.signals.entry(signal.request_id.clone()).or_default();
        if runs.iter().any(|run| run == run_id) {
            ledger.violations.push(format!(
                "run {run_id}: signal {} came twice",
                signal.request_id
            ));
        }
        ledger.signals_repeated += u64::from(!runs.is_empty());
        runs.push(run_id.to_owned());
    }
}
