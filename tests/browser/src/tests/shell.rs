//! The frame of every page: navigation, keys, deep links, copying.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::suite::Stage;
use crate::tab::{Tab, literal};

crate::tests![
    the_first_page_is_the_list_of_the_namespace_seen_last,
    keys_lead_everywhere_and_leave_typing_alone,
    a_link_to_an_event_finds_its_window,
    what_a_copy_button_says_is_on_the_clipboard,
    copied_commands_mean_the_run_in_a_shell,
    what_authors_say_is_markdown,
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

/// Prints its arguments as JSON: what a program is told when a shell has read a line.
const TELLING: &str = "#!/usr/bin/env python3\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n";

async fn copied_commands_mean_the_run_in_a_shell(stage: Arc<Stage>) -> Result<()> {
    let ended = stage.data.start("Approval", "copied", json!(["x"])).await?;
    let canceled = stage
        .data
        .start("Approval", "copied-too", json!(["x"]))
        .await?;
    let tab = stage.chromium.tab().await?;
    stage.chromium.allow_clipboard(&tab).await?;
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("temporal");
    std::fs::write(&program, TELLING)?;
    std::fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )?;
    // The official command line, where there is one: building it takes longer than all the other tests.
    let official = std::env::var_os("TEMPORAL_CLI");
    // What may be done to each of them: others look at the first two.
    let none: &[&str] = &[];
    for (run, open, changes) in [
        (stage.data.run("refund-0"), false, none),
        // Its id holds quotes, spaces and more that means something to a shell.
        (stage.data.run("hostile"), true, none),
        (&ended, true, &["signal", "terminate"]),
        (&canceled, true, &["cancel"]),
    ] {
        tab.go(&stage.url(&run.path())).await?;
        let id: String = tab
            .value("document.querySelector('h1').textContent")
            .await?;
        let lines = copied(&tab).await?;
        ensure!(lines.len() == if open { 6 } else { 3 }, "{lines:?}");
        for line in &lines {
            let said = in_a_shell(line, folder.path()).await?;
            let words: Vec<String> = serde_json::from_str(&said)?;
            let after = |flag: &str| {
                let at = words.iter().position(|word| word == flag);
                at.and_then(|at| words.get(at + 1)).map(String::as_str)
            };
            ensure!(after("--workflow-id") == Some(id.as_str()), "{words:?}");
            ensure!(
                words.first().is_some_and(|word| word == "workflow")
                    && words.len().is_multiple_of(2),
                "a command and flags with values: {words:?}"
            );
            let run_id = run.path();
            let run_id = run_id.rsplit('/').next();
            ensure!(after("--run-id") == run_id, "{words:?}");
        }
        let Some(official) = &official else { continue };
        let link = tempfile::tempdir()?;
        std::os::unix::fs::symlink(official, link.path().join("temporal"))?;
        for line in &lines {
            let verb = line.split(' ').nth(2).unwrap_or_default();
            if ["signal", "cancel", "terminate"].contains(&verb) && !changes.contains(&verb) {
                continue;
            }
            let said = in_a_shell(line, link.path()).await?;
            if line.contains("--output json") {
                let history: Value = serde_json::from_str(&said)?;
                let events = history["events"].as_array().context("events")?;
                ensure!(!events.is_empty(), "{said}");
            }
            println!("  the official command line does {verb} of {id:?}");
        }
    }
    tab.close().await
}

/// The commands that the copy menu of a run puts on the clipboard.
async fn copied(tab: &Tab) -> Result<Vec<String>> {
    let labels = "[...document.querySelectorAll('#copy-menu button')].map((one) => one.textContent)
        .filter((label) => label.startsWith('CLI: '))";
    let labels: Vec<String> = tab.value(labels).await?;
    tab.click_on("#copy-menu > summary").await?;
    let mut lines: Vec<String> = Vec::new();
    for label in labels {
        tab.value::<()>("navigator.clipboard.writeText('')").await?;
        tab.click("button", &label).await?;
        tab.until("navigator.clipboard.readText().then((text) => text)", SOON)
            .await?;
        lines.push(tab.value("navigator.clipboard.readText()").await?);
        // The label says for a moment that it is done.
        let again = format!(
            "[...document.querySelectorAll('#copy-menu button')].some((one) => one.textContent === {})",
            literal(&label)
        );
        tab.until(&again, SOON).await?;
    }
    Ok(lines)
}

/// What a line prints in a shell that finds programs in this folder first.
async fn in_a_shell(line: &str, folder: &std::path::Path) -> Result<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-c", line]);
    shell.env("PATH", format!("{}:{path}", folder.display()));
    let done = shell.output().await?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    ensure!(
        done.status.success(),
        "{line}\n{said}\n{}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(said)
}

async fn what_authors_say_is_markdown(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    let run = stage.data.run("checkout").path();
    tab.go(&stage.url(&run)).await?;
    tab.says(".summary strong", "4711").await?;
    tab.go(&stage.url(&format!("{run}/user-metadata"))).await?;
    tab.says("#user-metadata .markdown h3", "Order").await?;
    tab.says("#user-metadata .markdown li", "one lamp").await?;
    let link = "(() => { const link = document.querySelector('#user-metadata .markdown a');
        return [link.href, link.rel]; })()";
    let (target, relation): (String, String) = tab.value(link).await?;
    ensure!(target == "https://example.com/terms", "{target}");
    ensure!(relation.contains("noopener"), "{relation}");
    tab.close().await
}
