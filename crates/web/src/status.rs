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
    /// The sign, where only text can stand.
    pub sign: &'static str,
    /// The sign before the word, as a path in a square of 12.
    pub path: &'static str,
    /// The class of the style sheet, which has the colour.
    pub class: &'static str,
}

impl HtmlSafe for Shown {}

/// All statuses in the order in which pages show them.
pub const ALL: [Shown; 8] = [
    shown("Running", "Running", "▶", "running", "M3 2l7 4-7 4z"),
    shown("Failed", "Failed", "✕", "failed", "M2.5 2.5l7 7m0-7l-7 7"),
    shown(
        "TimedOut",
        "Timed out",
        "⧖",
        "timed-out",
        "M3 1.5h6L3 10.5h6z",
    ),
    shown("Completed", "Completed", "✓", "completed", "M2 6.5l3 3 5-7"),
    shown(
        "Canceled",
        "Canceled",
        "⊘",
        "canceled",
        "M6 1.5a4.5 4.5 0 1 0 .01 0zM3 9l6-6",
    ),
    shown(
        "Terminated",
        "Terminated",
        "■",
        "terminated",
        "M2.5 2.5h7v7h-7z",
    ),
    shown(
        "ContinuedAsNew",
        "Continued",
        "↻",
        "continued",
        "M10 4.5A4.3 4.3 0 1 0 10.3 7M10.3 1.5v3.2H7",
    ),
    shown("Paused", "Paused", "‖", "paused", "M4 2v8m4-8v8"),
];

const UNKNOWN: Shown = shown(
    "Unspecified",
    "Unknown",
    "?",
    "unknown",
    "M4 4.3a2 2 0 1 1 2 2.2V8m0 1.6v.4",
);

const fn shown(
    name: &'static str,
    word: &'static str,
    sign: &'static str,
    class: &'static str,
    path: &'static str,
) -> Shown {
    Shown {
        name,
        word,
        sign,
        class,
        path,
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
