//! The history of a run in windows: all events, steps, or JSON; forwards or backwards; all or those that are wanted.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use steadfast_protocol::history::{History, HistoryEvent};

use super::head::{self, Head};
use super::load::{Loaded, load, readable};
use super::{RunPath, named};
use crate::failure::PageError;
use crate::fresh::Fresh;
use crate::history::brief::brief;
use crate::history::group::{Group, Kind, State, type_words};
use crate::history::json;
use crate::history::moment::{span_words, timestamp};
use crate::history::search::Wanted;
use crate::live::Fragment;
use crate::params::Params;
use crate::payload::json::pretty;
use crate::shell::Shell;
use crate::time::Moment;
use crate::visit::{Visit, page};

/// Events on a page.
const ROWS: usize = 200;
/// Steps on a page, which are more elements each.
const STEPS: usize = 150;
/// Pages of the server that are searched for one page here.
const SEARCHED_MAX: usize = 40;
/// Parameter of the stream of a page that shows the newest first: the last event that it shows. Later ones wait to be
/// asked for, so that nothing moves that is being read.
const SINCE: &str = "since";

struct Row {
    id: i64,
    kind: Kind,
    words: String,
    brief: String,
    at: Option<Moment>,
    step: String,
    failed: bool,
    marked: bool,
    link: String,
}

struct Step {
    number: i64,
    kind: Kind,
    state: State,
    title: String,
    note: String,
    failure: String,
    at: Option<Moment>,
    took: String,
    /// It has not ended.
    goes_on: bool,
    events: Vec<(i64, String)>,
    child: Option<String>,
}

/// How the history is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Events,
    Steps,
    Json,
}

/// What one page shows.
struct Window {
    shape: Shape,
    newest_first: bool,
    rows: Vec<Row>,
    steps: Vec<Step>,
    text: String,
    /// What was looked through.
    note: String,
    /// Why payloads are not decoded.
    codec_problem: String,
    first: Option<String>,
    previous: Option<String>,
    next: Option<String>,
    last: Option<String>,
}

#[derive(Template)]
#[template(path = "run/history.html")]
struct HistoryPage {
    shell: Shell,
    head: Head,
    window: Window,
    /// Says what is new, where that would stand above all that is there.
    fresh: Option<Fresh>,
    wanted: Wanted,
    shapes: Vec<(&'static str, String, bool)>,
    kinds: Vec<(&'static str, String, bool)>,
    flip: String,
    failed_only: String,
    next_failure: Option<String>,
    previous_failure: Option<String>,
    failures: usize,
    hidden: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "run/window.html")]
struct WindowFragment {
    window: Window,
}

pub(super) async fn show(Path(path): RunPath, visit: Visit) -> Result<Response, PageError> {
    let loaded = load(&visit, named(path)).await?;
    let mut head = Head::new(&visit, &loaded, "history");
    let window = Window::read(&visit, &loaded, &head, None).await?;
    head.codec_problem.clone_from(&window.codec_problem);
    let mut shell = head::shell(&visit, &loaded, "history").await;
    let mut fresh = None;
    if loaded.is_open() && begins_with_the_newest(&visit.params) {
        shell.live = Some(stream(&visit, &loaded));
        fresh = Some(Fresh::none());
    }
    let wanted = wanted(&visit.params);
    let here = head.page("history");
    let params = visit
        .params
        .without("from")
        .without("event")
        .without("done");
    let url = |params: &Params| format!("{here}{}", params.query());
    let shapes = [("Events", ""), ("Steps", "compact"), ("JSON", "json")];
    let shapes = shapes.map(|(name, word)| {
        let current = visit.params.text("view") == word;
        (name, url(&params.with("view", word)), current)
    });
    let there = &loaded.index.grouping.kinds;
    let kinds = Kind::ALL.iter();
    let kinds = kinds.filter(|(kind, ..)| wanted.kinds.contains(kind) || there.contains(kind));
    let kinds = kinds.map(|&(kind, word, name)| {
        let chosen = wanted.kinds.contains(&kind);
        let mut with = params.without("kind");
        for other in wanted.kinds.iter().filter(|other| **other != kind) {
            with.push("kind", other.word());
        }
        if !chosen {
            with.push("kind", word);
        }
        (name, url(&with), chosen)
    });
    let at = visit
        .params
        .number("event")
        .or(visit.params.number("from"))
        .unwrap_or(0);
    let jump = |event: i64| {
        let params = params.with("event", &event.to_string());
        format!("{}#e{event}", url(&params))
    };
    let hidden = params
        .without("text")
        .iter()
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect();
    page(&HistoryPage {
        shapes: shapes.to_vec(),
        kinds: kinds.collect(),
        flip: url(&params.with("order", if window.newest_first { "" } else { "desc" })),
        failed_only: url(&params.with("failed", if wanted.failed { "" } else { "1" })),
        next_failure: loaded.index.next_failure(at + 1).map(jump),
        previous_failure: loaded.index.previous_failure(at).map(jump),
        failures: loaded.index.grouping.failures.len(),
        hidden,
        shell,
        head,
        window,
        fresh,
        wanted,
    })
}

pub(super) async fn fragments(
    visit: &Visit,
    loaded: &Loaded,
    _: &Shell,
    head: &Head,
) -> Result<Vec<Fragment>, PageError> {
    let since: Option<i64> = visit.params.number(SINCE);
    let since = since.filter(|_| begins_with_the_newest(&visit.params));
    let window = Window::read(visit, loaded, head, since).await?;
    let mut fragments = vec![Fragment::render("run-history", &WindowFragment { window })?];
    if let Some(since) = since {
        let fresh = Fresh::later_than(since, visit, loaded, head).await?;
        fragments.push(Fragment::render(fresh.element, &fresh)?);
    }
    Ok(fragments)
}

/// Whether new events would stand above all that is there.
fn begins_with_the_newest(params: &Params) -> bool {
    let elsewhere = ["from", "event"];
    params.text("order") == "desc" && elsewhere.iter().all(|name| params.text(name).is_empty())
}

/// The stream of a page that shows the newest events that there are, first.
fn stream(visit: &Visit, loaded: &Loaded) -> String {
    let last = loaded.index.last_event().to_string();
    head::stream(visit, loaded, "history", &visit.params.with(SINCE, &last))
}

impl Fresh {
    fn none() -> Self {
        Self {
            element: "new-events",
            count: String::new(),
            url: String::new(),
            stream: String::new(),
            order: "The newest first.".to_owned(),
        }
    }

