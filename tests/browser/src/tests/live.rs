//! Pages change while they are looked at, and whoever looks at them loses nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::server::Server;
use crate::suite::Stage;
use crate::tab::{Tab, literal};

crate::tests![
    a_new_run_is_announced_and_shifts_nothing,
    a_row_changes_in_place,
    a_signal_reaches_an_open_run_page_and_leaves_its_form_alone,
    new_events_wait_until_they_are_asked_for,
    a_failure_reaches_the_overview,
    a_run_that_waits_keeps_its_times_true_and_sends_nothing,
    a_killed_server_is_told_of_and_caught_up_with,
    hidden_tabs_hold_no_connection,
    seven_windows_of_one_browser_all_load_and_are_followed_when_used,
];

/// From a change to the page, where that is not measured: for a machine that has much else to do.
const SHOWN_WITHIN: Duration = Duration::from_secs(30);

/// What the browser says of a connection to a server that is killed.
const CUT_OFF: [&str; 3] = [
    "ERR_CONNECTION_REFUSED",
    "ERR_INCOMPLETE_CHUNKED_ENCODING",
    "ERR_CONNECTION_RESET",
];

/// Counts the streams that are open, from before the page's own script runs.
const COUNT_STREAMS: &str = "(() => { const Real = EventSource; window.streams = new Set();
    window.EventSource = class extends Real {
        constructor(url) { super(url); streams.add(this); }
        close() { streams.delete(this); super.close(); } }; })()";
/// Streams of all windows of a browser: it has six connections.
const STREAMS_MAX: i64 = 4;

/// Says hello once the stream of the page is there: what happens from then on must reach the page.
async fn followed(tab: &Tab, url: &str) -> Result<()> {
    // Counts from before the page's own script runs: the first patch may be there before `go` returns.
    let count =
        "window.patched = 0; document.addEventListener('patched', () => (window.patched += 1));";
    tab.before_scripts(count).await?;
    tab.go(url).await?;
    tab.until("window.patched > 0", SHOWN_WITHIN)
        .await
        .context("the stream of the page")?;
    Ok(())
}

async fn a_new_run_is_announced_and_shifts_nothing(stage: Arc<Stage>) -> Result<()> {
    for name in ["still-1", "still-2"] {
        stage.data.start("Approval", name, json!(["x"])).await?;
    }
    let tab = stage.chromium.tab().await?;
    let query = "/namespaces/live/workflows?query=WorkflowId%20STARTS_WITH%20%22still-%22";
    tab.go(&stage.url(query)).await?;
    tab.again_until("#counts", "All 2", SHOWN_WITHIN).await?;
    followed(&tab, &stage.url(query)).await?;
    tab.value::<()>("document.querySelector('[data-testid=run] a').focus()")
        .await?;
    let rows =
        "JSON.stringify([...document.querySelectorAll('[data-testid=run]')].map((row) => row.id))";
    let before: String = tab.value(rows).await?;
    stage
        .data
        .start("Approval", "still-3", json!(["x"]))
        .await?;
    tab.until(
        "document.querySelector('#new-rows').innerText.includes('1 new')",
        SHOWN_WITHIN,
    )
    .await?;
    tab.until(
        "document.querySelector('#counts').innerText.includes('3')",
        SHOWN_WITHIN,
    )
    .await?;
    ensure!(tab.value::<String>(rows).await? == before, "no row moves");
    let focused = "document.activeElement === document.querySelector('[data-testid=run] a')";
    ensure!(tab.value::<bool>(focused).await?, "the focus stays");
    tab.leads(tab.click("link", "1 new: show")).await?;
    ensure!(
        tab.value::<i64>("document.querySelectorAll('[data-testid=run]').length")
            .await?
            == 3
    );
    tab.close().await
}

