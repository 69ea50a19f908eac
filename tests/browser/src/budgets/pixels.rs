//! From a change to the frame that shows it.
//!
//! One clock: the time just before the call, in the program that makes it, against the time in the page, on the same
//! machine. The frame is there when the one after it begins.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Subject;
use super::changes::Watched;
use super::pages::RunPages;
use super::report::{Report, Samples};
use super::visit::Visitor;
use crate::tab::{Tab, literal};

const SHOWN_MS: f64 = 250.0;
/// The clock of a page is set when it is loaded; more of a difference would be one of the figures.
const CLOCKS_MS: f64 = 2.0;
/// Changes for each figure.
const CHANGES: usize = 20;
/// New events wait to be asked for.
const NEWS: &str = "(document.querySelector('#new-events a') !== null)";
/// As long as nothing comes of it.
const ASKED_AGAIN: Duration = Duration::from_millis(400);
/// What takes longer counts as not shown at all.
const SHOWN_WITHIN: Duration = Duration::from_secs(20);

pub async fn measure(subject: &Subject, long: &RunPages) -> Result<Report> {
    let mut report = Report::new(format!(
        "From a change to the frame that shows it, {CHANGES} of each"
    ));
    let changes = &subject.changes;

    eprintln!("changes: list");
    let list = subject.url("/workflows");
    let visitor = Visitor::new(&subject.chromium).await?;
    visitor.go(&list).await?;
    let mut took = Samples::default();
    let mut runs = Vec::new();
    for number in 0..CHANGES {
        pause(number).await;
        let shows = format!(
            "document.querySelector('#new-rows').textContent.includes('{} new')",
            number + 1
        );
        let watch = visitor.watch(&shows).await?;
        let run = changes.start(&format!("new-{number}")).await?;
        took.add(watch.shown().await? - run.started);
        runs.push(run);
    }
    report.add_p95("list: a run was started: p95", &took, "ms", Some(SHOWN_MS));
    visitor
        .still(&mut report, "list: a run was started", &subject.chromium)
        .await?;

    // The newest come first.
    let visitor = Visitor::new(&subject.chromium).await?;
    visitor.go(&list).await?;
    let mut took = Samples::default();
    for (number, run) in runs.iter().enumerate() {
        pause(number).await;
        let row = literal(&format!("run-{}", run.run));
        let shows = format!("document.getElementById({row}).textContent.includes('Terminated')");
        let watch = visitor.watch(&shows).await?;
        let at = changes.terminate(run).await?;
        took.add(watch.shown().await? - at);
    }
    report.add_p95(
        "list: a run on the page was terminated: p95",
        &took,
        "ms",
        Some(SHOWN_MS),
    );
    visitor
        .still(&mut report, "list: a run was terminated", &subject.chromium)
        .await?;

    let run = changes.start("small").await?;
    let pages = RunPages::new(subject, &run);
    signals(&mut report, subject, "small run", &run, &pages, CHANGES).await?;
    activities(&mut report, subject, &run, &pages).await?;
    changes.terminate(&run).await?;

    // Each makes it longer: few.
    let run = long_run(subject, long)?;
    signals(&mut report, subject, "long run", &run, long, CHANGES / 4).await?;
    Ok(report)
}

/// A history, newest first: a signal comes in, and is asked for.
async fn signals(
    report: &mut Report,
    subject: &Subject,
    name: &str,
    run: &Watched,
    pages: &RunPages,
    count: usize,
) -> Result<()> {
    eprintln!("changes: {name}, signals");
    let visitor = Visitor::new(&subject.chromium).await?;
    visitor.go(&pages.url("/history?order=desc")).await?;
    let mut took = Samples::default();
    for number in 0..count {
        pause(number).await;
        // The long run keeps those of earlier measurements.
        let signal = format!("{}-{number}", subject.changes.fresh);
        show_news(&visitor.tab, "true").await?;
        let watch = visitor.watch(NEWS).await?;
        let at = subject
            .changes
            .signal(std::slice::from_ref(run), &signal)
            .await?;
        took.add(watch.shown().await? - at);
        let shows = format!(
            "document.querySelector('#run-history tbody').textContent.includes({})",
            literal(&signal)
        );
        show_news(&visitor.tab, &shows).await?;
    }
    report.add_p95(
        format!("{name}: a signal came in: p95"),
        &took,
        "ms",
        Some(SHOWN_MS),
    );
    visitor
        .still(
            report,
            &format!("{name}: a signal came in"),
            &subject.chromium,
        )
        .await
}

