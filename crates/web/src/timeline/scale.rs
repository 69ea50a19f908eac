//! From times to pixels: straight between bends, idle stretches shrunk.

use crate::history::group::{Group, Kind};
use crate::history::moment::span_words;

/// Width of a shrunk stretch.
const GAP_WIDTH: i64 = 24;
/// A stretch is shrunk if it is longer than this part of the whole ...
const GAP_PART: i64 = 20;
/// ... and than so many times the median step.
const GAP_STEPS: i64 = 20;
/// Ticks are at least this far apart.
const TICK_DISTANCE: i64 = 110;

/// A label of the axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Its place.
    pub x: i64,
    /// Its time, in milliseconds since 1970.
    pub at: i64,
    /// Since the start of the run.
    pub label: String,
}

/// An idle stretch that was shrunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Left edge.
    pub x: i64,
    /// Width.
    pub width: i64,
    /// How long it is.
    pub label: String,
    /// First and last millisecond of it.
    pub window: (i64, i64),
}

struct Piece {
    from: i64,
    to: i64,
    x: i64,
    width: i64,
    idle: bool,
}

/// Maps times to pixels.
pub struct Scale {
    pieces: Vec<Piece>,
    left: i64,
    right: i64,
}

impl Scale {
    /// Of a window of time over the pixels from `left` to `right`. With `shrink`, stretches in which nothing but
    /// timers goes on become narrow.
    pub fn new<'a>(
        groups: impl Iterator<Item = &'a Group>,
        window: (i64, i64),
        now: i64,
        left: i64,
        right: i64,
        shrink: bool,
    ) -> Self {
        let window = (window.0, window.1.max(window.0 + 1));
        let idle = match shrink {
            true => idle_stretches(groups, window, now),
            false => Vec::new(),
        };
        let shrunk: i64 = idle.iter().map(|(from, to)| to - from).sum();
        #[expect(clippy::cast_possible_wrap, reason = "few stretches")]
        let room = (right - left) - idle.len() as i64 * GAP_WIDTH;
        let busy = (window.1 - window.0 - shrunk).max(1);
        let mut scale = Self {
            pieces: Vec::new(),
            left,
            right,
        };
        let (mut at, mut x, mut elapsed) = (window.0, left, 0);
        for (from, to) in idle {
            elapsed += from - at;
            let until = left + scale.gaps_width() + part(room, elapsed, busy);
            scale.add(at, from, x, until, false);
            scale.add(from, to, until, until + GAP_WIDTH, true);
            (at, x) = (to, until + GAP_WIDTH);
        }
        scale.add(at, window.1, x, right, false);
        scale
    }

    /// The pixel of a time; times outside the window lie on its edges.
    pub fn x(&self, at: i64) -> i64 {
        let next = self.pieces.partition_point(|piece| piece.to < at);
        match self.pieces.get(next) {
            None => self.right,
            Some(piece) if at <= piece.from => piece.x,
            Some(piece) => piece.x + part(piece.width, at - piece.from, piece.to - piece.from),
        }
    }

    /// The stretches that were shrunk.
    pub fn gaps(&self) -> Vec<Gap> {
        let idle = self.pieces.iter().filter(|piece| piece.idle);
        idle.map(|piece| Gap {
            x: piece.x,
            width: piece.width,
            label: format!("{} idle", span_words(piece.to - piece.from)),
            window: (piece.from, piece.to),
        })
        .collect()
    }

    /// Labels at round times since the start of the run.
    pub fn ticks(&self, start: i64) -> Vec<Tick> {
        let mut ticks: Vec<Tick> = Vec::new();
        let gaps = self.gaps();
        for piece in self.pieces.iter().filter(|piece| !piece.idle) {
            let span = (piece.to - piece.from).max(1);
            let wanted = span.saturating_mul(TICK_DISTANCE) / piece.width.max(1);
            let step = round_step(wanted);
            let mut at = start + (piece.from - start).div_euclid(step) * step;
            while at <= piece.to {
                let x = self.x(at);
                let apart = ticks
                    .last()
                    .is_none_or(|last| x - last.x >= TICK_DISTANCE * 3 / 4);
                // The words of a gap stand above it, those of a tick at its right.
                let free = gaps
                    .iter()
                    .all(|gap| x + 60 < gap.x - 30 || x > gap.x + gap.width + 40);
                let label = match at - start {
                    0 => "start".to_owned(),
                    since => format!("+{}", span_words(since)),
                };
                let new = ticks.last().is_none_or(|last| last.label != label);
                let inside = at >= piece.from && x + TICK_DISTANCE / 2 <= self.right;
                if inside && apart && free && new {
                    ticks.push(Tick { x, at, label });
                }
                at += step;
            }
        }
        ticks
    }

    /// Time and pixel of each bend.
    pub fn bends(&self) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            text.push_str(&format!("{}:{} ", piece.from, piece.x));
        }
        if let Some(last) = self.pieces.last() {
            text.push_str(&format!("{}:{}", last.to, last.x + last.width));
        }
        text
    }

    fn gaps_width(&self) -> i64 {
        let idle = self.pieces.iter().filter(|piece| piece.idle);
        idle.map(|piece| piece.width).sum()
    }

    fn add(&mut self, from: i64, to: i64, x: i64, until: i64, idle: bool) {
        if to > from {
            self.pieces.push(Piece {
                from,
                to,
                x,
                width: (until - x).max(0),
                idle,
            });
        }
        debug_assert!(until >= self.left && until <= self.right);
    }
}

