//! The pages that are measured.

use anyhow::{Context, Result};

use super::Subject;
use super::changes::Watched;
use crate::chromium::Chromium;
use crate::data::encoded;

/// The page of the list that is far down.
const FAR: u64 = 10_000;
/// Rows of a page of the list.
const ROWS: u64 = 50;
/// First views may weigh so much, in KB.
const LIST_KB: f64 = 45.0;
const RUN_KB: f64 = 60.0;

pub struct Page {
    pub name: String,
    pub url: String,
    /// What all files of a first view may weigh, in KB, where that is limited.
    pub most_kb: Option<f64>,
}

/// The paths of the pages of one run.
#[derive(Clone)]
pub struct RunPages {
    base: String,
}

impl RunPages {
    pub fn new(subject: &Subject, run: &Watched) -> Self {
        let base = format!("/workflows/{}/{}", encoded(&run.id), run.run);
        Self {
            base: subject.url(&base),
        }
    }

    /// Of the run with the long history, as the UI itself leads there.
    pub async fn long(subject: &Subject, chromium: &Chromium) -> Result<Self> {
        let tab = chromium.tab().await?;
        let id = format!("bench-long-{}", subject.events);
        tab.go(&subject.url(&format!("/workflows/{id}"))).await?;
        tab.says("[data-testid=workflow-id]", &id)
            .await
            .context("the long run")?;
        let base = tab.value("location.origin + location.pathname").await?;
        chromium.close_tab(tab).await?;
        Ok(Self { base })
    }

    /// A page of it.
    pub fn url(&self, rest: &str) -> String {
        format!("{}{rest}", self.base)
    }
}

/// All pages of a first view.
pub async fn all(subject: &Subject, long: &RunPages, short: &RunPages) -> Result<Vec<Page>> {
    let list = |name: &str, rest: &str| Page {
        name: format!("list: {name}"),
        url: subject.url(&format!("/workflows{rest}")),
        most_kb: Some(LIST_KB),
    };
    let run = |name: &str, url: String| Page {
        name: name.to_owned(),
        url,
        most_kb: Some(RUN_KB),
    };
    let other = |name: &str, rest: &str| Page {
        name: name.to_owned(),
        url: subject.url(rest),
        most_kb: None,
    };
    let query = |query: &str| format!("?query={}", encoded(query));
    let (token, rows) = subject.changes.place((FAR - 1) * ROWS).await?;
    let number = rows / ROWS + 1;
    let events = subject.events;
    Ok(vec![
        list("first page", ""),
        list("failed", &query("ExecutionStatus = \"Failed\"")),
        list(
            "a type, sorted",
            &query("WorkflowType = \"BenchFill07\" ORDER BY StartTime"),
        ),
        list("100 rows", "?size=100"),
        list(
            &format!("page {number}"),
            &format!("?page={number}&token={token}"),
        ),
        run("long run", long.url("")),
        run("long run: timeline", long.url("/timeline")),
        run("long run: history", long.url("/history")),
        run(
            "long run: history, the middle",
            long.url(&format!("/history?from={}", events / 2)),
        ),
        run("long run: newest first", long.url("/history?order=desc")),
        run("long run: steps", long.url("/history?view=compact")),
        run(
            "long run: one event",
            long.url(&format!("/history/events/{}", events / 2)),
        ),
        run("small run", short.url("")),
        run("small run: timeline", short.url("/timeline")),
        run("small run: history", short.url("/history")),
        other("overview", ""),
        other("failures", "/failures"),
        other("task queues", "/task-queues"),
        other("start form", "/workflows/start-workflow"),
    ])
}
