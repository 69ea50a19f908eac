//! The timeline as text, at every level of detail.

use std::fmt::Write;
use std::time::Instant;

use super::*;
use crate::history::group::{Group, Kind, State};

fn step(kind: Kind, name: &str, event: i64, from: i64, to: Option<i64>, state: State) -> Group {
    Group {
        kind,
        name: name.to_owned(),
        id: String::new(),
        summary: String::new(),
        state,
        events: vec![event],
        opened: from,
        started: Some(from + 10),
        closed: to,
        attempt: 1,
        failure: String::new(),
        run: None,
        due: None,
    }
}

fn view(now: i64) -> View {
    View {
        window: None,
        width: 1200,
        now,
        shrink: true,
    }
}

/// Activities one after another, each of one second, every hundredth failed.
fn many(count: i64) -> Vec<Group> {
    let mut groups = vec![step(
        Kind::Workflow,
        "w",
        1,
        0,
        Some(count * 1000),
        State::Completed,
    )];
    groups.extend((0..count).map(|at| {
        let state = if at % 100 == 99 {
            State::Failed
        } else {
            State::Completed
        };
        let name = format!("step{}", at % 7);
        step(
            Kind::Activity,
            &name,
            at + 2,
            at * 1000,
            Some(at * 1000 + 900),
            state,
        )
    }));
    groups
}

fn text(timeline: &Timeline) -> String {
    let mut text = format!(
        "{:?} {}x{}, {} steps, {} failed\n",
        timeline.level, timeline.width, timeline.height, timeline.steps, timeline.failed
    );
    for tick in &timeline.ticks {
        let _ = writeln!(text, "tick {} {}", tick.x, tick.label);
    }
    for gap in &timeline.gaps {
        let _ = writeln!(text, "gap {}+{} {}", gap.x, gap.width, gap.label);
    }
    for lane in &timeline.lanes {
        let _ = writeln!(text, "lane {} {} | {}", lane.y, lane.label, lane.note);
    }
    for mark in &timeline.marks {
        let _ = writeln!(
            text,
            "{} {},{} {}x{}",
            mark.class(),
            mark.x,
            mark.y,
            mark.width,
            mark.height
        );
    }
    text
}

#[test]
fn a_small_run_has_a_row_for_each_step() {
    let mut signal = step(
        Kind::Signal,
        "approve",
        9,
        5_000,
        Some(5_000),
        State::Completed,
    );
    signal.started = None;
    let mut retried = step(
        Kind::Activity,
        "charge",
        5,
        1_000,
        Some(4_000),
        State::Failed,
    );
    retried.attempt = 3;
    retried.started = Some(3_500);
    let mut waiting = step(Kind::Activity, "ship", 10, 6_000, None, State::Open);
    waiting.started = None;
    let groups = [
        step(Kind::Workflow, "order", 1, 0, None, State::Open),
        retried,
        signal,
        waiting,
    ];
    assert_eq!(
        text(&layout(&groups, view(10_000))),
        "Rows 1200x102, 3 steps, 1 failed\n\
         tick 230 start\n\
         tick 420 +2 s\n\
         tick 611 +4 s\n\
         tick 802 +6 s\n\
         tick 993 +8 s\n\
         lane 30 charge | ×3\n\
         lane 54 Signal approve | \n\
         lane 78 ship | \n\
         retry failed 325,36 238x12\n\
         run failed 563,36 48x12\n\
         pin completed 707,60 3x12\n\
         wait running 802,88 382x4\n"
    );
}

