//! The same first views in the official UI, for comparison: no budget holds there.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Subject;
use super::pages::RunPages;
use super::report::{Report, Samples};
use super::visit;

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
        let [
            mut fcp,
            mut lcp,
            mut shift,
            mut elements,
            mut requests,
            mut bytes,
        ] = std::array::from_fn(|_| Samples::default());
        for _ in 0..subject.visits {
            let seen = visit::first(&subject.chromium, &url, Some(QUIET))
                .await
                .with_context(|| name.to_owned())?;
            fcp.add(seen.vitals.fcp.context("nothing was painted")?);
            lcp.add(seen.vitals.lcp.context("nothing was painted")?);
            shift.add(seen.vitals.shift);
            elements.add(seen.vitals.elements as f64);
            requests.add(seen.weight.requests as f64);
            bytes.add(seen.weight.bytes / 1000.0);
        }
        report.add_p95(format!("{name}: first paint p95"), &fcp, "ms", None);
        report.add_p95(format!("{name}: largest paint p95"), &lcp, "ms", None);
        report.add_p95(format!("{name}: layout shift p95"), &shift, "", None);
        report.add_p95(format!("{name}: elements p95"), &elements, "", None);
        report.add_p95(format!("{name}: requests p95"), &requests, "", None);
        report.add_p95(format!("{name}: all bytes p95"), &bytes, "KB", None);
    }
    Ok(report)
}
