//! What a timeline is made of. Lengths are pixels of a drawing that is scaled as a whole.

use super::scale::{Gap, Tick};
use crate::history::group::State;

/// How much is shown of each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A row for each step.
    Rows,
    /// A lane for each name; parallel steps lie above each other.
    Lanes,
    /// How many steps ran in each column of pixels, and every failure.
    Columns,
}

/// A row, or a lane of steps of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Upper edge.
    pub y: i64,
    /// Height.
    pub height: i64,
    /// What stands at its left.
    pub label: String,
    /// Smaller text below or beside it.
    pub note: String,
    /// The whole story, for the pointer that rests on it.
    pub title: String,
    /// The step it stands for; 0 for a lane of many.
    pub event: i64,
    /// Kind and name of its steps: `activity charge`.
    pub key: String,
    /// Some step in it failed.
    pub failed: bool,
}

/// A step, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What is drawn.
    pub shape: Shape,
    /// How the step stands.
    pub state: State,
    /// Left edge.
    pub x: i64,
    /// Upper edge.
    pub y: i64,
    /// Width, at least that of a failure.
    pub width: i64,
    /// Height.
    pub height: i64,
    /// For the pointer that rests on it.
    pub title: String,
    /// The event it leads to.
    pub event: i64,
}

/// What a mark looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Somebody works on it.
    Run,
    /// Asked for, nobody has begun.
    Wait,
    /// Attempts that failed.
    Retry,
    /// A timer.
    Timer,
    /// Something that has no length.
    Pin,
}

impl Mark {
    /// It has no length.
    pub fn is_pin(&self) -> bool {
        self.shape == Shape::Pin
    }

    /// Classes of the style sheet.
    pub fn class(&self) -> String {
        let shape = match self.shape {
            Shape::Run => "run",
            Shape::Wait => "wait",
            Shape::Retry => "retry",
            Shape::Timer => "timer",
            Shape::Pin => "pin",
        };
        format!("{shape} {}", self.state.word())
    }

    /// The outline of a pin: a diamond around its place.
    pub fn diamond(&self) -> String {
        let (x, y, half) = (self.x, self.y + self.height / 2, 5);
        format!(
            "M{} {y}l{half} -{half} {half} {half} -{half} {half}z",
            x - half
        )
    }
}

/// Many steps as one outline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shade {
    /// Class of the style sheet.
    pub class: &'static str,
    /// The outline, as SVG has it.
    pub outline: String,
}

/// The whole run in a strip, with the part that is shown below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// The steps of the whole run.
    pub shades: Vec<Shade>,
    /// Left edge of the part.
    pub x: i64,
    /// Its width.
    pub width: i64,
}

/// What is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// How much is shown of each step.
    pub level: Level,
    /// Of the whole drawing.
    pub width: i64,
    /// Of the whole drawing.
    pub height: i64,
    /// Where the labels end and time begins.
    pub left: i64,
    /// The axis.
    pub ticks: Vec<Tick>,
    /// Idle stretches that were shrunk.
    pub gaps: Vec<Gap>,
    /// Rows or lanes.
    pub lanes: Vec<Lane>,
    /// Steps.
    pub marks: Vec<Mark>,
    /// Steps in bulk.
    pub shades: Vec<Shade>,
    /// The strip above, where only a part of the run is shown.
    pub overview: Option<Overview>,
    /// Where the present is, for runs that go on.
    pub now: Option<i64>,
    /// First and last millisecond shown.
    pub window: (i64, i64),
    /// First and last millisecond of the run.
    pub whole: (i64, i64),
    /// Steps in the window.
    pub steps: usize,
    /// Of them, failed.
    pub failed: usize,
    /// Time and pixel of each bend of the scale, for dragging: `time:x time:x`.
    pub bends: String,
}
