//! How soon a page is there, and how light it is, for somebody who has never been there.

use anyhow::Result;

use super::Subject;
use super::floor::Floor;
use super::pages::Page;
use super::report::{Report, Samples};
use super::visit::{self, Looks, Way};

/// In milliseconds: something is painted, the largest part is.
pub const FCP_MS: f64 = 150.0;
pub const LCP_MS: f64 = 300.0;
pub const SHIFT: f64 = 0.0;
pub const ELEMENTS: f64 = 2500.0;
/// Requests of a first view; its event stream comes after it.
const REQUESTS: f64 = 4.0;

/// Measures each page twice: for somebody who has never been at the site, and for one who comes from another page of it.
/// Beside that it says what the page adds to two lines of text, which is what the machine and the browser cost.
pub async fn measure(subject: &Subject, pages: &[Page]) -> Result<Report> {
    let throttle = visit::check_throttle(&subject.chromium, &pages[0].url).await?;
    let mut report = Report::new(format!(
        "First views, {} of each, {throttle:.1} times slower than the machine",
        subject.visits
    ));
    let floor = Floor::start().await?;
    let nothing = floor.url("/");
    let anew = Painted::add(&mut report, subject, "two lines", &nothing, Way::Anew, None).await?;
    let other = floor.url("/other");
    let from = Way::From(&other);
    let within = Painted::add(&mut report, subject, "two lines", &nothing, from, None).await?;
    let other = format!("{}/help", subject.ui);
    for page in pages {
        eprintln!("first view: {}", page.name);
        let (name, url) = (&page.name, &page.url);
        let looks = Painted::add(&mut report, subject, name, url, Way::Anew, Some(&anew)).await?;
        let from = Way::From(&other);
        let next = Painted::add(&mut report, subject, name, url, from, Some(&within)).await?;
        for shifted in looks.0.shifted.iter().chain(&next.0.shifted) {
            eprintln!("  shifted: {shifted}");
        }
        let worst = |samples: &Samples| samples.worst().unwrap_or(f64::NAN);
        let shift = worst(&looks.0.shift).max(worst(&next.0.shift));
        let looks = looks.0;
        for (what, value, unit, most) in [
            ("layout shift", shift, "", Some(SHIFT)),
            ("elements", worst(&looks.elements), "", Some(ELEMENTS)),
            ("requests", worst(&looks.requests), "", Some(REQUESTS)),
            ("all bytes", worst(&looks.kb), "KB", page.most_kb),
        ] {
            report.add(format!("{name}: {what}"), value, unit, most);
        }
    }
    Ok(report)
}

/// Looks whose times are in the report.
struct Painted(Looks);

impl Painted {
    /// Looks at a page and reports when it was painted; beside a `floor`, how much later than that.
    async fn add(
        report: &mut Report,
        subject: &Subject,
        name: &str,
        url: &str,
        way: Way<'_>,
        floor: Option<&Self>,
    ) -> Result<Self> {
        let looks = Self(Looks::take(subject, name, url, way, None).await?);
        let from = match way {
            Way::Anew => "",
            Way::From(_) => ", from another page",
        };
        let Some(floor) = floor else {
            let what = format!("{name}{from}: first paint p95");
            report.add_p95(what, &looks.0.fcp, "ms", None);
            return Ok(looks);
        };
        for (what, samples, nothing, most) in [
            ("first paint", &looks.0.fcp, &floor.0.fcp, FCP_MS),
            ("largest paint", &looks.0.lcp, &floor.0.lcp, LCP_MS),
        ] {
            let what = format!("{name}{from}: {what}");
            report.add_p95(format!("{what} p95"), samples, "ms", Some(most));
            let half = |samples: &Samples| samples.quantile(0.5).unwrap_or(f64::NAN);
            let more = half(samples) - half(nothing);
            report.add(
                format!("{what}: p50, more than two lines"),
                more,
                "ms",
                None,
            );
        }
        Ok(looks)
    }
}