#[test]
fn idle_stretches_are_narrow_and_say_how_long_they_are() {
    let groups = [
        step(
            Kind::Workflow,
            "order",
            1,
            0,
            Some(7_802_000),
            State::Completed,
        ),
        step(Kind::Activity, "a", 5, 0, Some(1_000), State::Completed),
        step(
            Kind::Timer,
            "2 h",
            8,
            1_000,
            Some(7_801_000),
            State::Completed,
        ),
        step(
            Kind::Activity,
            "b",
            12,
            7_801_000,
            Some(7_802_000),
            State::Completed,
        ),
    ];
    let timeline = layout(&groups, view(9_000_000));
    assert_eq!(timeline.gaps.len(), 1, "{}", text(&timeline));
    assert_eq!(timeline.gaps[0].label, "2 h 7 m idle");
    assert_eq!(timeline.gaps[0].width, 24);
    let open = layout(
        &groups,
        View {
            shrink: false,
            ..view(9_000_000)
        },
    );
    assert!(open.gaps.is_empty());
}

#[test]
fn every_level_is_bounded_and_keeps_failures() {
    for (count, level) in [
        (1, Level::Rows),
        (5, Level::Rows),
        (60, Level::Rows),
        (500, Level::Lanes),
        (5_000, Level::Columns),
        (50_000, Level::Columns),
    ] {
        let timeline = layout(&many(count), view(count * 1000));
        assert_eq!(timeline.level, level, "{count}");
        let drawn = timeline.marks.len() + timeline.shades.len() + timeline.lanes.len();
        assert!(drawn <= 1_500, "{count}: {drawn}");
        assert_eq!(timeline.failed as i64, count / 100);
        let failures = timeline
            .marks
            .iter()
            .filter(|mark| mark.state == State::Failed);
        let shaded = timeline
            .shades
            .iter()
            .any(|shade| shade.class == "density failed");
        assert!(timeline.failed == 0 || shaded || failures.count() >= timeline.failed);
        assert!(
            timeline
                .marks
                .iter()
                .all(|mark| mark.width >= 2 && mark.x >= timeline.left)
        );
    }
}

#[test]
fn one_failure_among_fifty_thousand_steps_is_seen() {
    let mut groups = many(50_000);
    for group in &mut groups {
        group.state = State::Completed;
    }
    groups[31_000].state = State::Failed;
    let timeline = layout(&groups, view(50_000_000));
    let failed: Vec<_> = timeline
        .shades
        .iter()
        .filter(|shade| shade.class == "density failed")
        .collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].outline.contains("h2v6"), "{}", failed[0].outline);
}

#[test]
fn fifty_thousand_steps_within_the_budget() {
    let groups = many(50_000);
    let begin = Instant::now();
    let timeline = layout(&groups, view(50_000_000));
    // The budget of 120 ms is for a release build that renders and packs too; this build is many times slower.
    assert!(begin.elapsed().as_millis() < 2_000, "{:?}", begin.elapsed());
    let bytes: usize = timeline
        .shades
        .iter()
        .map(|shade| shade.outline.len())
        .sum();
    assert!(bytes < 200_000, "{bytes}");
}

#[test]
fn a_window_shows_its_part_and_where_it_lies() {
    let view = View {
        window: Some((10_000, 20_000)),
        ..view(50_000_000)
    };
    let timeline = layout(&many(50_000), view);
    assert_eq!(timeline.level, Level::Rows);
    assert_eq!(timeline.steps, 11);
    assert!(timeline.overview.is_some());
}

#[test]
fn odd_times_do_no_harm() {
    let mut groups = vec![step(Kind::Workflow, "w", 1, 0, Some(0), State::Completed)];
    groups.push(step(
        Kind::Activity,
        "skewed",
        2,
        5_000,
        Some(1_000),
        State::Failed,
    ));
    groups.push(step(
        Kind::Activity,
        "far",
        3,
        i64::MAX / 4,
        None,
        State::Open,
    ));
    groups.push(step(
        Kind::Activity,
        "zero",
        4,
        0,
        Some(0),
        State::Completed,
    ));
    let timeline = layout(&groups, view(100));
    assert_eq!(
        timeline.marks.iter().filter(|mark| mark.width < 1).count(),
        0
    );
    assert!(layout(&[], view(0)).marks.is_empty());
}
