//! The same first views in the official UI, for comparison: no budget holds there.

use anyhow::Result;

use super::Subject;
use super::pages::RunPages;
use super::report::Report;
use super::visit::{Looks, Way};

/// What each page shows once its script has run and its calls are answered.
const ROW: &str = "table a[href*='/workflows/']";
const EVENT: &str = "[data-testid='event-summary-row']";

pub async fn measure(
    subject: &Subject,
    official: &str,
    long: &RunPages,
    short: &RunPages,
) -> Result<Report> {
    let mut report = Report::new(format!(
        "The official UI, first views, {} of each",
        subject.visits
    ));
    let there = |url: String| url.replacen(&subject.ui, official, 1);
    let pages = [
        ("list: first page", there(subject.url("/workflows")), ROW),
        ("small run: history", there(short.url("/history")), EVENT),
        ("long run: history", there(long.url("/history")), EVENT),
    ];
    for (name, url, shows) in pages {
        eprintln!("official UI: {name}");
        let looks = Looks::take(subject, name, &url, Way::Anew, Some(shows)).await?;
        report.add_p95(format!("{name}: first paint p95"), &looks.fcp, "ms", None);
        report.add_p95(format!("{name}: largest paint p95"), &looks.lcp, "ms", None);
        report.add_p95(format!("{name}: layout shift p95"), &looks.shift, "", None);
        report.add_p95(format!("{name}: elements p95"), &looks.elements, "", None);
        report.add_p95(format!("{name}: requests p95"), &looks.requests, "", None);
        report.add_p95(format!("{name}: all bytes p95"), &looks.kb, "KB", None);
    }
    Ok(report)
}
