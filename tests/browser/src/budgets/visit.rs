//! A look at one page by somebody who has never been there, on a slow machine.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chromiumoxide::cdp::browser_protocol::emulation::{
    SetCpuThrottlingRateParams, SetFocusEmulationEnabledParams,
};
use chromiumoxide::cdp::browser_protocol::network::ClearBrowserCacheParams;
use serde::Deserialize;

use super::Subject;
use super::first_views::SHIFT;
use super::report::{Report, Samples};
use super::traffic::{Traffic, Weight};
use crate::chromium::Chromium;
use crate::tab::Tab;

/// So many times slower does the page get on than the machine could.
const THROTTLE: f64 = 4.0;
/// A page is at rest when nothing has come for this long.
const QUIET: Duration = Duration::from_millis(500);
/// A page of others that polls for ever is never at rest: it is waited for so long to show what it is to show.
const SHOWN_WITHIN: Duration = Duration::from_secs(60);

/// Notes what the browser measures of a page, from before its own scripts run. Shifts that follow an input do not count,
/// as the metric has it.
const OBSERVE: &str = "(() => {
    const seen = (window.seen = { fcp: null, lcp: null, shift: 0, shifted: [], events: [] });
    const observe = (type, take, more) => new PerformanceObserver((list) => list.getEntries().forEach(take))
        .observe({ type, buffered: true, ...more });
    observe('paint', (entry) => { if (entry.name === 'first-contentful-paint') seen.fcp = entry.startTime; });
    observe('largest-contentful-paint', (entry) => { seen.lcp = entry.startTime; });
    observe('layout-shift', (entry) => {
        if (entry.hadRecentInput) return;
        seen.shift += entry.value;
        const names = entry.sources.map(({ node }) => `${node?.nodeName} in ${(node?.closest ? node : node?.parentElement)?.closest('[id]')?.id}`);
        if (seen.shifted.length < 5) seen.shifted.push(names.join(' '));
    });
    observe('event', (entry) => {
        if (entry.interactionId) seen.events.push([entry.startTime, entry.duration]);
    }, { durationThreshold: 16 });
})()";

/// A tab in which everything takes longer, that has never been anywhere.
pub struct Visitor {
    pub tab: Tab,
    pub traffic: Traffic,
}

/// What the browser has measured of a page so far.
#[derive(Debug, Deserialize)]
pub struct Vitals {
    /// Milliseconds until something of the page was painted.
    pub fcp: Option<f64>,
    /// The same for the largest part of what is seen first.
    pub lcp: Option<f64>,
    /// How much moved that nobody touched.
    pub shift: f64,
    /// Which elements these were, the first few.
    pub shifted: Vec<String>,
    /// Elements of the page.
    pub elements: u64,
}

/// A first look.
struct Visit {
    vitals: Vitals,
    weight: Weight,
}

impl Visitor {
    pub async fn new(chromium: &Chromium) -> Result<Self> {
        let tab = chromium.tab().await?;
        throttle(&tab, THROTTLE).await?;
        // Keys go to it without a click before.
        tab.page
            .execute(SetFocusEmulationEnabledParams::new(true))
            .await?;
        tab.before_scripts(OBSERVE).await?;
        let traffic = Traffic::watch(&tab.page).await?;
        Ok(Self { tab, traffic })
    }

    /// Goes to a page and waits until it is at rest.
    pub async fn go(&self, url: &str) -> Result<()> {
        self.tab.go(url).await?;
        self.traffic
            .rest(QUIET)
            .await
            .with_context(|| url.to_owned())
    }

    /// Reports how much has moved so far, and says what; then closes the tab.
    pub async fn still(self, report: &mut Report, name: &str, chromium: &Chromium) -> Result<()> {
        let vitals = self.vitals().await?;
        if vitals.shift > SHIFT {
            eprintln!("  shifted: {}", vitals.shifted.join(", "));
        }
        report.add(
            format!("{name}: layout shift"),
            vitals.shift,
            "",
            Some(SHIFT),
        );
        chromium.close_tab(self.tab).await
    }

