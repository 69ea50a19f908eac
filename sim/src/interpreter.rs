//! Runs a program over a history, as an SDK does: the same history gives the same commands, and the commands of the
//! past must be the events that followed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use steadfast_protocol::command::Command;
use steadfast_protocol::history::HistoryEvent;
use steadfast_protocol::history::history_event::Attributes;

use crate::commands;
use crate::program::{Ending, Input, Program, Step};

/// What a worker answers to a workflow task.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The commands of this task.
    pub commands: Vec<Command>,
    /// Names of the signals seen, in order: the answer to a query.
    pub signals: Vec<String>,
}

/// What a fiber waits for. Numbers name what was asked for, in order.
enum Wait {
    Nothing,
    End(u64),
    Start(u64),
    Signal {
        timer: u64,
    },
    CancelActivity {
        activity: u64,
        timer: u64,
        asked: bool,
    },
    CancelTimer {
        long: u64,
        short: u64,
    },
    Fibers(Vec<usize>),
}

struct Fiber {
    steps: VecDeque<Step>,
    wait: Wait,
}

struct Machine {
    workflow_id: String,
    input: Input,
    program: Program,
    fibers: Vec<Fiber>,
    next: u64,
    /// What was asked for, by the event that recorded it.
    by_event: BTreeMap<i64, u64>,
    event_of: BTreeMap<u64, i64>,
    ended: BTreeSet<u64>,
    started: BTreeSet<u64>,
    signals: Vec<String>,
    signals_taken: usize,
    cancel_requested: bool,
    finished: bool,
    commands: Vec<Command>,
}

/// Runs the program of `events`, whole and from the first one on, up to the task that was just started or to its end.
///
/// # Errors
/// The history is not one that the program could have led to.
pub(crate) fn interpret(workflow_id: &str, events: &[HistoryEvent]) -> Result<Answer, String> {
    let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) =
        events.first().and_then(|event| event.attributes.as_ref())
    else {
        return Err("the history does not begin with its start".to_owned());
    };
    let input = commands::text_of(started.input.as_ref());
    let input = Input::decode(&input).ok_or_else(|| format!("unknown input {input:?}"))?;
    let program = input.program();
    let machine = Machine {
        workflow_id: workflow_id.to_owned(),
        input,
        fibers: vec![Fiber {
            steps: program.steps.clone().into(),
            wait: Wait::Nothing,
        }],
        program,
        next: 0,
        by_event: BTreeMap::new(),
        event_of: BTreeMap::new(),
        ended: BTreeSet::new(),
        started: BTreeSet::new(),
        signals: Vec::new(),
        signals_taken: 0,
        cancel_requested: false,
        finished: false,
        commands: Vec::new(),
    };
    machine.replay(events)
}

impl Machine {
    fn replay(mut self, events: &[HistoryEvent]) -> Result<Answer, String> {
        let mut expected: VecDeque<Command> = VecDeque::new();
        for event in events {
            let id = event.event_id;
            if let Some(key) = commands::key_of_event(event) {
                let command = expected
                    .pop_front()
                    .ok_or_else(|| format!("event {id} ({key}) comes from no command"))?;
                let wanted = commands::key_of(&command);
                if wanted != key {
                    return Err(format!("event {id} is {key}, the command was {wanted}"));
                }
                if let Some(number) = commands::number_of(&command) {
                    self.by_event.insert(id, number);
                    self.event_of.insert(number, id);
                }
                continue;
            }
            if let Some(Attributes::WorkflowTaskCompletedEventAttributes(_)) = &event.attributes {
                if let Some(missing) = expected.front() {
                    let missing = commands::key_of(missing);
                    return Err(format!("no event records the command {missing}"));
                }
                self.advance();
                expected = std::mem::take(&mut self.commands).into();
                continue;
            }
            self.take(event);
        }
        if let Some(missing) = expected.front() {
            let missing = commands::key_of(missing);
            return Err(format!("no event records the command {missing}"));
        }
        if let Some(Attributes::WorkflowTaskStartedEventAttributes(_)) =
            events.last().and_then(|event| event.attributes.as_ref())
        {
            self.advance();
        }
        Ok(Answer {
            commands: self.commands,
            signals: self.signals,
        })
    }

    /// Something happened.
    fn take(&mut self, event: &HistoryEvent) {
        match &event.attributes {
            Some(Attributes::WorkflowExecutionSignaledEventAttributes(signal)) => {
                self.signals.push(signal.signal_name.clone());
            }
            Some(Attributes::WorkflowExecutionCancelRequestedEventAttributes(_)) => {
                self.cancel_requested = true;
            }
            Some(Attributes::ChildWorkflowExecutionStartedEventAttributes(it)) => {
                let number = self.by_event.get(&it.initiated_event_id);
                self.started.extend(number);
            }
            Some(attributes) => {
                if let Some(number) =
                    commands::ended_by(attributes).and_then(|id| self.by_event.get(&id))
                {
                    self.ended.insert(*number);
                }
            }
            None => {}
        }
    }

    /// Goes on as far as it can.
    fn advance(&mut self) {
        if self.finished {
            return;
        }
        if self.cancel_requested && self.program.yields {
            self.finish(commands::cancel_workflow());
            return;
        }
        let mut moved = true;
        while moved {
            moved = false;
            for fiber in 0..self.fibers.len() {
                while self.step(fiber) {
                    moved = true;
                }
            }
        }
        if self.is_done(0) {
            let ending = match self.program.ending {
                Ending::ContinueAsNew if self.input.runs_left > 0 => {
                    commands::continue_as_new(&Input {
                        runs_left: self.input.runs_left - 1,
                        ..self.input
                    })
                }
                Ending::Complete | Ending::ContinueAsNew => commands::complete_workflow(),
                Ending::Fail => commands::fail_workflow(),
            };
            self.finish(ending);
        }
    }

