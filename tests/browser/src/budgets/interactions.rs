//! How soon a page answers to clicks and keys: from the input until the next frame, as the browser measures it.
//!
//! Inputs come through the browser as a person's do. Where one leads to another page, that page is held back: what is
//! measured is the answer of the page that is left, and first views are measured elsewhere.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chromiumoxide::cdp::browser_protocol::fetch::{
    DisableParams, EnableParams, EventRequestPaused, FailRequestParams, RequestPattern,
    RequestStage,
};
use chromiumoxide::cdp::browser_protocol::network::{ErrorReason, ResourceType};
use chromiumoxide::listeners::EventStream;
use futures::StreamExt;

use super::Subject;
use super::pages::RunPages;
use super::report::{Report, Samples};
use super::visit::Visitor;
use crate::tab::literal;

const ANSWERED_MS: f64 = 100.0;
/// The browser tells of no interaction that was shorter.
const SHORTEST_MS: f64 = 16.0;
/// What takes longer does not work at all.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// Waits for the end of a click or a key, and for as many frames as may come until the browser tells how long it took.
const WATCH: &str = "(() => {
    const [before, since] = [performance.interactionCount, performance.now()];
    const end = new Promise((done) => ['pointerup', 'keyup'].forEach((kind) =>
        addEventListener(kind, done, { capture: true, once: true })));
    window.answer = end.then(async () => {
        for (let at = 0; at < 12; at += 1) await new Promise((done) => requestAnimationFrame(done));
        const durations = seen.events.filter(([at]) => at >= since).map(([, duration]) => duration);
        return [performance.interactionCount - before, durations];
    });
})()";

