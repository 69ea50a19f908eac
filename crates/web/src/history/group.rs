//! What happened, in groups: the events of one activity, timer, child, signal ... are one step.

use steadfast_protocol::enums::EventType;

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The run itself: its start and its end.
    Workflow,
    /// A workflow task.
    WorkflowTask,
    /// An activity.
    Activity,
    /// A local activity: only its end is recorded.
    LocalActivity,
    /// A timer.
    Timer,
    /// A child workflow.
    Child,
    /// A signal that came in.
    Signal,
    /// An update.
    Update,
    /// A signal to another run.
    SignalSent,
    /// A request to cancel another run.
    CancelSent,
    /// A Nexus operation.
    Nexus,
    /// A marker of the SDK: a side effect, a version.
    Marker,
    /// A change of memo, search attributes or options, a request to cancel, a pause.
    Change,
}

impl Kind {
    /// Every kind, with the word of the URL and its name.
    pub const ALL: [(Self, &'static str, &'static str); 13] = [
        (Self::Workflow, "workflow", "Workflow"),
        (Self::WorkflowTask, "workflow-task", "Workflow task"),
        (Self::Activity, "activity", "Activity"),
        (Self::LocalActivity, "local-activity", "Local activity"),
        (Self::Timer, "timer", "Timer"),
        (Self::Child, "child-workflow", "Child workflow"),
        (Self::Signal, "signal", "Signal"),
        (Self::Update, "update", "Update"),
        (Self::SignalSent, "signal-external", "Signal to another"),
        (Self::CancelSent, "cancel-external", "Cancel of another"),
        (Self::Nexus, "nexus", "Nexus operation"),
        (Self::Marker, "marker", "Marker"),
        (Self::Change, "other", "Change"),
    ];

    /// The word for it in a URL and in classes.
    pub fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].2
    }
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Not ended.
    Open,
    /// Ended well.
    Completed,
    /// Ended with a failure.
    Failed,
    /// Ended by a timeout.
    TimedOut,
    /// Ended by a cancellation.
    Canceled,
    /// Ended from outside.
    Terminated,
    /// Went on in a new run.
    Continued,
}

impl State {
    /// The word for it, which is also its class in the style sheet.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::Canceled => "canceled",
            Self::Terminated => "terminated",
            Self::Continued => "continued",
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::TimedOut => "timed out",
            other => other.word(),
        }
    }

    /// A sign that differs in shape, so that colour is never alone.
    pub fn icon(self) -> &'static str {
        match self {
            Self::Open => "▶",
            Self::Completed => "✓",
            Self::Failed => "✕",
            Self::TimedOut => "⧖",
            Self::Canceled => "⊘",
            Self::Terminated => "■",
            Self::Continued => "↻",
        }
    }

    /// Somebody should look at it.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut)
    }
}

/// One step of a run. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What it is.
    pub kind: Kind,
    /// Activity type, timer id, workflow type, signal or marker name.
    pub name: String,
    /// Its own id: of the activity, the timer, the child, the update.
    pub id: String,
    /// What its author says of it.
    pub summary: String,
    /// How it stands.
    pub state: State,
    /// Its events, oldest first.
    pub events: Vec<i64>,
    /// When it was asked for.
    pub opened: i64,
    /// When somebody began to work on it.
    pub started: Option<i64>,
    /// When it ended.
    pub closed: Option<i64>,
    /// The attempt that ended it or goes on; 0 where there are none.
    pub attempt: i32,
    /// Its failure in one line: the last one, if it is retried.
    pub failure: String,
    /// Run of the child or of the external workflow.
    pub run: Option<(String, String)>,
    /// When a timer is to fire.
    pub due: Option<i64>,
}

impl Group {
    /// Over in the moment it began: a signal, a marker, a change.
    pub fn is_point(&self) -> bool {
        self.closed == Some(self.opened) && self.started.is_none()
    }

    /// Its first event.
    pub fn first_event(&self) -> i64 {
        self.events.first().copied().unwrap_or_default()
    }

    /// Kind and name.
    pub fn title(&self) -> String {
        match self.name.as_str() {
            "" => self.kind.name().to_owned(),
            name => format!("{} {name}", self.kind.name()),
        }
    }

    /// How long it took, or has been going on.
    pub fn span(&self, now: i64) -> i64 {
        self.closed
            .unwrap_or(now)
            .saturating_sub(self.opened)
            .max(0)
    }

    /// Bytes it takes in memory, roughly.
    pub fn weight(&self) -> usize {
        let texts = [&self.name, &self.id, &self.summary, &self.failure];
        let run = self.run.as_ref().map_or(0, |(a, b)| a.len() + b.len());
        size_of::<Self>()
            + texts.iter().map(|text| text.len()).sum::<usize>()
            + self.events.len() * size_of::<i64>()
            + run
    }
}

/// What an event says to a reader who is in a hurry.
pub fn type_words(event_type: EventType) -> String {
    let mut words = String::new();
    let name = event_type.as_str_name();
    for word in name.trim_start_matches("EVENT_TYPE_").split('_') {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(&word.to_ascii_lowercase());
    }
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}
