//! The statuses of runs: word, sign and colour. The shapes of the signs differ, so that colour is never alone.

use askama::Template;
use askama::filters::HtmlSafe;
use steadfast_protocol::enums::WorkflowExecutionStatus;

/// A status as pages show it: `{{ status }}` in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Template)]
#[template(path = "part/status.html")]
pub struct Shown {
    /// The name in the query language and in the API.
    pub name: &'static str,
    /// The word for people.
    pub word: &'static str,
    /// The sign before the word.
    pub sign: &'static str,
    /// The class of the style sheet, which has the colour.
    pub class: &'static str,
}

impl HtmlSafe for Shown {}

/// All statuses in the order in which pages show them.
pub const ALL: [Shown; 8] = [
    shown("Running", "Running", "▶", "running"),
    shown("Failed", "Failed", "✕", "failed"),
    shown("TimedOut", "Timed out", "⧖", "timed-out"),
    shown("Completed", "Completed", "✓", "completed"),
    shown("Canceled", "Canceled", "⊘", "canceled"),
    shown("Terminated", "Terminated", "■", "terminated"),
    shown("ContinuedAsNew", "Continued", "↻", "continued"),
    shown("Paused", "Paused", "‖", "paused"),
];

const UNKNOWN: Shown = shown("Unspecified", "Unknown", "?", "unknown");

const fn shown(
    name: &'static str,
    word: &'static str,
    sign: &'static str,
    class: &'static str,
) -> Shown {
    Shown {
        name,
        word,
        sign,
        class,
    }
}

/// The status with this number in the API.
pub fn of_number(number: i32) -> Shown {
    use WorkflowExecutionStatus as Status;
    let name = match Status::try_from(number) {
        Ok(Status::Running) => "Running",
        Ok(Status::Completed) => "Completed",
        Ok(Status::Failed) => "Failed",
        Ok(Status::Canceled) => "Canceled",
        Ok(Status::Terminated) => "Terminated",
        Ok(Status::ContinuedAsNew) => "ContinuedAsNew",
        Ok(Status::TimedOut) => "TimedOut",
        Ok(Status::Paused) => "Paused",
        Ok(Status::Unspecified) | Err(_) => "",
    };
    of_name(name).unwrap_or(UNKNOWN)
}

/// The status with this name in the query language.
pub fn of_name(name: &str) -> Option<Shown> {
    ALL.into_iter().find(|shown| shown.name == name)
}
