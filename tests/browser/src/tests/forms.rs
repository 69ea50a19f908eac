//! Every form works without scripts, as a person fills it in and sends it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::routes::{Routes, fits};
use crate::suite::Stage;
use crate::tab::Tab;

crate::tests![every_form_works_without_scripts];

/// What the server does after it has answered, such as a worker's part.
const DONE_WITHIN: Duration = Duration::from_secs(30);

async fn every_form_works_without_scripts(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    tab.scripts(false).await?;
    // Input that is no JSON, see `start`.
    tab.provoke(&["status 422", "status of 422"]);
    namespace(&stage, &tab).await.context("namespaces")?;
    start(&stage, &tab).await.context("start")?;
    signal_and_query(&stage, &tab)
        .await
        .context("signal and query")?;
    cancel(&stage, &tab).await.context("cancel")?;
    terminate(&stage, &tab).await.context("terminate")?;
    list(&stage, &tab)
        .await
        .context("filters, columns and views")?;
    bulk(&stage, &tab).await.context("many at once")?;
    settings(&stage, &tab).await.context("settings")?;
    let base = stage.url("");
    let posted: Vec<String> = tab
        .posted()
        .iter()
        .filter_map(|url| Some(url.strip_prefix(&base)?.to_owned()))
        .collect();
    for route in Routes::read()?.post {
        let sent = posted
            .iter()
            .any(|path| fits(&route, path.split('?').next().unwrap_or_default()));
        ensure!(sent, "no form was sent to {route}");
    }
    tab.close().await
}

async fn namespace(stage: &Stage, tab: &Tab) -> Result<()> {
    tab.go(&stage.url("/namespaces")).await?;
    tab.fill("#name", "made-here").await?;
    tab.fill("#description", "By a form").await?;
    tab.leads(tab.click("button", "Create")).await?;
    tab.go(&stage.url("/namespaces/made-here/about")).await?;
    tab.says("main", "By a form").await?;
    tab.fill("#owner", "somebody@example.com").await?;
    tab.leads(tab.click("button", "Save")).await?;
    tab.says("[data-testid=namespace-facts]", "somebody@example.com")
        .await?;
    tab.fill("#attribute", "Colour").await?;
    tab.leads(tab.click("button", "Add")).await?;
    tab.says("[data-testid=custom-attributes]", "Colour").await
}

async fn start(stage: &Stage, tab: &Tab) -> Result<()> {
    tab.go(&stage.url("/namespaces/live/workflows")).await?;
    tab.leads(tab.click("link", "Start a workflow")).await?;
    tab.fill("#id", "by-form").await?;
    tab.fill("#type", "Approval").await?;
    tab.fill("#queue", "shop").await?;
    tab.fill("#input-0", "{\"amount\": 9007199254740993")
        .await?;
    // One more argument, and back to none in it: what was typed stays.
    tab.leads(tab.click("button", "One more argument")).await?;
    ensure!(
        tab.value::<String>("document.querySelector('#id').value")
            .await?
            == "by-form"
    );
    ensure!(
        tab.value::<i64>("document.querySelectorAll('textarea[name=input]').length")
            .await?
            == 2
    );
    // Input that is no JSON is refused beside its field. The answer says so by its status too.
    tab.leads(tab.click("button", "Start")).await?;
    ensure!(
        tab.value::<bool>("Boolean(document.querySelector('#input-0[aria-invalid=true]'))")
            .await?
    );
    ensure!(tab.status().await? == 422);
    tab.fill("#input-0", "{\"amount\": 9007199254740993}")
        .await?;
    tab.leads(tab.click("button", "Start")).await?;
    ensure!(
        tab.location()
            .await?
            .starts_with("/namespaces/live/workflows/by-form/"),
        "{}",
        tab.location().await?
    );
    tab.says("h1", "by-form").await?;
    tab.says("[data-testid=run-ends]", "9007199254740993").await
}

async fn signal_and_query(stage: &Stage, tab: &Tab) -> Result<()> {
    let run = stage
        .data
        .start("Approval", "asked", json!(["a question"]))
        .await?;
    tab.go(&stage.url(&format!("{}/query", run.path()))).await?;
    tab.fill("#query", "progress").await?;
    tab.leads(tab.click("button", "Ask")).await?;
    tab.says("[data-testid=query-answer]", "9007199254740993")
        .await?;
    tab.click_on("#signal-menu > summary").await?;
    tab.fill("#signal-name", "approve").await?;
    tab.fill("#signal-input", "\"Ada\"").await?;
    tab.leads(tab.click("button", "Send")).await?;
    tab.again_until("#run-status", "Completed", DONE_WITHIN)
        .await?;
    tab.go(&stage.url(&run.path())).await?;
    tab.says("[data-testid=run-ends]", "approved by Ada").await
}

async fn cancel(stage: &Stage, tab: &Tab) -> Result<()> {
    let run = stage
        .data
        .start("Reminder", "to-be-canceled", json!([3]))
        .await?;
    tab.go(&stage.url(&run.path())).await?;
    tab.click_on("#cancel-menu > summary").await?;
    tab.fill("#cancel-reason", "no longer needed").await?;
    tab.leads(tab.click("button", "Request cancellation"))
        .await?;
    tab.again_until("#run-status", "Canceled", DONE_WITHIN)
        .await
}

