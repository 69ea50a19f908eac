//! Why a run waits, in words: a pure function of what the services say about it.

use std::collections::BTreeMap;

use steadfast_protocol::enums::{PendingActivityState, PendingWorkflowTaskState};
use steadfast_protocol::workflow::{PendingActivityInfo, PendingWorkflowTaskInfo};
use steadfast_protocol::workflowservice::DescribeWorkflowExecutionResponse;

use super::text::Text;
use crate::history::group::{Group, Kind};
use crate::history::moment::ms_of;
use crate::payload::{failure, shorten};

/// More reasons of a kind are counted.
const SHOWN_MAX: usize = 3;
const FAILURE_CHARS: usize = 200;

/// What a reason means to who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    /// Nothing goes on until somebody does something.
    Wrong,
    /// Something failed and is tried again.
    Retrying,
    /// All is as it should be.
    Calm,
}

impl Tone {
    /// Class of the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Wrong => "reason wrong",
            Self::Retrying => "reason retrying",
            Self::Calm => "reason calm",
        }
    }
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    /// What it means.
    pub(super) tone: Tone,
    /// The sentence.
    pub(super) text: Text,
    /// What to do about it; empty for nothing.
    pub(super) advice: String,
    /// The event that began it; 0 for none.
    pub(super) event: i64,
}

/// What is known of a run.
pub(super) struct Situation<'a> {
    /// What the server says.
    pub(super) description: &'a DescribeWorkflowExecutionResponse,
    /// Its steps that have not ended.
    pub(super) open: Vec<&'a Group>,
    /// What the last workflow task said if it failed, and its event.
    pub(super) task_failure: Option<&'a (String, i64)>,
    /// How many workers poll each task queue, by its kind of task (`workflow`, `activity`) and name; none where it is
    /// not known.
    pub(super) pollers: &'a BTreeMap<(&'static str, String), usize>,
    /// Milliseconds since 1970.
    pub(super) now: i64,
}

/// Why the run waits; the most urgent reason first. Empty for a run that is over.
pub(super) fn reasons(situation: &Situation<'_>) -> Vec<Reason> {
    let Some(info) = &situation.description.workflow_execution_info else {
        return Vec::new();
    };
    if info.close_time.is_some() {
        return Vec::new();
    }
    let mut reasons = Vec::new();
    situation.pause(&mut reasons);
    situation.delay(&mut reasons);
    situation.workflow_task(&mut reasons);
    situation.activities(&mut reasons);
    situation.nexus(&mut reasons);
    situation.others(&mut reasons);
    situation.timers(&mut reasons);
    if reasons.is_empty() {
        reasons.push(calm(
            "Nothing to do but wait for signals, updates or a cancellation.",
            0,
        ));
    }
    reasons.sort_by_key(|reason| reason.tone);
    reasons
}

fn calm(text: impl Into<Text>, event: i64) -> Reason {
    Reason {
        tone: Tone::Calm,
        text: text.into(),
        advice: String::new(),
        event,
    }
}