async fn a_row_changes_in_place(stage: Arc<Stage>) -> Result<()> {
    stage
        .data
        .start("Approval", "soon-done", json!(["x"]))
        .await?;
    let tab = stage.chromium.tab().await?;
    let url = stage.url("/namespaces/live/workflows?query=WorkflowId%3D%22soon-done%22");
    tab.go(&url).await?;
    tab.again_until("#counts", "All 1", SHOWN_WITHIN).await?;
    followed(&tab, &url).await?;
    // Ticked, its menu open, a word of the query selected: all of it belongs to the reader.
    tab.click_on("[data-testid=run] input[name=run]").await?;
    tab.value::<bool>("document.querySelector('#columns-menu').open = true")
        .await?;
    tab.value::<()>(
        "(() => { const query = document.querySelector('.query input[name=query]');
            query.focus(); query.setSelectionRange(2, 5); document.querySelector('[data-testid=run]').mark = 1; })()",
    )
    .await?;
    stage
        .data
        .signal("soon-done", "approve", json!(["Ada"]))
        .await?;
    let took = tab
        .until(
            "document.querySelector('[data-testid=run]').innerText.includes('Completed')",
            SHOWN_WITHIN,
        )
        .await?;
    println!(
        "  a row changed {} ms after the worker had the signal",
        took.as_millis()
    );
    let kept = "(() => { const query = document.querySelector('.query input[name=query]');
        return document.querySelector('[data-testid=run]').mark === 1
            && document.querySelector('[data-testid=run] input[name=run]').checked
            && document.querySelector('#columns-menu').open
            && document.activeElement === query && query.selectionStart === 2 && query.selectionEnd === 5; })()";
    ensure!(
        tab.value::<bool>(kept).await?,
        "row, tick, menu, focus or selection is lost"
    );
    tab.close().await
}

async fn a_signal_reaches_an_open_run_page_and_leaves_its_form_alone(
    stage: Arc<Stage>,
) -> Result<()> {
    let run = stage
        .data
        .start("Checkout", "watched", json!([1, 0, 0.0]))
        .await?;
    let tab = stage.chromium.tab().await?;
    followed(&tab, &stage.url(&run.path())).await?;
    tab.click_on("#signal-menu > summary").await?;
    tab.fill("#signal-name", "half a na").await?;
    tab.value::<()>("document.querySelector('.steps')?.setAttribute('open', '')")
        .await?;
    stage
        .data
        .signal("watched", "note", json!(["hello"]))
        .await?;
    let took = tab
        .until(
            "document.querySelector('#run-status').innerText === 'Completed'",
            SHOWN_WITHIN,
        )
        .await?;
    println!(
        "  a run page showed the end {} ms after the worker had the signal",
        took.as_millis()
    );
    let kept = "document.querySelector('#signal-menu').open
        && document.activeElement.id === 'signal-name' && document.activeElement.value === 'half a na'
        && document.querySelector('.steps').open";
    ensure!(
        tab.value::<bool>(kept).await?,
        "what was typed, the focus or an open panel is lost"
    );
    tab.close().await
}

async fn new_events_wait_until_they_are_asked_for(stage: Arc<Stage>) -> Result<()> {
    let run = stage
        .data
        .start("Approval", "read-from-the-end", json!(["x"]))
        .await?;
    let tab = stage.chromium.tab().await?;
    let observe = "(() => { window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) =>
        { if (!entry.hadRecentInput) shift += entry.value; })).observe({ type: 'layout-shift', buffered: true }); })()";
    tab.before_scripts(observe).await?;
    let rows = "JSON.stringify([...document.querySelectorAll('[data-row]')].map((row) => row.id))";
    let news = "(document.querySelector('#new-events a') !== null)";
    // As steps, workflow tasks are not shown.
    for (view, last) in [("", "Workflow task completed"), ("&view=compact", "")] {
        let url = stage.url(&format!("{}/history?order=desc{view}", run.path()));
        let last = format!(
            "document.querySelector('[data-row]').innerText.includes({})",
            literal(last)
        );
        tab.go(&url).await?;
        while !tab.value::<bool>(&last).await? {
            tab.go(&url).await?;
        }
        followed(&tab, &url).await?;
        let before: String = tab.value(rows).await?;
        let focus = "(() => { const row = document.querySelector('[data-row]'); row.querySelector('a').focus(); return row.id; })()";
        let row: String = tab.value(focus).await?;
        let signal = format!("note-{}", view.len());
        stage
            .data
            .signal("read-from-the-end", &signal, json!(["x"]))
            .await?;
        tab.until(news, SHOWN_WITHIN).await?;
        let shown = format!(
            "document.querySelector('#run-history').innerText.includes({})",
            literal(&signal)
        );
        ensure!(!tab.value::<bool>(&shown).await?, "{signal} waits");
        ensure!(tab.value::<String>(rows).await? == before, "no row moves");
        ensure!(tab.value::<f64>("shift").await? == 0.0, "nothing moves");

        tab.press("u").await?;
        tab.until(&shown, SHOWN_WITHIN).await?;
        let focused = format!(
            "document.activeElement.closest('[data-row]')?.id === {}",
            literal(&row)
        );
        ensure!(tab.value::<bool>(&focused).await?, "the focus stays");

        // What the worker made of it comes after it.
        let seen = format!("!{news} && {last}");
        while !tab.value::<bool>(&seen).await? {
            tab.until(&format!("{news} || {last}"), SHOWN_WITHIN)
                .await?;
            tab.press("u").await?;
        }
        // By a click: the focus goes on to the first of what is new, not astray.
        let signal = format!("{signal}-more");
        stage
            .data
            .signal("read-from-the-end", &signal, json!(["x"]))
            .await?;
        tab.until(news, SHOWN_WITHIN).await?;
        tab.click_on("#new-events a").await?;
        let shown = format!(
            "document.querySelector('#run-history').innerText.includes({})",
            literal(&signal)
        );
        tab.until(&shown, SHOWN_WITHIN).await?;
        let first = "document.activeElement === document.querySelector('[data-row] a')";
        tab.until(first, SHOWN_WITHIN)
            .await
            .context("the focus is on the first row")?;
    }
    tab.close().await
}