    /// What was measured so far, the frame included that is being made.
    pub async fn vitals(&self) -> Result<Vitals> {
        self.tab
            .value(
                "new Promise((done) => requestAnimationFrame(() => setTimeout(() =>
                    done({ ...seen, elements: document.querySelectorAll('*').length }))))",
            )
            .await
    }
}

/// How somebody comes to a page. Nothing is in a cache.
#[derive(Clone, Copy)]
pub enum Way<'a> {
    /// Out of nowhere: the browser makes a process for the site, and opens a connection.
    Anew,
    /// From another page of the site.
    From(&'a str),
}

/// A first look at a page: until it is at rest, or until it shows an element `of_others`.
async fn first(
    chromium: &Chromium,
    url: &str,
    way: Way<'_>,
    of_others: Option<&str>,
) -> Result<Visit> {
    let visitor = Visitor::new(chromium).await?;
    if let Way::From(other) = way {
        visitor.go(other).await?;
        let clear = ClearBrowserCacheParams::default();
        visitor.tab.page.execute(clear).await?;
    }
    match of_others {
        None => visitor.go(url).await?,
        Some(selector) => {
            visitor.tab.go(url).await?;
            let shown = format!("document.querySelector({selector:?}) !== null");
            let shown = visitor.tab.until(&shown, SHOWN_WITHIN).await;
            shown.with_context(|| url.to_owned())?;
        }
    }
    let visit = Visit {
        vitals: visitor.vitals().await?,
        weight: visitor.traffic.weight(),
    };
    match of_others {
        None => chromium.close_tab(visitor.tab).await?,
        // What a page of others complains of is their matter.
        Some(_) => chromium.abandon_tab(visitor.tab).await?,
    }
    Ok(visit)
}

/// What first looks at one page came to, as many as are wanted of each.
#[derive(Default)]
pub struct Looks {
    pub fcp: Samples,
    pub lcp: Samples,
    pub shift: Samples,
    pub elements: Samples,
    pub requests: Samples,
    pub kb: Samples,
    /// What moved, of each look in which something did.
    pub shifted: Vec<String>,
}

impl Looks {
    pub async fn take(
        subject: &Subject,
        name: &str,
        url: &str,
        way: Way<'_>,
        of_others: Option<&str>,
    ) -> Result<Self> {
        let mut looks = Self::default();
        for _ in 0..subject.visits {
            let Visit { vitals, weight } = first(&subject.chromium, url, way, of_others)
                .await
                .with_context(|| name.to_owned())?;
            looks.fcp.add(vitals.fcp.context("nothing was painted")?);
            looks.lcp.add(vitals.lcp.context("nothing was painted")?);
            looks.shift.add(vitals.shift);
            looks.elements.add(vitals.elements as f64);
            looks.requests.add(weight.requests as f64);
            looks.kb.add(weight.bytes / 1000.0);
            if vitals.shift > SHIFT {
                looks.shifted.push(vitals.shifted.join(", "));
            }
        }
        Ok(looks)
    }
}

async fn throttle(tab: &Tab, rate: f64) -> Result<()> {
    tab.page
        .execute(SetCpuThrottlingRateParams::new(rate))
        .await?;
    Ok(())
}

/// Fails unless pages really get on more slowly: a figure without that would flatter. Says how many times.
pub async fn check_throttle(chromium: &Chromium, url: &str) -> Result<f64> {
    let visitor = Visitor::new(chromium).await?;
    visitor.go(url).await?;
    // The shortest of several, as the machine may do something else meanwhile.
    let work = "Math.min(...Array.from({ length: 7 }, () => { const since = performance.now();
        let sum = 0; for (let at = 0; at < 2e7; at += 1) sum += at % 7;
        return sum && performance.now() - since; }))";
    let slow: f64 = visitor.tab.value(work).await?;
    throttle(&visitor.tab, 1.0).await?;
    let fast: f64 = visitor.tab.value(work).await?;
    ensure!(
        slow > fast * THROTTLE / 2.0,
        "the page is not slowed down: {slow} ms for what takes {fast} ms"
    );
    chromium.close_tab(visitor.tab).await?;
    Ok(slow / fast)
}
