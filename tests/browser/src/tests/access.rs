//! Pages for who uses the keyboard only, and for who has the colours of all pages replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::data::Data;
use crate::suite::Stage;
use crate::tab::Tab;

crate::tests![
    the_tab_key_visits_all_there_is_in_the_order_of_the_page,
    nothing_vanishes_where_colours_are_forced,
];

/// The main pages.
const PAGES: [fn(&Data) -> String; 9] = [
    |_| "/namespaces/shop".to_owned(),
    |_| "/namespaces/shop/workflows".to_owned(),
    |_| "/namespaces/shop/workflows/start-workflow".to_owned(),
    |_| "/namespaces/shop/failures".to_owned(),
    |_| "/namespaces/shop/task-queues".to_owned(),
    |data| data.run("label").path(),
    |data| format!("{}/timeline", data.run("refund-0").path()),
    |data| format!("{}/history", data.run("refund-0").path()),
    |_| "/settings".to_owned(),
];

/// What the tab key should stop at, in the order of the page: of the buttons of a group one.
const STOPS: &str = "window.stops = [...document.querySelectorAll(
        'a[href], button, input, select, textarea, summary, [tabindex]')]
    .filter((one) => one.tabIndex >= 0 && !one.disabled && one.type !== 'hidden' && one.checkVisibility()
        && !(one.type === 'radio' && !one.checked)); stops.length";

/// Where the focus is: its place among the stops, whether it can be seen, and what it is.
const FOCUSED: &str = "(() => { const one = document.activeElement; const box = one.getBoundingClientRect();
    const style = getComputedStyle(one);
    return { at: one === document.body ? null : stops.indexOf(one), what: one.outerHTML.slice(0, 100),
        seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0
            && box.left < innerWidth,
        ringed: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 }; })()";

#[derive(Deserialize)]
struct Focused {
    at: Option<i64>,
    what: String,
    seen: bool,
    ringed: bool,
}

async fn the_tab_key_visits_all_there_is_in_the_order_of_the_page(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    // As the page is when it has come: what changes later does not move the focus, see the tests of live pages.
    tab.before_scripts("delete window.EventSource; window.EventSource = class { addEventListener() {} close() {} };")
        .await?;
    for path in PAGES {
        let path = path(&stage.data);
        tab.go(&stage.url(&path)).await?;
        walk(&tab).await.with_context(|| path.clone())?;
    }
    tab.go(&stage.url("/namespaces/shop/workflows")).await?;
    tab.press("Tab").await?;
    ensure!(
        tab.value::<bool>("document.activeElement.matches('.skip')")
            .await?
    );
    tab.press("Enter").await?;
    tab.press("Tab").await?;
    let inside = "document.querySelector('main').contains(document.activeElement)";
    ensure!(
        tab.value::<bool>(inside).await?,
        "the first link leads past the head of the page"
    );
    tab.close().await
}

async fn walk(tab: &Tab) -> Result<()> {
    let stops: i64 = tab.value(STOPS).await?;
    ensure!(stops > 10, "there is something to stop at");
    for wanted in 0..stops {
        tab.press("Tab").await?;
        let focused: Focused = tab.value(FOCUSED).await?;
        let what = &focused.what;
        ensure!(
            focused.at == Some(wanted),
            "stop {wanted} of {stops} is {:?}: {what}; missed {}",
            focused.at,
            tab.value::<String>(&format!("stops[{wanted}].outerHTML.slice(0, 200)"))
                .await?
        );
        ensure!(focused.seen, "the focus cannot be seen: {what}");
        ensure!(focused.ringed, "nothing shows the focus: {what}");
    }
    tab.press("Tab").await?;
    let after: Focused = tab.value(FOCUSED).await?;
    ensure!(
        after.at.is_none_or(|at| at == 0),
        "the page does not end: {}",
        after.what
    );
    Ok(())
}