    fn finish(&mut self, command: Command) {
        self.commands.push(command);
        self.finished = true;
    }

    fn is_done(&self, fiber: usize) -> bool {
        let fiber = &self.fibers[fiber];
        fiber.steps.is_empty() && matches!(fiber.wait, Wait::Nothing)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn timer(&mut self, millis: u64) -> u64 {
        let number = self.number();
        self.commands.push(commands::start_timer(number, millis));
        number
    }

    fn cancel_timer(&mut self, number: u64) {
        if !self.ended.contains(&number) {
            self.commands.push(commands::cancel_timer(number));
            self.ended.insert(number);
        }
    }

    /// Moves a fiber by one step. `false`: it waits, or has ended.
    fn step(&mut self, fiber: usize) -> bool {
        let wait = std::mem::replace(&mut self.fibers[fiber].wait, Wait::Nothing);
        let still = match wait {
            Wait::Nothing => {
                let Some(step) = self.fibers[fiber].steps.pop_front() else {
                    return false;
                };
                let wait = self.begin(step);
                self.fibers[fiber].wait = wait;
                return true;
            }
            Wait::End(number) => (!self.ended.contains(&number)).then_some(Wait::End(number)),
            Wait::Start(number) => {
                let over = self.started.contains(&number) || self.ended.contains(&number);
                (!over).then_some(Wait::Start(number))
            }
            Wait::Signal { timer } => {
                if self.signals.len() > self.signals_taken {
                    self.signals_taken += 1;
                    self.cancel_timer(timer);
                    None
                } else {
                    (!self.ended.contains(&timer)).then_some(Wait::Signal { timer })
                }
            }
            Wait::CancelActivity {
                activity,
                timer,
                asked,
            } => self.cancel_activity(activity, timer, asked),
            Wait::CancelTimer { long, short } => {
                if self.ended.contains(&short) {
                    self.cancel_timer(long);
                    None
                } else {
                    Some(Wait::CancelTimer { long, short })
                }
            }
            Wait::Fibers(fibers) => {
                let busy = fibers.iter().any(|fiber| !self.is_done(*fiber));
                busy.then_some(Wait::Fibers(fibers))
            }
        };
        match still {
            Some(wait) => {
                self.fibers[fiber].wait = wait;
                false
            }
            None => true,
        }
    }

    fn cancel_activity(&mut self, activity: u64, timer: u64, asked: bool) -> Option<Wait> {
        if self.ended.contains(&activity) {
            self.cancel_timer(timer);
            return None;
        }
        let due = self.ended.contains(&timer) && !asked;
        if due && let Some(event) = self.event_of.get(&activity) {
            let command = commands::cancel_activity(*event);
            self.commands.push(command);
        }
        Some(Wait::CancelActivity {
            activity,
            timer,
            asked: asked || due,
        })
    }

    fn begin(&mut self, step: Step) -> Wait {
        match step {
            Step::Activity(spec) => {
                let number = self.number();
                self.commands.push(commands::activity(number, &spec));
                Wait::End(number)
            }
            Step::CancelledActivity(spec, millis) => {
                let activity = self.number();
                self.commands.push(commands::activity(activity, &spec));
                let timer = self.timer(millis);
                Wait::CancelActivity {
                    activity,
                    timer,
                    asked: false,
                }
            }
            Step::Timer(millis) => Wait::End(self.timer(millis)),
            Step::CancelledTimer(long, short) => {
                let long = self.timer(long + short);
                let short = self.timer(short);
                Wait::CancelTimer { long, short }
            }
            Step::Signal(millis) => {
                let timer = self.timer(millis);
                Wait::Signal { timer }
            }
            Step::Child(program, policy, to_its_end) => {
                let number = self.number();
                let input = Input {
                    program,
                    depth: self.input.depth - 1,
                    runs_left: program % 2,
                    ..self.input
                };
                let workflow_id = format!("{}/{number}", self.workflow_id);
                let child = commands::child(&workflow_id, number, &input, policy);
                self.commands.push(child);
                if to_its_end {
                    Wait::End(number)
                } else {
                    Wait::Start(number)
                }
            }
            Step::SignalExternal(workflow_id) => {
                let number = self.number();
                let command = commands::signal_external(number, &workflow_id);
                self.commands.push(command);
                Wait::End(number)
            }
            Step::CancelExternal(workflow_id) => {
                let number = self.number();
                let command = commands::cancel_external(number, &workflow_id);
                self.commands.push(command);
                Wait::End(number)
            }
            Step::Marker => {
                let number = self.number();
                self.commands.push(commands::marker(number));
                Wait::Nothing
            }
            Step::Memo => {
                let number = self.number();
                self.commands.push(commands::memo(number));
                Wait::Nothing
            }
            Step::Parallel(branches) => {
                let first = self.fibers.len();
                self.fibers.extend(branches.into_iter().map(|steps| Fiber {
                    steps: steps.into(),
                    wait: Wait::Nothing,
                }));
                Wait::Fibers((first..self.fibers.len()).collect())
            }
        }
    }
}
