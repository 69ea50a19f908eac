//! The frame of every page: navigation, keys, deep links, copying.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::suite::Stage;

crate::tests![
    the_first_page_is_the_list_of_the_namespace_seen_last,
    keys_lead_everywhere_and_leave_typing_alone,
    a_link_to_an_event_finds_its_window,
    what_a_copy_button_says_is_on_the_clipboard,
];

const SOON: Duration = Duration::from_secs(30);

async fn the_first_page_is_the_list_of_the_namespace_seen_last(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    tab.go(&stage.url("/")).await?;
    ensure!(tab.location().await? == "/namespaces/default/workflows");
    tab.go(&stage.url("/namespaces/shop/workflows")).await?;
    tab.leads(tab.click("link", "Task queues")).await?;
    ensure!(tab.location().await? == "/namespaces/shop/task-queues");
    tab.go(&stage.url("/")).await?;
    ensure!(tab.location().await? == "/namespaces/shop/workflows");
    tab.close().await
}

async fn keys_lead_everywhere_and_leave_typing_alone(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    tab.go(&stage.url("/namespaces/shop/workflows")).await?;
    tab.press("/").await?;
    tab.until("document.activeElement.name === 'q'", SOON)
        .await?;
    for key in ["g", "q", "j", "?"] {
        tab.press(key).await?;
    }
    ensure!(
        tab.value::<String>("document.activeElement.value").await? == "gqj?",
        "keys are text in a field"
    );
    tab.press("Escape").await?;
    let row = |at: usize| {
        format!("document.querySelectorAll('[data-row]')[{at}].contains(document.activeElement)")
    };
    for (key, at) in [("j", 0), ("j", 1), ("j", 2), ("k", 1)] {
        tab.press(key).await?;
        ensure!(
            tab.value::<bool>(&row(at)).await?,
            "{key} leads to row {at}"
        );
    }
    tab.press("x").await?;
    ensure!(
        tab.value::<bool>("document.querySelectorAll('[data-row] input')[1].checked")
            .await?,
        "x picks the row"
    );
    let wanted: String = tab.value("document.activeElement.pathname").await?;
    tab.leads(tab.press("Enter")).await?;
    ensure!(tab.location().await? == wanted, "Enter opens the row");
    for (keys, end) in [("h", "/history"), ("t", "/timeline")] {
        tab.leads(tab.press(keys)).await?;
        ensure!(
            tab.location().await?.ends_with(end),
            "{keys} leads to {end}"
        );
    }
    for (key, path) in [
        ("q", "/task-queues"),
        ("f", "/failures"),
        ("w", "/workflows"),
        ("d", "/about"),
    ] {
        tab.press("g").await?;
        tab.leads(tab.press(key)).await?;
        ensure!(
            tab.location().await? == format!("/namespaces/shop{path}"),
            "g {key} leads to {path}"
        );
    }
    tab.leads(tab.press("?")).await?;
    ensure!(tab.location().await? == "/help");
    tab.close().await
}

async fn a_link_to_an_event_finds_its_window(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    let run = stage.data.run("refund-0").path();
    tab.go(&stage.url(&format!("{run}/history#e7"))).await?;
    let shown = "document.querySelector('#e7') && document.querySelector('#e7').getBoundingClientRect().top < innerHeight";
    tab.until(shown, SOON).await?;
    tab.leads(tab.click_on("#e7 a")).await?;
    ensure!(tab.location().await? == format!("{run}/history/events/7"));
    tab.says("h2", "Event 7").await?;
    tab.close().await
}

async fn what_a_copy_button_says_is_on_the_clipboard(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    tab.go(&stage.url(&stage.data.run("refund-0").path()))
        .await?;
    stage.chromium.allow_clipboard(&tab).await?;
    let clipboard = "navigator.clipboard.readText()";
    tab.click("button", "Copy workflow id").await?;
    tab.until(
        "document.querySelector('[data-copy]').textContent === 'Copied'",
        SOON,
    )
    .await?;
    ensure!(tab.value::<String>(clipboard).await? == "refund-0");
    tab.click("button", "Copy payload").await?;
    tab.until(&format!("{clipboard}.then((text) => text === '100')"), SOON)
        .await?;
    tab.click_on("#copy-menu > summary").await?;
    tab.click("button", "CLI: describe").await?;
    tab.until(
        &format!("{clipboard}.then((text) => text.startsWith('temporal workflow '))"),
        SOON,
    )
    .await?;
    let command: String = tab.value(clipboard).await?;
    for part in ["--namespace ", "--workflow-id ", "refund-0"] {
        ensure!(command.contains(part), "{command} has no {part}");
    }
    tab.close().await
}