/// `length * of / whole`, in integers that cannot overflow.
fn part(length: i64, of: i64, whole: i64) -> i64 {
    let part = i128::from(length) * i128::from(of) / i128::from(whole.max(1));
    i64::try_from(part).unwrap_or(length)
}

/// The next of 1, 2, 5, 10, ... milliseconds, and of seconds, minutes, hours and days as people count them.
fn round_step(wanted: i64) -> i64 {
    const STEPS: [i64; 28] = [
        1,
        2,
        5,
        10,
        20,
        50,
        100,
        200,
        500,
        1_000,
        2_000,
        5_000,
        10_000,
        30_000,
        60_000,
        120_000,
        300_000,
        600_000,
        1_800_000,
        3_600_000,
        7_200_000,
        21_600_000,
        43_200_000,
        86_400_000,
        172_800_000,
        432_000_000,
        864_000_000,
        2_592_000_000,
    ];
    let at = STEPS.partition_point(|step| *step < wanted);
    match STEPS.get(at) {
        Some(step) => *step,
        None => wanted / 2_592_000_000 * 2_592_000_000 + 2_592_000_000,
    }
}

fn idle_stretches<'a>(
    groups: impl Iterator<Item = &'a Group>,
    window: (i64, i64),
    now: i64,
) -> Vec<(i64, i64)> {
    let mut busy = Vec::new();
    let mut spans = Vec::new();
    for group in groups {
        let end = group.closed.unwrap_or(now).max(group.opened);
        match group.kind {
            // They wait themselves: for their time, for the run as a whole.
            Kind::Timer | Kind::Workflow => {
                busy.push((group.opened, group.opened));
                busy.push((end, end));
            }
            _ => {
                busy.push((group.opened, end));
                spans.push(end - group.opened);
            }
        }
    }
    busy.push((window.0, window.0));
    busy.push((window.1, window.1));
    busy.sort_unstable();
    let middle = spans.len() / 2;
    let median = match spans.is_empty() {
        true => 0,
        false => *spans.select_nth_unstable(middle).1,
    };
    let least = ((window.1 - window.0) / GAP_PART).max(median.saturating_mul(GAP_STEPS));
    let mut idle = Vec::new();
    let mut until = window.0;
    for (from, to) in busy {
        let from = from.clamp(window.0, window.1);
        // A little air on both sides, so that what happens at its edge can be seen.
        if from - until > least.max(10) {
            let air = (from - until) / 100;
            idle.push((until + air, from - air));
        }
        until = until.max(to);
    }
    idle
}