/// What is done again and again on a page.
#[derive(Clone, Copy)]
enum Act {
    /// A click on what a selector finds first.
    Click(&'static str),
    /// A click on one after the other of what a selector finds.
    ClickEach(&'static str),
    /// A click or a key that leads to another page.
    Follow(&'static str),
    FollowKey(&'static str),
    Key(&'static str),
    /// A key while what a selector finds first has the focus.
    KeyAt(&'static str, &'static str),
}

type Interaction = (&'static str, Act);

const LIST: &[Interaction] = &[
    (
        "a count as a filter",
        Act::Follow("#counts li:nth-child(2) a"),
    ),
    ("a heading", Act::Follow("thead a.sort")),
    ("the next page", Act::Follow("a[rel=next]")),
    ("menu of filters", Act::Click("#filter-menu > summary")),
    ("menu of views", Act::Click("#views-menu > summary")),
    ("menu of columns", Act::Click("#columns-menu > summary")),
    ("menu of many at once", Act::Click("#bulk-menu > summary")),
    (
        "a row is picked",
        Act::ClickEach("[data-row] input[type=checkbox]"),
    ),
    ("all rows are picked", Act::Click("[data-pick-all]")),
    ("key j", Act::Key("j")),
    ("key k", Act::Key("k")),
    ("key x", Act::KeyAt("[data-row] a", "x")),
    ("key c", Act::Key("c")),
    ("key .", Act::Key(".")),
    (
        "a letter in the query",
        Act::KeyAt(".query input[name=query]", "a"),
    ),
];

const LONG_LIST: &[Interaction] = &[
    (
        "a row is picked",
        Act::ClickEach("[data-row] input[type=checkbox]"),
    ),
    ("all rows are picked", Act::Click("[data-pick-all]")),
    ("key j", Act::Key("j")),
    ("key x", Act::KeyAt("[data-row] a", "x")),
    ("menu of columns", Act::Click("#columns-menu > summary")),
];

const RUN: &[Interaction] = &[
    ("dialog: signal", Act::Click("#signal-menu > summary")),
    ("dialog: cancel", Act::Click("#cancel-menu > summary")),
    ("dialog: terminate", Act::Click("#terminate-menu > summary")),
    ("menu: copy", Act::Key("c")),
    ("menu: more", Act::Key(".")),
    ("tab: timeline", Act::Follow(".tabs a[data-key=t]")),
    ("key h: history", Act::FollowKey("h")),
    ("steps as a list", Act::Click(".steps > summary")),
];

const TIMELINE: &[Interaction] = &[
    ("a mark", Act::Follow(".chart a")),
    ("key +: zoom", Act::FollowKey("+")),
    ("steps as a list", Act::Click(".steps > summary")),
];

const HISTORY: &[Interaction] = &[
    ("key j", Act::Key("j")),
    ("key k", Act::Key("k")),
    ("an event", Act::Follow("[data-row] a")),
    ("key n: next failure", Act::FollowKey("n")),
    (
        "a letter in the search",
        Act::KeyAt("[data-testid=history-search]", "a"),
    ),
];

const EVENT: &[Interaction] = &[
    ("raw JSON", Act::Click("main details:not(.menu) > summary")),
    ("key ]: next event", Act::FollowKey("]")),
];

const START: &[Interaction] = &[("a letter in the id", Act::KeyAt("#id", "a"))];

pub async fn measure(subject: &Subject, long: &RunPages) -> Result<Report> {
    let mut report = Report::new(format!(
        "Answers to clicks and keys, {} of each",
        subject.visits
    ));
    let pages = [
        ("list", subject.url("/workflows"), LIST),
        (
            "list of 100 rows",
            subject.url("/workflows?size=100"),
            LONG_LIST,
        ),
        ("long run", long.url(""), RUN),
        ("long run: timeline", long.url("/timeline"), TIMELINE),
        ("long run: history", long.url("/history"), HISTORY),
        (
            "long run: one event",
            long.url(&format!("/history/events/{}", subject.events / 2)),
            EVENT,
        ),
        (
            "start form",
            subject.url("/workflows/start-workflow"),
            START,
        ),
    ];
    for (page, url, interactions) in pages {
        eprintln!("clicks and keys: {page}");
        for (name, act) in interactions {
            let took = repeat(subject, &url, *act)
                .await
                .with_context(|| format!("{page}: {name}"))?;
            report.add_p95(
                format!("{page}: {name}: p95"),
                &took,
                "ms",
                Some(ANSWERED_MS),
            );
        }
    }
    Ok(report)
}

/// On a page that was opened for it, so that nothing is open or picked.
async fn repeat(subject: &Subject, url: &str, act: Act) -> Result<Samples> {
    let visitor = Visitor::new(&subject.chromium).await?;
    // What leads away is given up.
    visitor.tab.provoke(&["ERR_ABORTED"]);
    visitor.go(url).await?;
    let mut took = Samples::default();
    for number in 0..subject.visits {
        took.add(visitor.answer(act, number).await?);
    }
    subject.chromium.close_tab(visitor.tab).await?;
    Ok(took)
}

impl Visitor {
    /// Does it, and says how many milliseconds passed until the next frame.
    async fn answer(&self, act: Act, number: usize) -> Result<f64> {
        let tab = &self.tab;
        if let Act::KeyAt(focused, _) = act {
            let focus = format!("document.querySelector({}).focus()", literal(focused));
            tab.value::<()>(&focus).await?;
        }
        let held = match act {
            Act::Follow(_) | Act::FollowKey(_) => Some(self.hold().await?),
            _ => None,
        };
        if let Act::ClickEach(selector) = act {
            let mark = format!(
                "(() => {{ document.querySelector('[data-own=next]')?.removeAttribute('data-own');
                document.querySelectorAll({})[{number}].dataset.own = 'next'; }})()",
                literal(selector)
            );
            tab.value::<()>(&mark).await?;
        }
        let input = async {
            match act {
                Act::Click(selector) | Act::Follow(selector) => tab.click_on(selector).await,
                Act::ClickEach(_) => tab.click_on("[data-own=next]").await,
                Act::Key(key) | Act::FollowKey(key) | Act::KeyAt(_, key) => tab.press(key).await,
            }
        };
        tab.value::<()>(WATCH).await?;
        // Asked for before the input: a page that is being left is asked nothing more.
        let answer = tab.value::<(u64, Vec<f64>)>("window.answer");
        let answer = async { tokio::try_join!(answer, input) };
        let answer = tokio::time::timeout(ANSWERED_WITHIN, answer).await;
        let ((count, durations), ()) = answer.context("there is no answer")??;
        ensure!(count > 0, "it was no click and no key");
        if let Some(mut held) = held {
            let paused = tokio::time::timeout(ANSWERED_WITHIN, held.next()).await;
            let paused = paused
                .context("it led nowhere")?
                .context("the tab is gone")?;
            let request = paused.request_id.clone();
            let give_up = FailRequestParams::new(request, ErrorReason::Aborted);
            tab.page.execute(give_up).await?;
            tab.page.execute(DisableParams::default()).await?;
        }
        Ok(durations.into_iter().fold(SHORTEST_MS, f64::max))
    }

    /// Holds back pages that are to be loaded.
    async fn hold(&self) -> Result<EventStream<EventRequestPaused>> {
        let paused = self.tab.page.event_listener::<EventRequestPaused>().await?;
        let pages = RequestPattern {
            url_pattern: None,
            resource_type: Some(ResourceType::Document),
            request_stage: Some(RequestStage::Request),
        };
        let enable = EnableParams {
            patterns: Some(vec![pages]),
            handle_auth_requests: None,
        };
        self.tab.page.execute(enable).await?;
        Ok(paused)
    }
}