    /// What the page would show besides, had it been made now.
    async fn later_than(
        since: i64,
        visit: &Visit,
        loaded: &Loaded,
        head: &Head,
    ) -> Result<Self, PageError> {
        let params = visit.params.without("page").without("done").without(SINCE);
        let wanted = wanted(&params);
        let last = loaded.index.last_event();
        let count = if Shape::of(&params) == Shape::Steps {
            let steps = shown_steps(loaded, &wanted).into_iter();
            steps.filter(|step| step.first_event() > since).count()
        } else if wanted.is_all() {
            usize::try_from(last - since).unwrap_or(0)
        } else {
            let (events, _) = find(visit, loaded, &wanted, last, true, since + 1).await?;
            events.len()
        };
        if count == 0 {
            return Ok(Self::none());
        }
        Ok(Self {
            count: count.to_string(),
            url: head.page("history") + &params.query(),
            stream: stream(visit, loaded),
            ..Self::none()
        })
    }
}

impl Shape {
    fn of(params: &Params) -> Self {
        match params.text("view") {
            "compact" | "steps" => Self::Steps,
            "json" => Self::Json,
            _ => Self::Events,
        }
    }
}

/// The steps that are wanted, in the order in which they began.
fn shown_steps<'a>(loaded: &'a Loaded, wanted: &Wanted) -> Vec<&'a Group> {
    let shown = |group: &&Group| {
        // Workflow tasks are between steps; they are shown if something is wrong, or if asked for.
        let task = group.kind != Kind::WorkflowTask || group.state.is_bad();
        (task || wanted.kinds.contains(&Kind::WorkflowTask)) && wanted.takes_step(group)
    };
    loaded.groups().filter(shown).collect()
}

fn wanted(params: &Params) -> Wanted {
    let kinds = Kind::ALL
        .iter()
        .filter(|(_, word, _)| params.all("kind").any(|one| one == *word));
    Wanted {
        kinds: kinds.map(|(kind, ..)| *kind).collect(),
        failed: params.is_on("failed"),
        text: params.text("text").trim().to_owned(),
    }
}