async fn a_failure_reaches_the_overview(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    followed(&tab, &stage.url("/namespaces/live")).await?;
    stage
        .data
        .start("Label", "out-of-paper", json!([77]))
        .await?;
    let shown = "document.querySelector('#trouble').innerText.includes('out-of-paper')";
    tab.until(shown, SHOWN_WITHIN).await?;
    let count = "document.querySelector('#trouble').innerText.split('out-of-paper').length - 1";
    ensure!(tab.value::<i64>(count).await? == 1, "said once");
    tab.close().await
}

async fn a_run_that_waits_keeps_its_times_true_and_sends_nothing(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    let run = stage.data.run("abandoned").path();
    followed(&tab, &stage.url(&format!("{run}/pending-activities"))).await?;
    // The first patches are the page as it is; they come together.
    tab.until("document.querySelector('#run-pending')", SHOWN_WITHIN)
        .await?;
    let waits = "document.querySelector('[data-testid=reason] time').textContent";
    let mut said: Vec<String> = vec![tab.value(waits).await?];
    let patched: i64 = tab.value("patched").await?;
    while said.len() < 5 {
        let other = format!("{waits} !== {}", literal(&said[said.len() - 1]));
        tab.until(&other, SHOWN_WITHIN).await?;
        said.push(tab.value(waits).await?);
    }
    tab.says("[data-testid=reason]", "No worker polls its task queue")
        .await?;
    let more = tab.value::<i64>("patched").await? - patched;
    ensure!(more == 0, "{more} patches while it said {said:?}");
    tab.close().await
}

async fn a_killed_server_is_told_of_and_caught_up_with(stage: Arc<Stage>) -> Result<()> {
    let mut server = Server::start(&[]).await?;
    let desk = stage.chromium.tab().await?;
    desk.provoke(&CUT_OFF);
    desk.go(&format!(
        "{}/namespaces/default/workflows/start-workflow",
        server.ui()
    ))
    .await?;
    for (field, text) in [("#id", "survivor"), ("#type", "T"), ("#queue", "q")] {
        desk.fill(field, text).await?;
    }
    desk.leads(desk.click("button", "Start")).await?;
    let path = desk.location().await?;
    let path = path.split('?').next().unwrap_or_default();
    let tab = stage.chromium.tab().await?;
    tab.provoke(&CUT_OFF);
    followed(&tab, &format!("{}{path}/history", server.ui())).await?;
    send(&desk, "before").await?;
    tab.until(
        "document.querySelector('#run-history').innerText.includes('before')",
        SHOWN_WITHIN,
    )
    .await?;

    server.kill().await?;
    tab.until("!document.querySelector('#banner').hidden", SHOWN_WITHIN)
        .await
        .context("a banner")?;
    server.restart().await?;
    // While the page is still cut off, or just not any more: it must not matter.
    desk.go(&format!("{}{path}", server.ui())).await?;
    send(&desk, "after").await?;
    let since = Instant::now();
    tab.until("document.querySelector('#banner').hidden", SHOWN_WITHIN)
        .await
        .context("no banner")?;
    tab.until(
        "document.querySelector('#run-history').innerText.includes('after')",
        SHOWN_WITHIN,
    )
    .await?;
    println!(
        "  the page had caught up {} ms after the restart",
        since.elapsed().as_millis()
    );
    for signal in ["before", "after"] {
        let times = format!(
            "document.querySelector('#run-history').innerText.split({}).length - 1",
            literal(signal)
        );
        ensure!(
            tab.value::<i64>(&times).await? == 1,
            "the signal {signal} is there once"
        );
    }
    let rows = "JSON.stringify([...document.querySelectorAll('#run-history tbody tr')].map((row) => row.id))";
    let live: String = tab.value(rows).await?;
    // The page as it is made anew says the same.
    tab.go(&format!("{}{path}/history", server.ui())).await?;
    ensure!(
        tab.value::<String>(rows).await? == live,
        "nothing missed, nothing doubled"
    );
    tab.close().await?;
    desk.close().await?;
    let wrong = server.stop().await?;
    ensure!(wrong.is_empty(), "{wrong:?}");
    Ok(())
}

