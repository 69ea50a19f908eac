//! What a page that is followed for long comes to: its heap, its nodes and its listeners, after many changes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chromiumoxide::cdp::browser_protocol::performance::GetMetricsParams;
use chromiumoxide::cdp::js_protocol::heap_profiler::CollectGarbageParams;

use super::Subject;
use super::changes::Watched;
use super::pages::RunPages;
use super::pixels::show_news;
use super::report::Report;
use super::visit::Visitor;
use crate::data::encoded;
use crate::tab::literal;

const HEAP_MB: f64 = 3.0;
/// Runs that change, each a row of the list.
const ROWS: usize = 100;
const SHOWN_WITHIN: Duration = Duration::from_secs(60);
/// Nodes that another state of the same page may have more, such as a longer text of a status in each row.
const NODES_OF_A_STATE: f64 = 200.0;

/// Counts what the page has worked in; a number grows by nothing.
const COUNT: &str =
    "window.patched = 0; document.addEventListener('patched', () => (window.patched += 1));";

struct Sizes {
    heap_mb: f64,
    nodes: f64,
    listeners: f64,
    documents: f64,
}

pub async fn measure(subject: &Subject) -> Result<Report> {
    let mut report = Report::new(format!("A followed page after {} changes", subject.patches));
    eprintln!("growth: list");
    let mut runs = Vec::new();
    for number in 0..ROWS {
        runs.push(subject.changes.start(&format!("row-{number}")).await?);
    }
    let prefix = runs[0].id.trim_end_matches('0');
    let query = encoded(&format!("WorkflowId STARTS_WITH \"{prefix}\""));
    let list = subject.url(&format!(
        "/workflows?size={ROWS}&col=Status&col=Id&col=BudgetNote&query={query}"
    ));
    let rows = |text: &str| {
        format!(
            "(() => {{ const rows = [...document.querySelectorAll('[data-testid=run]')];
            return rows.length === {ROWS} && rows.every((row) => row.textContent.includes({})); }})()",
            literal(text)
        )
    };
    listed(subject, &list, &rows("")).await?;
    let page = Followed {
        name: "list of 100 rows",
        url: &list,
        runs: &runs,
        is_asked: false,
    };
    grow(&mut report, subject, &page, rows).await?;
    for run in &runs[1..] {
        subject.changes.terminate(run).await?;
    }

    eprintln!("growth: history");
    let run = &runs[..1];
    let history = RunPages::new(subject, &run[0]).url("/history?order=desc");
    let newest = |text: &str| {
        format!(
            "document.querySelector('#run-history tbody').textContent.includes({})",
            literal(text)
        )
    };
    let page = Followed {
        name: "history, newest first",
        url: &history,
        runs: run,
        is_asked: true,
    };
    grow(&mut report, subject, &page, newest).await?;
    subject.changes.terminate(&run[0]).await?;
    Ok(report)
}

/// Waits until the list shows all that was started.
async fn listed(subject: &Subject, list: &str, all: &str) -> Result<()> {
    let tab = subject.chromium.tab().await?;
    let since = Instant::now();
    loop {
        tab.go(list).await?;
        if tab.value(all).await? {
            return subject.chromium.close_tab(tab).await;
        }
        ensure!(since.elapsed() < SHOWN_WITHIN, "the list is not whole");
    }
}

/// A page and what changes on it.
struct Followed<'a> {
    name: &'a str,
    url: &'a str,
    runs: &'a [Watched],
    /// What is new waits until it is asked for.
    is_asked: bool,
}

/// Changes runs until so many changes were worked into the page, and says what that has cost it.
async fn grow(
    report: &mut Report,
    subject: &Subject,
    page: &Followed<'_>,
    shows: impl Fn(&str) -> String,
) -> Result<()> {
    let name = page.name;
    let visitor = Visitor::new(&subject.chromium).await?;
    visitor.tab.before_scripts(COUNT).await?;
    visitor.go(page.url).await?;
    // A first change, so that a history is as long as its page: what comes later takes the place of what goes.
    let mut round = 0;
    let mut change = async || -> Result<u64> {
        let note = format!("note-{round}.");
        round += 1;
        subject.changes.signal(page.runs, &note).await?;
        let shows = shows(&note);
        let shown = match page.is_asked {
            true => show_news(&visitor.tab, &shows).await,
            false => visitor.tab.until(&shows, SHOWN_WITHIN).await.map(drop),
        };
        shown.with_context(|| format!("{note} is not shown"))?;
        visitor.tab.value("window.patched").await
    };
    let at_first = change().await?;
    let full =
        "document.querySelector('a[rel=next]') || document.querySelector('[data-testid=runs]')";
    while !visitor
        .tab
        .value::<bool>(&format!("Boolean({full})"))
        .await?
    {
        change().await?;
    }
    let before = sizes(&visitor).await?;
    let first: u64 = visitor.tab.value("window.patched").await?;
    let sent = visitor.traffic.messages();
    let since = Instant::now();
    let mut patched = first;
    while patched - first < subject.patches {
        patched = change().await?;
    }
    let took = since.elapsed();
    let after = sizes(&visitor).await?;
    let applied = patched - first;
    let sent = visitor.traffic.messages() - sent;
    ensure!(
        at_first > 0 && sent >= applied,
        "{applied} of {sent} were worked in"
    );
    report.add(
        format!("{name}: changes worked in"),
        applied as f64,
        "",
        None,
    );
    report.add(format!("{name}: in"), took.as_secs_f64(), "s", None);
    report.add(format!("{name}: heap before"), before.heap_mb, "MB", None);
    let more = |of: fn(&Sizes) -> f64| of(&after) - of(&before);
    report.add(
        format!("{name}: heap, more"),
        more(|sizes| sizes.heap_mb),
        "MB",
        Some(HEAP_MB),
    );
    report.add(format!("{name}: nodes before"), before.nodes, "", None);
    report.add(
        format!("{name}: nodes, more"),
        more(|sizes| sizes.nodes),
        "",
        Some(NODES_OF_A_STATE),
    );
    report.add(
        format!("{name}: listeners, more"),
        more(|sizes| sizes.listeners),
        "",
        Some(0.0),
    );
    report.add(
        format!("{name}: documents, more"),
        more(|sizes| sizes.documents),
        "",
        Some(0.0),
    );
    visitor.still(report, name, &subject.chromium).await
}

/// After a collection of garbage.
async fn sizes(visitor: &Visitor) -> Result<Sizes> {
    // The second one takes what the first one has let go.
    for _ in 0..2 {
        visitor.tab.page.execute(CollectGarbageParams {}).await?;
    }
    let metrics = visitor.tab.page.execute(GetMetricsParams {}).await?;
    let metric = |name: &str| {
        let mut metrics = metrics.result.metrics.iter();
        let found = metrics.find(|metric| metric.name == name);
        found
            .map(|metric| metric.value)
            .with_context(|| format!("no {name}"))
    };
    Ok(Sizes {
        heap_mb: metric("JSHeapUsedSize")? / 1e6,
        nodes: metric("Nodes")?,
        listeners: metric("JSEventListeners")?,
        documents: metric("Documents")?,
    })
}