impl Window {
    fn empty(params: &Params) -> Self {
        Self {
            shape: Shape::of(params),
            newest_first: params.text("order") == "desc",
            rows: Vec::new(),
            steps: Vec::new(),
            text: String::new(),
            note: String::new(),
            codec_problem: String::new(),
            first: None,
            previous: None,
            next: None,
            last: None,
        }
    }

    /// As it was when the event `since` was the last one, if that is said.
    async fn read(
        visit: &Visit,
        loaded: &Loaded,
        head: &Head,
        since: Option<i64>,
    ) -> Result<Self, PageError> {
        let params = visit.params.without("page").without("done").without(SINCE);
        let mut window = Self::empty(&params);
        let wanted = wanted(&params);
        let here = head.page("history");
        let link = |from: Option<i64>| {
            let params = params.without("event").without("from");
            match from {
                Some(from) => format!("{here}{}", params.with("from", &from.to_string()).query()),
                None => format!("{here}{}", params.query()),
            }
        };
        if window.shape == Shape::Steps {
            let mut steps = shown_steps(loaded, &wanted);
            steps.retain(|step| since.is_none_or(|since| step.first_event() <= since));
            window.read_steps(visit, loaded, head, &params, steps, &link);
            return Ok(window);
        }
        let last = loaded.index.last_event();
        let last = since.map_or(last, |since| since.clamp(1, last.max(1)));
        let marked: i64 = params.number("event").unwrap_or(0);
        let begin = match (params.number::<i64>("from"), window.newest_first) {
            (Some(from), _) => from.clamp(1, last.max(1)),
            // A little of what came before is shown too.
            (None, false) if marked > 0 => (marked - 20).clamp(1, last.max(1)),
            (None, true) if marked > 0 => (marked + 20).clamp(1, last.max(1)),
            (None, false) => 1,
            (None, true) => last,
        };
        let (events, reached) = find(visit, loaded, &wanted, begin, window.newest_first, 1).await?;
        let name = "temporal.api.history.v1.History";
        let (history, problem) =
            readable(visit, &loaded.name.namespace, name, History::from(events)).await;
        let events = history.events;
        window.codec_problem = problem;
        let (step, edge) = match window.newest_first {
            false => (1, last),
            true => (-1, 1),
        };
        if let Some(reached) = reached.filter(|reached| *reached != edge) {
            window.next = Some(link(Some(reached + step)));
        }
        if begin != if window.newest_first { last } else { 1 } {
            window.first = Some(link(None));
            let before = begin - step * i64::try_from(ROWS).unwrap_or(200);
            let before = before.clamp(1, last.max(1));
            // Where only some events are wanted, nobody knows where the page before began.
            if wanted.is_all() {
                window.previous = Some(link(Some(before)));
            }
        }
        if window.next.is_some() && wanted.is_all() {
            let rows = i64::try_from(ROWS).unwrap_or(200);
            let end = if window.newest_first {
                rows
            } else {
                last - rows + 1
            };
            window.last = Some(link(Some(end.clamp(1, last))));
        }
        if !wanted.is_all() {
            let end = reached.unwrap_or(begin);
            window.note = format!(
                "{} found in events {} to {} of {last}.",
                events.len(),
                begin.min(end),
                begin.max(end)
            );
        }
        match window.shape {
            Shape::Json => window.text = raw(&events),
            _ => {
                window.rows = events
                    .iter()
                    .map(|one| row(visit, loaded, head, one, marked))
                    .collect()
            }
        }
        Ok(window)
    }

    fn read_steps(
        &mut self,
        visit: &Visit,
        loaded: &Loaded,
        head: &Head,
        params: &Params,
        mut all: Vec<&Group>,
        link: &dyn Fn(Option<i64>) -> String,
    ) {
        if self.newest_first {
            all.reverse();
        }
        let begin: usize = params.number("from").unwrap_or(0).min(all.len());
        let begin = match params.number::<i64>("event") {
            None => begin,
            Some(event) => {
                let at = all.iter().position(|group| group.events.contains(&event));
                at.map_or(begin, |at| at / STEPS * STEPS)
            }
        };
        let number = |at: usize| i64::try_from(at).ok();
        if begin > 0 {
            self.first = Some(link(None));
            self.previous = Some(link(number(begin.saturating_sub(STEPS))));
        }
        if begin + STEPS < all.len() {
            self.next = Some(link(number(begin + STEPS)));
            self.last = Some(link(number((all.len() - 1) / STEPS * STEPS)));
        }
        self.note = format!("{} steps.", all.len());
        let page = all.iter().skip(begin).take(STEPS);
        self.steps = page.map(|group| step(visit, loaded, head, group)).collect();
    }
}

