//! So many steps that each column of pixels stands for several: how many ran there, and every failure.

use std::fmt::Write;

use super::lanes::{bundles, lane};
use super::mark::{Shade, Timeline};
use super::scale::Scale;
use crate::history::group::Group;

/// Width of a column.
const COLUMN: i64 = 2;
/// Heights of a column: few steps at its left, many at its right.
const GRADES: i64 = 4;
const HEIGHT: i64 = 36;
/// What the steps of a lane take of its height.
const BODY: i64 = 20;
/// Failures have a strip of their own below them.
const FAILURE_HEIGHT: i64 = 6;

pub(super) fn draw(timeline: &mut Timeline, scale: &Scale, groups: &[&Group], now: i64) {
    let (left, right) = (timeline.left, timeline.width);
    for bundle in bundles(groups) {
        let y = timeline.height;
        let shades = shades(&bundle.groups, scale, now, (left, right), y + 6, BODY);
        timeline.shades.extend(shades);
        timeline.lanes.push(lane(&bundle, y, HEIGHT, now));
        timeline.height += HEIGHT;
    }
}

/// Outlines for steps between two edges, from the height `y`: how many, and which failed.
pub(super) fn shades(
    groups: &[&Group],
    scale: &Scale,
    now: i64,
    (left, right): (i64, i64),
    y: i64,
    height: i64,
) -> Vec<Shade> {
    let columns = usize::try_from((right - left) / COLUMN + 1).unwrap_or(1);
    let column = |at: i64| {
        let column = (scale.x(at) - left) / COLUMN;
        usize::try_from(column).unwrap_or(0).min(columns - 1)
    };
    // What begins and ends in each column; running sums are what goes on.
    let mut begin = vec![0_i64; columns + 1];
    let mut failed = vec![0_i64; columns + 1];
    let mut open = vec![0_i64; columns + 1];
    for group in groups {
        let first = column(group.opened);
        let last = column(group.closed.unwrap_or(now).max(group.opened));
        begin[first] += 1;
        begin[last + 1] -= 1;
        if group.state.is_bad() {
            failed[last] = 1;
        }
        if group.closed.is_none() {
            open[last] = 1;
        }
    }
    let mut running = 0;
    let counts: Vec<i64> = begin
        .iter()
        .map(|change| {
            running += change;
            running
        })
        .collect();
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let grades: Vec<i64> = counts
        .iter()
        .map(|count| (count * GRADES + most - 1) / most)
        .collect();
    let mut shades = Vec::new();
    let mut add = |class, values: &[i64], grades: i64, y: i64, height: i64| {
        let outline = outline(values, left, y, height, grades);
        if !outline.is_empty() {
            shades.push(Shade { class, outline });
        }
    };
    add("density", &grades, GRADES, y, height);
    add("density open", &open, 1, y, height);
    // Below the others, so that many failures hide nothing and a single one is not hidden.
    add("density failed", &failed, 1, y + height + 1, FAILURE_HEIGHT);
    shades
}

/// Rectangles from the ground up; neighbours of one height are one.
fn outline(values: &[i64], left: i64, y: i64, height: i64, grades: i64) -> String {
    let mut text = String::new();
    let mut x = left;
    for run in values.chunk_by(|a, b| a == b) {
        let width = i64::try_from(run.len()).unwrap_or(0) * COLUMN;
        if run[0] > 0 {
            let tall = (height * run[0] / grades).max(2);
            let _ = write!(text, "M{x} {}h{width}v{tall}h-{width}z", y + height - tall);
        }
        x += width;
    }
    text
}