impl Situation<'_> {
    fn pause(&self, reasons: &mut Vec<Reason>) {
        let extended = self.description.workflow_extended_info.as_ref();
        if let Some(pause) = extended.and_then(|info| info.pause_info.as_ref()) {
            let mut text = "The workflow is paused".to_owned();
            if !pause.identity.is_empty() {
                text = format!("{text} by {}", pause.identity);
            }
            if !pause.reason.is_empty() {
                text = format!("{text}: {}", pause.reason);
            }
            reasons.push(Reason {
                tone: Tone::Wrong,
                text: (text + ".").into(),
                advice: "It goes on once somebody unpauses it.".to_owned(),
                event: 0,
            });
        }
    }

    fn delay(&self, reasons: &mut Vec<Reason>) {
        let info = self.description.workflow_execution_info.as_ref();
        let begins = info.and_then(|info| ms_of(info.execution_time.as_ref()));
        if let Some(begins) = begins.filter(|begins| *begins > self.now) {
            let text = Text::from("It has not begun: its first workflow task is due in ");
            reasons.push(calm(text.left(begins).words("."), 1));
        }
    }

    fn workflow_task(&self, reasons: &mut Vec<Reason>) {
        let Some(task) = &self.description.pending_workflow_task else {
            return;
        };
        let queue = self.queue();
        let scheduled = task
            .original_scheduled_time
            .as_ref()
            .or(task.scheduled_time.as_ref());
        let since = ms_of(scheduled);
        if self.pollers.get(&("workflow", queue.clone())) == Some(&0) {
            reasons.push(Reason {
                tone: Tone::Wrong,
                text: Text::from(format!(
                    "No worker polls its task queue {queue}: a workflow task has waited for "
                ))
                .lasting(since)
                .words("."),
                advice: format!("Start a worker that polls {queue} and knows this workflow type."),
                event: 0,
            });
        }
        if task.attempt > 1 || self.task_failure.is_some() {
            return reasons.push(self.failing_task(task));
        }
        let text = match task.state() {
            PendingWorkflowTaskState::Started => {
                let text = Text::from("A worker has worked on its workflow task for ");
                text.lasting(ms_of(task.started_time.as_ref()))
            }
            _ if reasons.is_empty() => {
                let text =
                    format!("Its workflow task has waited for a free worker of {queue} for ");
                Text::from(text).lasting(since)
            }
            _ => return,
        };
        reasons.push(calm(text.words("."), 0));
    }

    fn failing_task(&self, task: &PendingWorkflowTaskInfo) -> Reason {
        let (why, event) = match self.task_failure {
            Some((why, event)) => (format!(" with {}", shorten(why, FAILURE_CHARS)), *event),
            None => (String::new(), 0),
        };
        Reason {
            tone: Tone::Wrong,
            text: format!(
                "Its workflow task keeps failing{why} (attempt {}).",
                task.attempt.max(1)
            )
            .into(),
            advice: "Mend the workflow code and deploy it: the task is tried again by itself, and nothing is lost."
                .to_owned(),
            event,
        }
    }

    fn activities(&self, reasons: &mut Vec<Reason>) {
        let mut each: Vec<Reason> = self
            .description
            .pending_activities
            .iter()
            .map(|one| self.activity(one))
            .collect();
        each.sort_by_key(|reason| reason.tone);
        cut(&mut each, "activities");
        reasons.append(&mut each);
    }

    fn activity(&self, activity: &PendingActivityInfo) -> Reason {
        let kind = activity
            .activity_type
            .as_ref()
            .map_or("", |kind| &kind.name);
        let name = match kind {
            "" => format!("Activity {}", activity.activity_id),
            kind => format!("Activity {kind}"),
        };
        let event = self.event_of(activity);
        let reason = |tone, text: Text, advice: &str| Reason {
            tone,
            text,
            advice: advice.to_owned(),
            event,
        };
        if activity.paused {
            let text = format!("{name} is paused in attempt {}.", activity.attempt);
            let advice = "It goes on once somebody unpauses it.";
            return reason(Tone::Wrong, text.into(), advice);
        }
        let attempt = match (activity.attempt, activity.maximum_attempts) {
            (0 | 1, 0) => String::new(),
            (attempt, 0) => format!("attempt {attempt}"),
            (attempt, most) => format!("attempt {attempt} of {most}"),
        };
        let last = match &activity.last_failure {
            Some(last) => format!(
                "; last failure: {}",
                shorten(&failure::brief(last), FAILURE_CHARS)
            ),
            None => String::new(),
        };
        let next = ms_of(activity.next_attempt_schedule_time.as_ref());
        if let Some(next) = next.filter(|next| *next > self.now) {
            let text = Text::from(format!("{name} is in {attempt}, next in "));
            let text = text.left(next).words(format!("{last}."));
            return reason(Tone::Retrying, text, "");
        }
        let tone = match activity.last_failure {
            Some(_) => Tone::Retrying,
            None => Tone::Calm,
        };
        let attempt = match attempt.as_str() {
            "" => String::new(),
            attempt => format!(" in {attempt}"),
        };
        match activity.state() {
            PendingActivityState::Started => {
                let text = Text::from(format!("{name} has run{attempt} for "));
                let text = text.lasting(ms_of(activity.last_started_time.as_ref()));
                let text = match ms_of(activity.last_heartbeat_time.as_ref()) {
                    Some(beat) => text.words(", last heartbeat ").ago(beat),
                    None => text,
                };
                reason(tone, text.words(format!("{last}.")), "")
            }
            PendingActivityState::CancelRequested => {
                let text = format!("{name} was asked to stop{attempt} and has not yet{last}.");
                reason(tone, text.into(), "")
            }
            _ => self.activity_waits(activity, &name, &attempt, &last, tone, event),
        }
    }

    fn activity_waits(
        &self,
        activity: &PendingActivityInfo,
        name: &str,
        attempt: &str,
        last: &str,
        tone: Tone,
        event: i64,
    ) -> Reason {
        let options = activity.activity_options.as_ref();
        let queue = options.and_then(|options| options.task_queue.as_ref());
        let queue = queue.map_or_else(|| self.queue(), |queue| queue.name.clone());
        let since = ms_of(activity.scheduled_time.as_ref());
        if self.pollers.get(&("activity", queue.clone())) == Some(&0) {
            return Reason {
                tone: Tone::Wrong,
                text: Text::from(format!(
                    "No worker polls {queue} for activities: {name} has waited{attempt} for "
                ))
                .lasting(since)
                .words(format!("{last}.")),
                advice: format!("Start a worker that polls {queue} and knows this activity type."),
                event,
            };
        }
        Reason {
            tone,
            text: Text::from(format!(
                "{name} has waited{attempt} for a free worker of {queue} for "
            ))
            .lasting(since)
            .words(format!("{last}.")),
            advice: String::new(),
            event,
        }
    }

    fn nexus(&self, reasons: &mut Vec<Reason>) {
        let operations = self.description.pending_nexus_operations.iter();
        let mut each: Vec<Reason> = operations
            .map(|operation| {
                let name = format!(
                    "Nexus operation {}.{}",
                    operation.service, operation.operation
                );
                let next = ms_of(operation.next_attempt_schedule_time.as_ref());
                let event = operation.scheduled_event_id;
                if !operation.blocked_reason.is_empty() {
                    return Reason {
                        tone: Tone::Wrong,
                        text: format!("{name} is held back: {}.", operation.blocked_reason).into(),
                        advice: String::new(),
                        event,
                    };
                }
                match next.filter(|next| *next > self.now) {
                    Some(next) => Reason {
                        tone: Tone::Retrying,
                        text: Text::from(format!(
                            "{name} is in attempt {}, next in ",
                            operation.attempt
                        ))
                        .left(next)
                        .words("."),
                        advice: String::new(),
                        event,
                    },
                    None => calm(format!("{name} goes on."), event),
                }
            })
            .collect();
        each.sort_by_key(|reason| reason.tone);
        cut(&mut each, "Nexus operations");
        reasons.append(&mut each);
    }

    /// Children, and messages to other runs that have not arrived.
    fn others(&self, reasons: &mut Vec<Reason>) {
        let mut each: Vec<Reason> = Vec::new();
        for child in &self.description.pending_children {
            let name = format!(
                "child workflow {} {}",
                child.workflow_type_name, child.workflow_id
            );
            let text = match child.run_id.as_str() {
                "" => format!("The {name} is about to start."),
                _ => format!("It waits for the {name}."),
            };
            each.push(calm(text, child.initiated_id));
        }
        cut(&mut each, "children");
        reasons.append(&mut each);
        for group in &self.open {
            let what = match group.kind {
                Kind::SignalSent => format!("Its signal {} to", group.name),
                Kind::CancelSent => "Its request to cancel".to_owned(),
                _ => continue,
            };
            let (workflow_id, _) = group.run.clone().unwrap_or_default();
            each.push(calm(
                format!("{what} {workflow_id} is on its way."),
                group.first_event(),
            ));
        }
        cut(&mut each, "messages to other workflows");
        reasons.append(&mut each);
    }

    fn timers(&self, reasons: &mut Vec<Reason>) {
        let timers = self.open.iter().filter(|group| group.kind == Kind::Timer);
        let mut timers: Vec<(i64, &Group)> = timers
            .map(|group| (group.due.unwrap_or(0), *group))
            .collect();
        timers.sort_by_key(|(due, _)| *due);
        let mut each: Vec<Reason> = timers
            .into_iter()
            .map(|(due, timer)| {
                let name = match timer.summary.as_str() {
                    "" => format!("Timer {}", timer.id),
                    summary => format!("Timer {} ({summary})", timer.id),
                };
                let text = if due > self.now {
                    let text = Text::from(format!("{name} fires in ")).left(due);
                    text.words(format!(", after {}.", timer.name))
                } else {
                    format!("{name} is due.").into()
                };
                calm(text, timer.first_event())
            })
            .collect();
        cut(&mut each, "timers");
        reasons.append(&mut each);
    }

    fn queue(&self) -> String {
        let info = self.description.workflow_execution_info.as_ref();
        info.map_or_else(String::new, |info| info.task_queue.clone())
    }

    fn event_of(&self, activity: &PendingActivityInfo) -> i64 {
        let mut open = self.open.iter().rev();
        let found =
            open.find(|group| group.kind == Kind::Activity && group.id == activity.activity_id);
        found.map_or(0, |group| group.first_event())
    }
}