/// Sends a signal by the form of a run's page.
async fn send(tab: &Tab, name: &str) -> Result<()> {
    tab.click_on("#signal-menu > summary").await?;
    tab.fill("#signal-name", name).await?;
    tab.leads(tab.click("button", "Send")).await
}

async fn hidden_tabs_hold_no_connection(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    tab.before_scripts(COUNT_STREAMS).await?;
    followed(&tab, &stage.url("/namespaces/shop/workflows")).await?;
    ensure!(
        tab.value::<i64>("streams.size").await? == 1,
        "one stream for a page"
    );
    let hide = |hidden: bool| {
        format!(
            "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});
            document.dispatchEvent(new Event('visibilitychange')); true"
        )
    };
    tab.value::<bool>(&hide(true)).await?;
    ensure!(
        tab.value::<i64>("streams.size").await? == 0,
        "none while it is hidden"
    );
    tab.value::<bool>(&hide(false)).await?;
    ensure!(tab.value::<i64>("streams.size").await? == 1, "one again");
    tab.close().await
}

async fn seven_windows_of_one_browser_all_load_and_are_followed_when_used(
    stage: Arc<Stage>,
) -> Result<()> {
    let run = stage
        .data
        .start("Approval", "seven-times", json!(["x"]))
        .await?;
    let url = stage.url(&run.path());
    let mut windows = vec![stage.chromium.tab().await?];
    while windows.len() < 7 {
        windows.push(stage.chromium.window_beside(&windows[0]).await?);
    }
    for (at, window) in windows.iter().enumerate() {
        window.before_scripts(COUNT_STREAMS).await?;
        followed(window, &url)
            .await
            .with_context(|| format!("window {}", at + 1))?;
        let visible = "!document.hidden && streams.size === 1";
        ensure!(
            window.value::<bool>(visible).await?,
            "it is seen and followed"
        );
    }
    let open = async || -> Result<i64> {
        let mut open = 0;
        for window in &windows {
            open += window.value::<i64>("streams.size").await?;
        }
        Ok(open)
    };
    ensure!(open().await? == STREAMS_MAX, "{} streams", open().await?);
    let first = &windows[0];
    first
        .says("#banner", "Four other windows are followed")
        .await?;
    first
        .value::<bool>("dispatchEvent(new Event('focus'))")
        .await?;
    first
        .until("document.querySelector('#banner').hidden", SHOWN_WITHIN)
        .await?;
    ensure!(open().await? == STREAMS_MAX, "{} streams", open().await?);
    stage
        .data
        .signal("seven-times", "approve", json!(["Ada"]))
        .await?;
    first
        .until(
            "document.querySelector('#run-status').innerText === 'Completed'",
            SHOWN_WITHIN,
        )
        .await?;
    // The fourth rests now. Where one is closed, it takes its place.
    windows[3].says("#banner", "Four other windows").await?;
    windows.pop().context("there are seven")?.close().await?;
    windows[3]
        .until(
            "document.querySelector('#run-status').innerText === 'Completed'",
            SHOWN_WITHIN,
        )
        .await?;
    for window in windows {
        window.close().await?;
    }
    Ok(())
}
