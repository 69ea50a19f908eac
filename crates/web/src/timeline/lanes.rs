//! A lane for each name: parallel steps lie above each other, so that the height shows how many ran at a time.

use std::collections::BTreeMap;

use super::mark::{Lane, Timeline};
use super::rows::{draw_group, key};
use super::scale::Scale;
use crate::history::group::{Group, Kind};
use crate::history::moment::span_words;
use crate::payload::shorten;

/// More names share the last lane.
const LANES_MAX: usize = 24;
const SUBROW: i64 = 10;
const SUBROW_MIN: i64 = 4;
/// More parallel steps than this lie on the last one.
const SUBROWS_MAX: usize = 60;
/// What the rows of a lane take, if they can.
const BODY_MAX: i64 = 200;
const HEIGHT_MIN: i64 = 32;
const LABEL_CHARS: usize = 30;

/// The steps of one name.
pub(super) struct Bundle<'a> {
    pub(super) key: String,
    pub(super) label: String,
    pub(super) groups: Vec<&'a Group>,
}

pub(super) fn draw(timeline: &mut Timeline, scale: &Scale, groups: &[&Group], now: i64) {
    for bundle in bundles(groups) {
        let y = timeline.height;
        let subrows = pack(&bundle.groups, scale, now);
        let count = subrows.iter().max().map_or(1, |most| most + 1);
        let tall = (BODY_MAX / count).clamp(SUBROW_MIN, SUBROW);
        for (group, subrow) in bundle.groups.iter().zip(subrows) {
            let middle = y + 6 + subrow * tall + tall / 2;
            draw_group(
                &mut timeline.marks,
                scale,
                group,
                middle,
                tall - tall / 4,
                now,
            );
        }
        let height = (count * tall + 12).max(HEIGHT_MIN);
        timeline.lanes.push(lane(&bundle, y, height, now));
        timeline.height += height;
    }
}

/// First fit: each step lies on the first row that is free when it begins.
fn pack(groups: &[&Group], scale: &Scale, now: i64) -> Vec<i64> {
    let mut free_from: Vec<i64> = Vec::new();
    let places = groups.iter().map(|group| {
        let x = scale.x(group.opened);
        let subrow = match free_from.iter().position(|free| *free <= x) {
            Some(subrow) => subrow,
            None if free_from.len() < SUBROWS_MAX => {
                free_from.push(0);
                free_from.len() - 1
            }
            None => SUBROWS_MAX - 1,
        };
        free_from[subrow] = scale.x(group.closed.unwrap_or(now)).max(x + 4);
        i64::try_from(subrow).unwrap_or(0)
    });
    places.collect()
}

/// Steps by name, in the order in which the names appear.
pub(super) fn bundles<'a>(groups: &[&'a Group]) -> Vec<Bundle<'a>> {
    let mut bundles: Vec<Bundle<'a>> = Vec::new();
    let mut by_key = BTreeMap::new();
    for group in groups {
        let key = key(group);
        let at = *by_key.entry(key.clone()).or_insert_with(|| {
            bundles.push(Bundle {
                key,
                label: label(group),
                groups: Vec::new(),
            });
            bundles.len() - 1
        });
        bundles[at].groups.push(group);
    }
    if bundles.len() > LANES_MAX {
        let rest = bundles.split_off(LANES_MAX - 1);
        let mut groups: Vec<_> = rest
            .iter()
            .flat_map(|bundle| bundle.groups.clone())
            .collect();
        groups.sort_by_key(|group| group.opened);
        bundles.push(Bundle {
            key: String::new(),
            label: format!("{} more names", rest.len()),
            groups,
        });
    }
    bundles
}

fn label(group: &Group) -> String {
    match group.kind {
        Kind::Timer => "Timers".to_owned(),
        Kind::Activity | Kind::LocalActivity | Kind::Child => group.name.clone(),
        _ => group.title(),
    }
}

/// The lane of a bundle with what can be said of all its steps.
pub(super) fn lane(bundle: &Bundle<'_>, y: i64, height: i64, now: i64) -> Lane {
    let mut spans: Vec<i64> = bundle.groups.iter().map(|group| group.span(now)).collect();
    spans.sort_unstable();
    let at = |percent: usize| spans.get(spans.len() * percent / 100).copied().unwrap_or(0);
    let failed = bundle
        .groups
        .iter()
        .filter(|group| group.state.is_bad())
        .count();
    let open = bundle
        .groups
        .iter()
        .filter(|group| group.closed.is_none())
        .count();
    let count = bundle.groups.len();
    let mut note = format!("{count}×");
    if at(95) > 0 {
        note = format!(
            "{note}, p50 {}, p95 {}",
            span_words(at(50)),
            span_words(at(95))
        );
    }
    let mut title = format!("{}: {note}", bundle.label);
    for (number, word) in [(open, "open"), (failed, "failed")] {
        if number > 0 {
            title = format!("{title}, {number} {word}");
        }
    }
    if failed > 0 {
        note = format!("{note}, {failed} ✕");
    }
    Lane {
        y,
        height,
        label: shorten(&bundle.label, LABEL_CHARS),
        note,
        title,
        event: 0,
        key: bundle.key.clone(),
        failed: failed > 0,
    }
}