async fn terminate(stage: &Stage, tab: &Tab) -> Result<()> {
    let run = stage
        .data
        .start("Reminder", "to-be-terminated", json!([3]))
        .await?;
    tab.go(&stage.url(&run.path())).await?;
    tab.click_on("#terminate-menu > summary").await?;
    tab.fill("#terminate-reason", "it is enough").await?;
    tab.leads(tab.click("button", "Terminate")).await?;
    tab.says("#run-status", "Terminated").await?;
    tab.says("main", "it is enough").await
}

async fn list(stage: &Stage, tab: &Tab) -> Result<()> {
    tab.go(&stage.url("/namespaces/shop/workflows")).await?;
    tab.click_on("#filter-menu > summary").await?;
    tab.fill("#add", "WorkflowType").await?;
    tab.fill("#value", "Refund").await?;
    tab.leads(tab.click("button", "Add")).await?;
    tab.says("[data-testid=filters]", "WorkflowType").await?;
    ensure!(
        tab.value::<i64>("document.querySelectorAll('[data-testid=run]').length")
            .await?
            == 3
    );
    tab.click_on("#columns-menu > summary").await?;
    tab.click_on("#columns-menu input[value=TaskQueue]").await?;
    tab.leads(tab.click("button", "Show")).await?;
    ensure!(
        tab.location().await?.contains("Refund"),
        "the query stays when columns are chosen"
    );
    tab.click_on("#views-menu > summary").await?;
    tab.fill("#view-name", "Refunds").await?;
    tab.leads(tab.click("button", "Save")).await?;
    tab.go(&stage.url("/namespaces/shop/workflows")).await?;
    tab.click_on("#views-menu > summary").await?;
    tab.leads(tab.click("link", "Refunds")).await?;
    ensure!(
        tab.location().await?.contains("Refund"),
        "a view has its query"
    );
    tab.click_on("#views-menu > summary").await?;
    tab.fill("#view-name", "Refunds").await?;
    tab.leads(tab.click("button", "Take out")).await?;
    ensure!(
        !tab.value::<bool>("document.querySelector('#views-menu').innerText.includes('Refunds')")
            .await?
    );
    tab.fill(
        "input[name=query]",
        "WorkflowType = \"Refund\" AND ExecutionStatus = \"Running\"",
    )
    .await?;
    tab.leads(tab.click("button", "Find")).await?;
    tab.says("main", "No run that this query finds").await?;
    tab.fill("input[name=q]", "refund-1").await?;
    tab.leads(tab.press("Enter")).await?;
    tab.says("h1", "refund-1").await
}

async fn bulk(stage: &Stage, tab: &Tab) -> Result<()> {
    for name in ["bulk-1", "bulk-2", "bulk-3"] {
        stage.data.start("Reminder", name, json!([3])).await?;
    }
    let query = "/namespaces/live/workflows?query=WorkflowId%20STARTS_WITH%20%22bulk-%22";
    tab.go(&stage.url(query)).await?;
    tab.again_until("#counts", "All 3", DONE_WITHIN).await?;
    tab.click_on("tr[data-testid=run] input[name=run]").await?;
    tab.click_on("#bulk-menu > summary").await?;
    tab.leads(tab.click("button", "Signal those picked"))
        .await?;
    tab.says("[data-testid=preview-count]", "1").await?;
    tab.fill("#signal", "hello").await?;
    tab.leads(tab.click("button", "Signal 1 run")).await?;
    tab.says("[data-testid=outcome]", "1 done").await?;
    tab.go(&stage.url(query)).await?;
    tab.click_on("#bulk-menu > summary").await?;
    tab.leads(tab.click("button", "Terminate all that the query finds"))
        .await?;
    tab.says("[data-testid=preview-count]", "3").await?;
    tab.fill("#reason", "by a form").await?;
    tab.leads(tab.click("button", "Terminate 3 runs")).await?;
    tab.says("[data-testid=outcome]", "3 done").await?;
    tab.go(&stage.url(query)).await?;
    tab.again_until("#counts", "Terminated 3", DONE_WITHIN)
        .await
}

async fn settings(stage: &Stage, tab: &Tab) -> Result<()> {
    tab.go(&stage.url("/namespaces/shop/workflows")).await?;
    tab.leads(tab.click("link", "UTC")).await?;
    tab.click_on("input[name=theme][value=dark]").await?;
    tab.click_on("input[name=density][value=roomy]").await?;
    tab.fill("#zone", "Asia/Kathmandu").await?;
    tab.leads(tab.click("button", "Save")).await?;
    ensure!(
        tab.location().await? == "/namespaces/shop/workflows",
        "settings lead back"
    );
    tab.says("footer", "Asia/Kathmandu").await?;
    let root = "document.documentElement.dataset.theme + document.documentElement.dataset.density";
    ensure!(tab.value::<String>(root).await? == "darkroomy");
    let ground: String = tab
        .value("getComputedStyle(document.body).backgroundColor")
        .await?;
    ensure!(ground == "rgb(20, 23, 26)", "the dark page is {ground}");
    tab.click_on("#settings-menu > summary").await?;
    tab.leads(tab.click("button", "Light")).await?;
    ensure!(
        tab.value::<String>("document.documentElement.dataset.theme")
            .await?
            == "light"
    );
    Ok(())
}