/// Wanted events from `begin` on, none before `least`, and the last event that was looked at.
async fn find(
    visit: &Visit,
    loaded: &Loaded,
    wanted: &Wanted,
    begin: i64,
    newest_first: bool,
    least: i64,
) -> Result<(Vec<HistoryEvent>, Option<i64>), PageError> {
    let index = &loaded.index;
    let mut spans: Vec<(i64, i64)> = index.spans().collect();
    if newest_first {
        spans.reverse();
    }
    let mut found: Vec<HistoryEvent> = Vec::new();
    let mut reached = None;
    let mut searched = 0;
    for (from, to) in spans {
        let from = from.max(least);
        let (from, to) = match newest_first {
            false => (from.max(begin), to),
            true => (from, to.min(begin)),
        };
        if from > to {
            continue;
        }
        let takes = |id: i64| {
            let group = index.grouping.of_event(id);
            wanted.is_all() || group.is_some_and(|group| wanted.takes_group(group))
        };
        let end = if newest_first { from } else { to };
        if !(from..=to).any(takes) {
            reached = Some(end);
            continue;
        }
        if searched == SEARCHED_MAX {
            break;
        }
        searched += 1;
        let indexes = &visit.app.indexes;
        let mut events = indexes
            .window(&visit.backend, &loaded.name, index, from, to)
            .await?;
        if newest_first {
            events.reverse();
        }
        for event in events {
            reached = Some(event.event_id);
            if takes(event.event_id) && wanted.takes_event(&event) {
                found.push(event);
            }
            if found.len() == ROWS {
                return Ok((found, reached));
            }
        }
    }
    Ok((found, reached))
}

fn raw(events: &[HistoryEvent]) -> String {
    let texts = events.iter().filter_map(json::event);
    let texts = texts.filter_map(|text| pretty(&String::from_utf8(text).ok()?));
    texts.collect::<Vec<_>>().join(",\n")
}

fn row(visit: &Visit, loaded: &Loaded, head: &Head, event: &HistoryEvent, marked: i64) -> Row {
    let id = event.event_id;
    let group = loaded.index.grouping.of_event(id);
    let closes = group.is_some_and(|group| group.events.last() == Some(&id));
    let kind = group.map_or(Kind::Change, |group| group.kind);
    Row {
        id,
        kind,
        words: type_words(event.event_type()),
        brief: brief(event),
        at: visit.clock.moment(event.event_time.as_ref()),
        step: match (kind, group) {
            (Kind::Workflow | Kind::WorkflowTask, _) | (_, None) => String::new(),
            (_, Some(group)) => group.id.clone(),
        },
        failed: closes && group.is_some_and(|group| group.state.is_bad()),
        marked: id == marked,
        link: head.event_link(&id),
    }
}

fn step(visit: &Visit, loaded: &Loaded, head: &Head, group: &Group) -> Step {
    let attempts = match group.attempt {
        0 | 1 => String::new(),
        attempt => format!("attempt {attempt}"),
    };
    let notes = [group.summary.clone(), attempts];
    let notes: Vec<String> = notes.into_iter().filter(|note| !note.is_empty()).collect();
    Step {
        number: group.first_event(),
        kind: group.kind,
        state: group.state,
        title: match group.name.as_str() {
            "" => group.id.clone(),
            name => name.to_owned(),
        },
        note: notes.join(" · "),
        failure: group.failure.clone(),
        at: visit.clock.moment(Some(&timestamp(group.opened))),
        took: match (group.is_point(), group.state) {
            (true, _) | (_, State::Open) => String::new(),
            _ => span_words(group.span(loaded.now)),
        },
        goes_on: !group.is_point() && group.state == State::Open,
        events: group
            .events
            .iter()
            .take(8)
            .map(|event| (*event, head.event_link(event)))
            .collect(),
        child: group
            .run
            .as_ref()
            .filter(|(_, run)| !run.is_empty())
            .map(|(id, run)| visit.links.run(&loaded.name.namespace, id, run)),
    }
}