/// Words, signs and marks with too little contrast to what is behind them; fields without an edge.
const VANISHED: &str = "(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const parsed = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data]; };
    const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
    const over = ([r, g, b, a], ground) => [r, g, b].map((part, at) => (part * a + ground[at] * (255 - a)) / 255);
    const ground = (one) => { for (let at = one; at; at = at.parentElement) {
        const colour = parsed(getComputedStyle(at).backgroundColor); if (colour[3] === 255) return colour; }
        return parsed('Canvas'); };
    const contrast = (colour, opacity, one) => { const behind = ground(one); const front = parsed(colour);
        const [a, b] = [light(over([...front.slice(0, 3), front[3] * opacity], behind)), light(behind)].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05); };
    const wrong = [];
    const need = (one, colour, opacity, least, what) => { const found = contrast(colour, opacity, one);
        if (found < least) wrong.push(`${what} ${found.toFixed(1)}: ${colour} of ${one.outerHTML.slice(0, 90)}`); };
    for (const one of document.querySelectorAll('body *')) {
        if (!one.checkVisibility() || one.closest('defs') || one.closest('.visually-hidden')) continue;
        const style = getComputedStyle(one);
        const words = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (words && one.tagName !== 'title') need(one, one.ownerSVGElement ? style.fill : style.color, 1, 4.5, 'words');
        if (one.closest('svg.sign') && one.matches('path')) need(one, style.stroke, 1, 3, 'sign');
        if (one.matches('.chart .run, .chart .wait, .chart .timer, .chart .retry, .chart .pin')) {
            const marks = [[style.fill, style.fillOpacity], [style.stroke, style.strokeOpacity]]
                .filter(([colour]) => colour !== 'none' && !colour.startsWith('url'));
            const best = Math.max(...marks.map(([colour, opacity]) => contrast(colour, parseFloat(opacity), one)));
            if (!(best >= 3)) wrong.push(`mark ${best.toFixed(1)}: ${JSON.stringify(marks)} of ${one.outerHTML.slice(0, 90)}`);
        }
        if (one.matches('input:not([type=hidden], [type=checkbox], [type=radio]), select, textarea')
            && (style.borderBottomStyle === 'none' || parseFloat(style.borderBottomWidth) < 1)) wrong.push(`edge of ${one.outerHTML.slice(0, 90)}`);
    }
    return wrong.slice(0, 10); })()";

/// How the marks of a timeline look, by their state.
const MARKS: &str =
    "Object.fromEntries([...document.querySelectorAll('.chart rect.run')].map((mark) => {
    const { fill, stroke, fillOpacity, strokeDasharray } = getComputedStyle(mark);
    return [mark.getAttribute('class'), [fill, stroke, fillOpacity, strokeDasharray].join()]; }))";

async fn nothing_vanishes_where_colours_are_forced(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    for scheme in ["light", "dark"] {
        tab.prefers(&[
            ("forced-colors", "active"),
            ("prefers-color-scheme", scheme),
        ])
        .await?;
        let busy = |data: &Data| format!("{}/timeline", data.run("checkout").path());
        for path in PAGES.into_iter().chain([busy as fn(&Data) -> String]) {
            let path = path(&stage.data);
            tab.go(&stage.url(&path)).await?;
            ensure!(
                tab.value::<bool>("matchMedia('(forced-colors: active)').matches")
                    .await?
            );
            let vanished: Vec<String> = tab.value(VANISHED).await?;
            ensure!(
                vanished.is_empty(),
                "{scheme} {path}:\n  {}",
                vanished.join("\n  ")
            );
            tab.press("Tab").await?;
            tab.press("Tab").await?;
            let ring = "getComputedStyle(document.activeElement).outlineStyle";
            ensure!(
                tab.value::<String>(ring).await? == "solid",
                "{scheme} {path}: no focus"
            );
        }
        // What is chosen, what failed and what was completed differ by more than what is taken away.
        let list = "/namespaces/shop/workflows?query=ExecutionStatus%3D%22Failed%22";
        tab.go(&stage.url(list)).await?;
        let chosen = "[...document.querySelectorAll('#counts .chip')]
            .map((chip) => [chip.hasAttribute('aria-current'), getComputedStyle(chip).outlineStyle !== 'none'])";
        let chips: Vec<(bool, bool)> = tab.value(chosen).await?;
        ensure!(
            chips.iter().any(|(current, _)| *current)
                && chips.iter().all(|(current, marked)| current == marked),
            "{scheme}: what is chosen looks like the rest: {chips:?}"
        );
        let mut marks: BTreeMap<String, String> = BTreeMap::new();
        for run in ["refund-0", "checkout"] {
            let path = format!("{}/timeline", stage.data.run(run).path());
            tab.go(&stage.url(&path)).await?;
            marks.extend(tab.value::<BTreeMap<_, _>>(MARKS).await?);
        }
        let looks: BTreeSet<_> = marks.values().collect();
        ensure!(
            marks.len() >= 2 && looks.len() == marks.len(),
            "{scheme}: marks look alike: {marks:?}"
        );
    }
    tab.close().await
}
