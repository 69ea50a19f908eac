//! The same first views in the official UI, for comparison: no budget holds there.

use std::time::Duration;

use anyhow::Result;

use super::Subject;
use super::pages::RunPages;
use super::report::Report;
use super::visit::{Looks, Way};

/// It may be silent for so long between two of its calls: its script runs for seconds before the first.
const QUIET: Duration = Duration::from_secs(12);

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
        ("list: first page", there(subject.url("/workflows"))),
        ("small run: timeline", there(short.url("/timeline"))),
        ("small run: history", there(short.url("/history"))),
        ("long run: timeline", there(long.url("/timeline"))),
        ("long run: history", there(long.url("/history"))),
    ];
    for (name, url) in pages {
        eprintln!("official UI: {name}");
        let looks = Looks::take(subject, name, &url, Way::Anew, Some(QUIET)).await?;
        report.add_p95(format!("{name}: first paint p95"), &looks.fcp, "ms", None);
        report.add_p95(format!("{name}: largest paint p95"), &looks.lcp, "ms", None);
        report.add_p95(format!("{name}: layout shift p95"), &looks.shift, "", None);
        report.add_p95(format!("{name}: elements p95"), &looks.elements, "", None);
        report.add_p95(format!("{name}: requests p95"), &looks.requests, "", None);
        report.add_p95(format!("{name}: all bytes p95"), &looks.kb, "KB", None);
    }
    Ok(report)
}
