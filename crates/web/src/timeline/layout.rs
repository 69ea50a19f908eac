//! Chooses the level of detail, and frames what it draws.

use super::mark::{Level, Overview, Timeline};
use super::scale::Scale;
use super::{columns, lanes, rows};
use crate::history::group::{Group, Kind};

/// Up to so many steps have a row each.
const ROWS_MAX: usize = 60;
/// Up to so many steps have a mark each: with what else is drawn, a timeline stays below 1,500 marks.
const LANES_MAX: usize = 1_300;
/// Where labels end.
const LEFT: i64 = 230;
/// Space at the right for what stands behind the last mark.
const RIGHT: i64 = 16;
/// Height of the axis.
pub(super) const TOP: i64 = 30;

/// What is to be seen.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Part of the run, in milliseconds since 1970; all of it if none.
    pub window: Option<(i64, i64)>,
    /// Of the drawing.
    pub width: i64,
    /// In milliseconds since 1970.
    pub now: i64,
    /// Shrink stretches in which nothing happens.
    pub shrink: bool,
}

/// The timeline of a run. Workflow tasks are not steps and have no marks, unless they failed.
pub fn layout(groups: &[Group], view: View) -> Timeline {
    let whole = whole(groups, view.now);
    let window = match view.window {
        Some((from, to)) if from < to && from < whole.1 && to > whole.0 => {
            (from.max(whole.0), to.min(whole.1))
        }
        _ => whole,
    };
    let shown: Vec<&Group> = groups
        .iter()
        .filter(|group| is_step(group) && overlaps(group, window, view.now))
        .collect();
    let right = view.width - RIGHT;
    let scale = Scale::new(
        shown.iter().copied(),
        window,
        view.now,
        LEFT,
        right,
        view.shrink,
    );
    let level = match shown.len() {
        steps if steps <= ROWS_MAX => Level::Rows,
        steps if steps <= LANES_MAX => Level::Lanes,
        _ => Level::Columns,
    };
    let runs_on = groups.first().is_none_or(|run| run.closed.is_none());
    let mut timeline = Timeline {
        level,
        width: view.width,
        height: TOP,
        left: LEFT,
        ticks: scale.ticks(whole.0),
        gaps: scale.gaps(),
        lanes: Vec::new(),
        marks: Vec::new(),
        shades: Vec::new(),
        overview: (window != whole).then(|| overview(groups, whole, window, view)),
        now: (runs_on && view.now <= window.1).then(|| scale.x(view.now)),
        window,
        whole,
        steps: shown.len(),
        failed: shown.iter().filter(|group| group.state.is_bad()).count(),
        bends: scale.bends(),
    };
    match level {
        Level::Rows => rows::draw(&mut timeline, &scale, &shown, view.now),
        Level::Lanes => lanes::draw(&mut timeline, &scale, &shown, view.now),
        Level::Columns => columns::draw(&mut timeline, &scale, &shown, view.now),
    }
    timeline
}

/// Ends with the run, or now.
fn whole(groups: &[Group], now: i64) -> (i64, i64) {
    let from = groups.iter().map(|group| group.opened).min().unwrap_or(now);
    let run_closed = groups.first().and_then(|run| run.closed);
    let last = groups.iter().filter_map(|group| group.closed).max();
    let to = match run_closed {
        Some(closed) => last.unwrap_or(closed).max(closed),
        None => last.unwrap_or(now).max(now),
    };
    (from, to.max(from + 1))
}

fn is_step(group: &Group) -> bool {
    match group.kind {
        Kind::Workflow => false,
        Kind::WorkflowTask => group.state.is_bad(),
        _ => true,
    }
}

fn overlaps(group: &Group, window: (i64, i64), now: i64) -> bool {
    group.opened <= window.1 && group.closed.unwrap_or(now.max(group.opened)) >= window.0
}

fn overview(groups: &[Group], whole: (i64, i64), window: (i64, i64), view: View) -> Overview {
    let steps: Vec<&Group> = groups.iter().filter(|group| is_step(group)).collect();
    let right = view.width - RIGHT;
    let scale = Scale::new(
        steps.iter().copied(),
        whole,
        view.now,
        LEFT,
        right,
        view.shrink,
    );
    let x = scale.x(window.0);
    Overview {
        shades: columns::shades(&steps, &scale, view.now, (LEFT, right), 0, 13),
        x,
        width: (scale.x(window.1) - x).max(2),
    }
}