/// Keeps the most urgent ones and counts the rest.
fn cut(each: &mut Vec<Reason>, name: &str) {
    if each.len() > SHOWN_MAX + 1 {
        let rest = each.len() - SHOWN_MAX;
        each.truncate(SHOWN_MAX);
        let tone = each.last().map_or(Tone::Calm, |last| last.tone);
        each.push(Reason {
            tone,
            ..calm(format!("It waits for {rest} more {name}."), 0)
        });
    }
}

#[cfg(test)]
mod tests {
    use steadfast_protocol::Timestamp;
    use steadfast_protocol::common::ActivityType;
    use steadfast_protocol::failure::Failure;
    use steadfast_protocol::workflow::{PendingChildExecutionInfo, WorkflowExecutionInfo};

    use super::*;
    use crate::history::group::State;

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos: 0 })
    }

    fn running() -> DescribeWorkflowExecutionResponse {
        DescribeWorkflowExecutionResponse {
            workflow_execution_info: Some(WorkflowExecutionInfo {
                task_queue: "q".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn activity(edit: impl FnOnce(&mut PendingActivityInfo)) -> DescribeWorkflowExecutionResponse {
        let mut pending = PendingActivityInfo {
            activity_id: "1".to_owned(),
            activity_type: Some(ActivityType {
                name: "charge".to_owned(),
            }),
            state: PendingActivityState::Scheduled as i32,
            attempt: 1,
            scheduled_time: at(900),
            ..Default::default()
        };
        edit(&mut pending);
        DescribeWorkflowExecutionResponse {
            pending_activities: vec![pending],
            ..running()
        }
    }

    fn check(
        description: &DescribeWorkflowExecutionResponse,
        groups: &[Group],
        task_failure: Option<&(String, i64)>,
        pollers: usize,
        expected: &str,
    ) {
        let queues = ["workflow", "activity"].map(|kind| ((kind, "q".to_owned()), pollers));
        let now = 1_000_000;
        let found = reasons(&Situation {
            description,
            open: groups
                .iter()
                .filter(|group| group.state == State::Open)
                .collect(),
            task_failure,
            pollers: &queues.into(),
            now,
        });
        let lines: Vec<_> = found
            .iter()
            .map(|one| format!("{:?}: {}", one.tone, one.text.plain(now)))
            .collect();
        assert_eq!(lines.join("\n"), expected);
    }

    #[test]
    fn nothing_pending() {
        let calm = "Calm: Nothing to do but wait for signals, updates or a cancellation.";
        check(&running(), &[], None, 0, calm);
    }

    #[test]
    fn closed_runs_wait_for_nothing() {
        let mut description = running();
        if let Some(info) = &mut description.workflow_execution_info {
            info.close_time = at(1);
        }
        check(&description, &[], None, 0, "");
    }

    #[test]
    fn workflow_tasks() {
        let task = |attempt, state: PendingWorkflowTaskState| DescribeWorkflowExecutionResponse {
            pending_workflow_task: Some(PendingWorkflowTaskInfo {
                state: state as i32,
                scheduled_time: at(820),
                started_time: at(998),
                attempt,
                ..Default::default()
            }),
            ..running()
        };
        let scheduled = task(1, PendingWorkflowTaskState::Scheduled);
        check(
            &scheduled,
            &[],
            None,
            0,
            "Wrong: No worker polls its task queue q: a workflow task has waited for 3 m.",
        );
        check(
            &scheduled,
            &[],
            None,
            1,
            "Calm: Its workflow task has waited for a free worker of q for 3 m.",
        );
        check(
            &task(1, PendingWorkflowTaskState::Started),
            &[],
            None,
            1,
            "Calm: A worker has worked on its workflow task for 2 s.",
        );
        check(
            &task(4, PendingWorkflowTaskState::Scheduled),
            &[],
            Some(&("non deterministic error: no timer 5".to_owned(), 12)),
            1,
            "Wrong: Its workflow task keeps failing with non deterministic error: no timer 5 (attempt 4).",
        );
    }

    #[test]
    fn activities() {
        check(
            &activity(|pending| {
                pending.attempt = 7;
                pending.next_attempt_schedule_time = at(1040);
                pending.last_failure = Some(Failure {
                    message: "card declined".to_owned(),
                    ..Default::default()
                });
            }),
            &[],
            None,
            1,
            "Retrying: Activity charge is in attempt 7, next in 40 s; last failure: card declined.",
        );
        check(
            &activity(|_| {}),
            &[],
            None,
            0,
            "Wrong: No worker polls q for activities: Activity charge has waited for 1 m 40 s.",
        );
        check(
            &activity(|pending| {
                pending.state = PendingActivityState::Started as i32;
                pending.attempt = 2;
                pending.maximum_attempts = 5;
                pending.last_started_time = at(940);
                pending.last_heartbeat_time = at(997);
            }),
            &[],
            None,
            1,
            "Calm: Activity charge has run in attempt 2 of 5 for 1 m, last heartbeat 3 s ago.",
        );
        check(
            &activity(|pending| pending.paused = true),
            &[],
            None,
            1,
            "Wrong: Activity charge is paused in attempt 1.",
        );
    }

    #[test]
    fn timers_and_children() {
        let timer = Group {
            kind: Kind::Timer,
            name: "2 h".to_owned(),
            id: "5".to_owned(),
            summary: String::new(),
            state: State::Open,
            events: vec![5],
            opened: 0,
            started: None,
            closed: None,
            attempt: 0,
            failure: String::new(),
            run: None,
            due: Some(4_600_000),
        };
        let mut description = running();
        description.pending_children = (0..10)
            .map(|at| PendingChildExecutionInfo {
                workflow_id: format!("c{at}"),
                run_id: "r".to_owned(),
                workflow_type_name: "Child".to_owned(),
                ..Default::default()
            })
            .collect();
        check(
            &description,
            &[timer],
            None,
            1,
            "Calm: It waits for the child workflow Child c0.\n\
             Calm: It waits for the child workflow Child c1.\n\
             Calm: It waits for the child workflow Child c2.\n\
             Calm: It waits for 7 more children.\n\
             Calm: Timer 5 fires in 1 h, after 2 h.",
        );
    }
}
