//! Random workflow programs: a program follows from its number alone, so that any worker knows it from the input.

use crate::dice::Dice;

/// What an activity does, as its input says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ActivitySpec {
    /// Attempts that fail before one succeeds.
    pub failures: u64,
    /// Attempts that never answer, before those.
    pub silent: u64,
    /// How long an attempt takes, ms.
    pub millis: u64,
    /// Heartbeats within that time.
    pub heartbeats: u64,
    /// The last failure must not be retried.
    pub fatal: bool,
    /// Attempts the policy allows; 0 for any number.
    pub attempts_max: u64,
    /// Start-to-close timeout, ms.
    pub timeout_ms: u64,
    /// Heartbeat timeout, ms; 0 for none.
    pub heartbeat_timeout_ms: u64,
    /// Schedule-to-close timeout, ms; 0 for none.
    pub total_timeout_ms: u64,
}

/// A step of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Runs an activity to its end.
    Activity(ActivitySpec),
    /// Runs an activity, and cancels it after this many ms.
    CancelledActivity(ActivitySpec, u64),
    /// Waits for a timer, ms.
    Timer(u64),
    /// Starts a timer and cancels it once another one fired.
    CancelledTimer(u64, u64),
    /// Waits for the next signal, at most this many ms.
    Signal(u64),
    /// Starts a child with this program and parent close policy; waits for its end, or only for its start.
    Child(u64, i32, bool),
    /// Signals another workflow.
    SignalExternal(String),
    /// Asks another workflow to cancel itself.
    CancelExternal(String),
    /// Records a marker.
    Marker,
    /// Changes the memo.
    Memo,
    /// All branches at once.
    Parallel(Vec<Vec<Step>>),
}

/// How a program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a result.
    Complete,
    /// With a failure.
    Fail,
    /// Continues as new while runs are left, then with a result.
    ContinueAsNew,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// How it ends.
    pub ending: Ending,
    /// Whether it gives way to a cancel request.
    pub yields: bool,
}

/// The input of a workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    /// Number of the program.
    pub program: u64,
    /// Levels of children below it.
    pub depth: u64,
    /// Runs that may follow by continue-as-new.
    pub runs_left: u64,
    /// Workflow ids that it may meet.
    pub workflow_ids: u64,
}

impl Input {
    /// The form in which it travels.
    pub(crate) fn encode(&self) -> String {
        let Self {
            program,
            depth,
            runs_left,
            workflow_ids,
        } = self;
        format!("{program} {depth} {runs_left} {workflow_ids}")
    }

    /// From that form.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            program: next()?,
            depth: next()?,
            runs_left: next()?,
            workflow_ids: next()?,
        })
    }

    /// Its program.
    pub(crate) fn program(&self) -> Program {
        let dice = Dice::new(self.program ^ self.runs_left);
        let count = dice.between(0, 4);
        Program {
            steps: self.steps(&dice, count, true),
            ending: *dice.pick(&[
                Ending::Complete,
                Ending::Complete,
                Ending::Fail,
                Ending::ContinueAsNew,
            ]),
            yields: dice.chance(500),
        }
    }

    fn steps(&self, dice: &Dice, count: u64, nested: bool) -> Vec<Step> {
        (0..count).map(|_| self.step(dice, nested)).collect()
    }

    fn step(&self, dice: &Dice, nested: bool) -> Step {
        match dice.below(16) {
            0..=3 => Step::Activity(activity(dice)),
            4 => Step::CancelledActivity(activity(dice), dice.between(1, 20_000)),
            5..=6 => Step::Timer(*dice.pick(&[0, 1, 50, 1_000, 30_000, 120_000])),
            7 => Step::CancelledTimer(dice.between(1, 60_000), dice.between(1, 5_000)),
            8 => Step::Signal(dice.between(1, 30_000)),
            9 if self.depth > 0 => Step::Child(
                dice.next() >> 1,
                dice.between(1, 3) as i32,
                dice.chance(700),
            ),
            10 => Step::SignalExternal(self.other(dice)),
            11 if dice.chance(400) => Step::CancelExternal(self.other(dice)),
            12 => Step::Marker,
            13 => Step::Memo,
            14 if nested => {
                let branches = dice.between(2, 4);
                let branch = |_| self.steps(dice, dice.between(1, 3), false);
                Step::Parallel((0..branches).map(branch).collect())
            }
            _ => Step::Activity(activity(dice)),
        }
    }

    fn other(&self, dice: &Dice) -> String {
        format!("w{}", dice.below(self.workflow_ids + 1))
    }
}

fn activity(dice: &Dice) -> ActivitySpec {
    let heartbeats = if dice.chance(300) {
        dice.between(1, 4)
    } else {
        0
    };
    let millis = *dice.pick(&[0, 1, 20, 500, 4_000]);
    // An attempt that is answered has time enough, so that the program ends.
    let timeout_ms = *dice.pick(&[2_000, 10_000, 60_000]).max(&(3 * millis));
    ActivitySpec {
        failures: if dice.chance(400) {
            dice.between(1, 3)
        } else {
            0
        },
        silent: u64::from(dice.chance(150)),
        millis,
        heartbeats,
        fatal: dice.chance(150),
        attempts_max: *dice.pick(&[0, 0, 1, 2, 5]),
        timeout_ms,
        heartbeat_timeout_ms: if heartbeats > 0 && dice.chance(700) {
            3_000
        } else {
            0
        },
        total_timeout_ms: *dice.pick(&[0, 0, 30_000, 300_000]),
    }
}

impl ActivitySpec {
    /// The form in which it travels.
    pub(crate) fn encode(&self) -> String {
        format!(
            "{} {} {} {} {}",
            self.failures,
            self.silent,
            self.millis,
            self.heartbeats,
            u64::from(self.fatal)
        )
    }

    /// From that form; the timeouts stay behind, they are the server's.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            failures: next()?,
            silent: next()?,
            millis: next()?,
            heartbeats: next()?,
            fatal: next()? == 1,
            attempts_max: 0,
            timeout_ms: 0,
            heartbeat_timeout_ms: 0,
            total_timeout_ms: 0,
        })
    }
}
