//! The timeline of a run: what was laid out, drawn and as a list.

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::Path;
use axum::response::Response;

use super::head::{self, Head};
use super::load::{Loaded, load};
use super::{RunPath, named};
use crate::failure::PageError;
use crate::history::group::{Group, Kind, State};
use crate::history::moment::timestamp;
use crate::live::Fragment;
use crate::params::Params;
use crate::shell::Shell;
use crate::time::Clock;
use crate::timeline::{Level, Timeline, View, layout};
use crate::visit::{Visit, page};

const WIDTH: i64 = 1200;
/// The drawing of an open run moves on this often while its length doubles ...
const STEPS: i64 = 64;
/// ... but no sooner than after this.
const STEP_MIN_MS: i64 = 1000;

struct Step {
    title: String,
    link: String,
    when: String,
}

/// A timeline with its links: `{{ drawing }}` in a template.
#[derive(Template)]
#[template(path = "run/drawing.html")]
pub(super) struct Drawing {
    timeline: Timeline,
    here: String,
    params: Params,
    links: Links,
    clock: Clock,
    /// Steps as a list; empty where there are too many.
    steps: Vec<Step>,
    /// The names that are shown, if not all are.
    only: String,
}

struct Links {
    run: String,
}

impl HtmlSafe for Drawing {}

#[derive(Template)]
#[template(path = "run/timeline.html")]
struct TimelinePage {
    shell: Shell,
    head: Head,
    drawing: Drawing,
}

pub(super) async fn show(Path(path): RunPath, visit: Visit) -> Result<Response, PageError> {
    let loaded = load(&visit, named(path)).await?;
    let head = Head::new(&visit, &loaded, "timeline");
    page(&TimelinePage {
        shell: head::shell(&visit, &loaded, "timeline").await,
        drawing: Drawing::new(&visit, &loaded, &head),
        head,
    })
}

impl Drawing {
    pub(super) fn new(visit: &Visit, loaded: &Loaded, head: &Head) -> Self {
        let params = visit.params.without("page").without("done");
        let mut groups: Vec<Group> = loaded.groups().cloned().collect();
        let only = params.text("only").to_owned();
        if !only.is_empty() {
            groups.retain(|group| group.kind == Kind::Workflow || key(group) == only);
        }
        let window = params.number("from").zip(params.number("to"));
        let now = steady(&groups, loaded.now);
        let timeline = layout(
            &groups,
            View {
                window,
                width: WIDTH,
                now,
                shrink: params.text("idle") != "whole",
            },
        );
        let steps = match timeline.level {
            Level::Rows => list(&timeline, &groups, head, now, &visit.clock),
            _ => Vec::new(),
        };
        Self {
            timeline,
            here: head.page("timeline"),
            links: Links { run: head.page("") },
            params,
            clock: visit.clock.clone(),
            steps,
            only,
        }
    }

    pub(super) fn fragment(&self) -> Result<Fragment, PageError> {
        Fragment::render("run-timeline", self)
    }

    fn event(&self, id: &i64) -> String {
        format!("{}/history/events/{id}", self.links.run)
    }

    fn with(&self, name: &str, value: &str) -> String {
        format!("{}{}", self.here, self.params.with(name, value).query())
    }

    fn lane(&self, key: &str) -> String {
        self.with("only", key)
    }

    fn window(&self, from: i64, to: i64) -> String {
        let (first, last) = self.timeline.whole;
        let params = self.params.without("from").without("to");
        if from <= first && to >= last {
            return format!("{}{}", self.here, params.query());
        }
        let params = params
            .with("from", &from.to_string())
            .with("to", &to.to_string());
        format!("{}{}", self.here, params.query())
    }

    fn whole_link(&self) -> String {
        self.window(self.timeline.whole.0, self.timeline.whole.1)
    }

    fn opened(&self, gap: &(i64, i64)) -> String {
        let params = self.params.with("idle", "whole");
        let params = params
            .with("from", &gap.0.to_string())
            .with("to", &gap.1.to_string());
        format!("{}{}", self.here, params.query())
    }

