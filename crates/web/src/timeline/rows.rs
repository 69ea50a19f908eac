//! A row for each step.

use super::layout::TOP;
use super::mark::{Lane, Mark, Shape, Timeline};
use super::scale::Scale;
use crate::history::group::{Group, Kind, State};
use crate::history::moment::span_words;
use crate::payload::shorten;

const ROW: i64 = 24;
const BAR: i64 = 12;
const THIN: i64 = 4;
/// What failed or goes on is never thinner.
const WIDTH_MIN: i64 = 3;
const LABEL_CHARS: usize = 30;

pub(super) fn draw(timeline: &mut Timeline, scale: &Scale, groups: &[&Group], now: i64) {
    for group in groups {
        let y = timeline.height;
        timeline.lanes.push(Lane {
            y,
            height: ROW,
            label: shorten(&label(group), LABEL_CHARS),
            note: note(group),
            title: title(group, now),
            event: group.first_event(),
            key: key(group),
            failed: group.state.is_bad(),
        });
        draw_group(&mut timeline.marks, scale, group, y + ROW / 2, BAR, now);
        timeline.height += ROW;
    }
    timeline.height = timeline.height.max(TOP + ROW);
}

/// The marks of one step around the height `middle`.
pub(super) fn draw_group(
    marks: &mut Vec<Mark>,
    scale: &Scale,
    group: &Group,
    middle: i64,
    bar: i64,
    now: i64,
) {
    let title = title(group, now);
    let from = scale.x(group.opened);
    let until = scale.x(group.closed.unwrap_or(now).max(group.opened));
    let mut add = |shape, x, until: i64, height: i64| {
        marks.push(Mark {
            shape,
            state: group.state,
            x,
            y: middle - height / 2,
            width: (until - x).max(WIDTH_MIN),
            height,
            title: title.clone(),
            event: group.first_event(),
        });
    };
    if group.is_point() {
        return add(Shape::Pin, from, from, bar);
    }
    if group.kind == Kind::Timer {
        return add(Shape::Timer, from, until, THIN);
    }
    let began = match group.started {
        Some(started) => scale.x(started.max(group.opened)),
        // Nobody works on it, or nobody wrote down that somebody does.
        None if group.state == State::Open => until,
        None => from,
    };
    if began > from {
        match group.attempt {
            0 | 1 => add(Shape::Wait, from, began, THIN.min(bar)),
            _ => add(Shape::Retry, from, began, bar),
        }
    }
    if group.started.is_some() || group.closed.is_some() {
        add(Shape::Run, began, until, bar);
    } else if began == from {
        add(Shape::Wait, from, until, THIN.min(bar));
    }
}

/// Kind and name of a step, which name its lane.
pub(super) fn key(group: &Group) -> String {
    match group.kind {
        // Each has a length of its own for a name: they share a lane.
        Kind::Timer => Kind::Timer.word().to_owned(),
        kind => format!("{} {}", kind.word(), group.name),
    }
}

fn label(group: &Group) -> String {
    let name = match group.kind {
        Kind::Timer => format!("Timer {}", group.name),
        Kind::Activity | Kind::LocalActivity | Kind::Child => group.name.clone(),
        _ => group.title(),
    };
    match group.summary.as_str() {
        "" => name,
        summary => format!("{name} · {summary}"),
    }
}

fn note(group: &Group) -> String {
    match group.attempt {
        0 | 1 => String::new(),
        attempt => format!("×{attempt}"),
    }
}

pub(super) fn title(group: &Group, now: i64) -> String {
    let mut title = format!("{} {}", group.title(), group.state.name());
    if !group.is_point() {
        let verb = if group.closed.is_some() {
            "took"
        } else {
            "for"
        };
        title = format!("{title}, {verb} {}", span_words(group.span(now)));
    }
    if group.attempt > 1 {
        title = format!("{title}, attempt {}", group.attempt);
    }
    for text in [&group.summary, &group.failure] {
        if !text.is_empty() {
            title = format!("{title} – {text}");
        }
    }
    title
}