/// Asks for what is new until all that there is can be seen, and with it what `shows` says.
pub async fn show_news(tab: &Tab, shows: &str) -> Result<()> {
    let all = format!("!{NEWS} && {shows}");
    let since = Instant::now();
    while !tab.value::<bool>(&all).await? {
        ensure!(
            since.elapsed() < SHOWN_WITHIN,
            "not all that is new is shown"
        );
        if tab.until(NEWS, ASKED_AGAIN).await.is_ok() {
            tab.press("u").await?;
            // What came meanwhile is asked for in the next round.
            let _ = tab.until(&all, ASKED_AGAIN).await;
        }
    }
    Ok(())
}

/// The first page of a run, whose head says what it waits for: an activity ends.
async fn activities(
    report: &mut Report,
    subject: &Subject,
    run: &Watched,
    pages: &RunPages,
) -> Result<()> {
    eprintln!("changes: small run, activities");
    let visitor = Visitor::new(&subject.chromium).await?;
    visitor.go(&pages.url("")).await?;
    let mut took = Samples::default();
    for number in 0..CHANGES {
        let head = "document.querySelector('#run-head').textContent";
        subject.changes.work(run).await?;
        visitor
            .tab
            .until(&format!("{head}.includes('outside')"), SHOWN_WITHIN)
            .await
            .context("the head names the activity that runs")?;
        let watch = visitor
            .watch(&format!("!{head}.includes('outside')"))
            .await?;
        let at = subject.changes.complete(run, &number.to_string()).await?;
        took.add(watch.shown().await? - at);
    }
    report.add_p95(
        "small run: an activity ended: p95",
        &took,
        "ms",
        Some(SHOWN_MS),
    );
    visitor
        .still(report, "small run: an activity ended", &subject.chromium)
        .await
}

/// The run with the long history, which changes as others do.
fn long_run(subject: &Subject, long: &RunPages) -> Result<Watched> {
    let url = long.url("");
    let (_, run) = url.rsplit_once('/').context("a run has an id")?;
    Ok(Watched {
        id: format!("bench-long-{}", subject.events),
        run: run.to_owned(),
        started: 0.0,
    })
}

/// So long between two changes, that they meet a page at any time of its rhythm.
async fn pause(number: usize) {
    let ms = 300 + number * 73 % 211;
    tokio::time::sleep(Duration::from_millis(ms as u64)).await;
}

/// A page that is being watched for something.
struct Watch<'a> {
    visitor: &'a Visitor,
}

impl Visitor {
    /// Looks, from now on and after each change of the page, whether an expression is true. It must not be so yet.
    async fn watch(&self, shows: &str) -> Result<Watch<'_>> {
        let watch = format!(
            "(() => {{
                const shows = () => ({shows});
                const frame = () => new Promise((done) => requestAnimationFrame(done));
                const now = () => performance.timeOrigin + performance.now();
                window.shownAt = new Promise((done) => {{
                    const observer = new MutationObserver(() => {{
                        if (!shows()) return;
                        observer.disconnect();
                        frame().then(frame).then(() => done(now()));
                    }});
                    const all = {{ subtree: true, childList: true, characterData: true, attributes: true }};
                    observer.observe(document, all);
                }});
                // The least of several, as the page may be held up between the two.
                const apart = Array.from({{ length: 9 }}, () => Date.now() - now());
                return [shows(), apart.reduce((one, other) => Math.abs(one) < Math.abs(other) ? one : other)];
            }})()"
        );
        let (already, apart): (bool, f64) = self.tab.value(&watch).await?;
        ensure!(!already, "true before the change: {shows}");
        ensure!(
            apart.abs() < CLOCKS_MS,
            "the clock of the page is wrong by {apart} ms"
        );
        Ok(Watch { visitor: self })
    }
}

impl Watch<'_> {
    /// When it was shown.
    async fn shown(self) -> Result<f64> {
        let shown = self.visitor.tab.value("window.shownAt");
        let shown = tokio::time::timeout(SHOWN_WITHIN, shown).await;
        shown.context("the change is not shown")?
    }
}