    /// Names and URLs of what moves the window.
    fn moves(&self) -> Vec<(&'static str, &'static str, String)> {
        let (from, to) = self.timeline.window;
        let (first, last) = self.timeline.whole;
        let span = to - from;
        let mut moves = Vec::new();
        if span > 10 {
            moves.push(("Zoom in", "+", self.window(from + span / 4, to - span / 4)));
        }
        if self.timeline.window != self.timeline.whole {
            moves.push(("Zoom out", "-", self.window(from - span / 2, to + span / 2)));
            if from > first {
                let by = (span / 2).min(from - first);
                moves.push(("Earlier", "[", self.window(from - by, to - by)));
            }
            if to < last {
                let by = (span / 2).min(last - to);
                moves.push(("Later", "]", self.window(from + by, to + by)));
            }
            moves.push(("Whole run", "0", self.window(first, last)));
        }
        moves
    }

    fn moment(&self, ms: &i64) -> String {
        let moment = self.clock.moment(Some(&timestamp(*ms)));
        moment.map_or_else(String::new, |moment| moment.absolute)
    }
}

/// The present of the drawing of a run that goes on. It moves on by steps that can be seen, so that a drawing in which
/// nothing happens is not sent again and again.
fn steady(groups: &[Group], now: i64) -> i64 {
    let begin = groups.first().map_or(now, |run| run.opened);
    let times = |group: &Group| [Some(group.opened), group.started, group.closed];
    let last = groups.iter().flat_map(times).flatten().max();
    let step = ((now - begin) / STEPS).max(STEP_MIN_MS).unsigned_abs();
    let step = i64::try_from(step.next_power_of_two()).unwrap_or(STEP_MIN_MS);
    let steady = begin + (now - begin) / step * step;
    // Nothing that has happened is still to come.
    steady.max(last.unwrap_or(steady)).min(now)
}

fn key(group: &Group) -> String {
    match group.kind {
        Kind::Timer => Kind::Timer.word().to_owned(),
        kind => format!("{} {}", kind.word(), group.name),
    }
}

/// The same facts for who does not see the drawing.
fn list(timeline: &Timeline, groups: &[Group], head: &Head, now: i64, clock: &Clock) -> Vec<Step> {
    let lanes = timeline.lanes.iter();
    let steps = lanes.filter_map(|lane| {
        let group = groups
            .iter()
            .find(|group| group.first_event() == lane.event)?;
        let at = clock.moment(Some(&timestamp(group.opened)));
        let end = match (group.state, group.is_point()) {
            (_, true) => String::new(),
            (State::Open, _) => ", still open".to_owned(),
            _ => format!(
                ", for {}",
                crate::history::moment::span_words(group.span(now))
            ),
        };
        Some(Step {
            title: lane.title.clone(),
            link: head.event_link(&lane.event),
            when: format!("{}{end}", at.map_or_else(String::new, |at| at.absolute)),
        })
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_present_of_a_drawing_moves_on_in_steps_and_never_behind_what_happened() {
        let run = Group {
            kind: Kind::Workflow,
            name: "W".to_owned(),
            id: String::new(),
            summary: String::new(),
            state: State::Open,
            events: vec![1],
            opened: 5_000,
            started: None,
            closed: None,
            attempt: 1,
            failure: String::new(),
            run: None,
            due: None,
        };
        let at = |now| steady(std::slice::from_ref(&run), now);
        assert_eq!(at(5_000), 5_000);
        assert_eq!((at(6_000), at(6_023), at(6_024)), (5_000, 5_000, 6_024));
        let hour = 3_600_000;
        let different: std::collections::BTreeSet<_> = (0..hour / 1000)
            .map(|second| at(5_000 + hour + second * 1000))
            .collect();
        assert!(different.len() <= 64, "{}", different.len());
        let step = Group {
            kind: Kind::Activity,
            opened: 5_500,
            closed: Some(5_900),
            ..run.clone()
        };
        assert_eq!(steady(&[run, step], 5_950), 5_900);
    }
}
