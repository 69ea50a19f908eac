//! How soon a page is there, and how light it is, for somebody who has never been there.

use anyhow::Result;

use super::Subject;
use super::pages::Page;
use super::report::{Report, Samples};
use super::visit::{self, Looks};

/// In milliseconds: something is painted, the largest part is.
pub const FCP_MS: f64 = 150.0;
pub const LCP_MS: f64 = 300.0;
pub const SHIFT: f64 = 0.0;
pub const ELEMENTS: f64 = 2500.0;
/// Requests of a first view; its event stream comes after it.
const REQUESTS: f64 = 4.0;

pub async fn measure(subject: &Subject, pages: &[Page]) -> Result<Report> {
    let throttle = visit::check_throttle(&subject.chromium, &pages[0].url).await?;
    let mut report = Report::new(format!(
        "First views, {} of each, {throttle:.1} times slower than the machine",
        subject.visits
    ));
    for page in pages {
        eprintln!("first view: {}", page.name);
        let looks = Looks::take(subject, &page.name, &page.url, None).await?;
        for shifted in &looks.shifted {
            eprintln!("  shifted: {shifted}");
        }
        let worst = |samples: &Samples| samples.worst().unwrap_or(f64::NAN);
        let name = &page.name;
        report.add_p95(
            format!("{name}: first paint p95"),
            &looks.fcp,
            "ms",
            Some(FCP_MS),
        );
        report.add_p95(
            format!("{name}: largest paint p95"),
            &looks.lcp,
            "ms",
            Some(LCP_MS),
        );
        report.add(
            format!("{name}: layout shift"),
            worst(&looks.shift),
            "",
            Some(SHIFT),
        );
        report.add(
            format!("{name}: elements"),
            worst(&looks.elements),
            "",
            Some(ELEMENTS),
        );
        report.add(
            format!("{name}: requests"),
            worst(&looks.requests),
            "",
            Some(REQUESTS),
        );
        report.add(
            format!("{name}: all bytes"),
            worst(&looks.kb),
            "KB",
            page.most_kb,
        );
    }
    Ok(report)
}
