//! How soon a page is there, and how light it is, for somebody who has never been there.

use anyhow::{Context, Result};

use super::Subject;
use super::pages::Page;
use super::report::{Report, Samples};
use super::visit;

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
        let [
            mut fcp,
            mut lcp,
            mut shift,
            mut elements,
            mut requests,
            mut bytes,
        ] = std::array::from_fn(|_| Samples::default());
        for _ in 0..subject.visits {
            let seen = visit::first(&subject.chromium, &page.url, None)
                .await
                .with_context(|| page.name.clone())?;
            fcp.add(seen.vitals.fcp.context("nothing was painted")?);
            lcp.add(seen.vitals.lcp.context("nothing was painted")?);
            shift.add(seen.vitals.shift);
            elements.add(seen.vitals.elements as f64);
            requests.add(seen.weight.requests as f64);
            bytes.add(seen.weight.bytes / 1000.0);
            if seen.vitals.shift > SHIFT {
                eprintln!("  shifted: {}", seen.vitals.shifted.join(", "));
            }
        }
        let worst = |samples: &Samples| samples.worst().unwrap_or(f64::NAN);
        let name = &page.name;
        report.add_p95(format!("{name}: first paint p95"), &fcp, "ms", Some(FCP_MS));
        report.add_p95(
            format!("{name}: largest paint p95"),
            &lcp,
            "ms",
            Some(LCP_MS),
        );
        report.add(
            format!("{name}: layout shift"),
            worst(&shift),
            "",
            Some(SHIFT),
        );
        report.add(
            format!("{name}: elements"),
            worst(&elements),
            "",
            Some(ELEMENTS),
        );
        report.add(
            format!("{name}: requests"),
            worst(&requests),
            "",
            Some(REQUESTS),
        );
        report.add(
            format!("{name}: all bytes"),
            worst(&bytes),
            "KB",
            page.most_kb,
        );
    }
    Ok(report)
}
