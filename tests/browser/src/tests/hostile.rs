//! Hostile text in URLs. What hostile data becomes on pages is looked at with every page.

use std::sync::Arc;

use anyhow::{Result, ensure};

use super::pages::no_markup;
use crate::data::encoded;
use crate::suite::Stage;

crate::tests![
    a_url_cannot_put_markup_into_a_page,
    what_is_said_of_a_namespace_stays_text,
    a_form_sent_from_elsewhere_is_refused,
];

const HOSTILE: &str = "\"'></title></textarea><script>alert(1)</script><img src=x onerror=alert(2)><svg/onload=alert(3)>";

async fn a_url_cannot_put_markup_into_a_page(stage: Arc<Stage>) -> Result<()> {
    let text = encoded(HOSTILE);
    let run = stage.data.run("approval").path();
    let urls = [
        format!("/search?namespace=shop&q={text}"),
        format!("/search?namespace={text}&q={text}"),
        format!("/settings?back=javascript:alert(1)&{text}={text}"),
        format!("/namespaces/shop/workflows?query={text}&col={text}&size={text}&page={text}"),
        format!(
            "/namespaces/shop/workflows/start-workflow?workflowId={text}&runId={text}&type={text}"
        ),
        format!("/namespaces/shop/workflows-bulk?all={text}&query={text}"),
        format!("/namespaces/shop/workflows-bulk?picked=signal&run={text}"),
        format!("/namespaces/{text}/workflows"),
        format!("/namespaces/shop/task-queues/{text}"),
        format!("/namespaces/shop/workflows/{text}"),
        format!("/namespaces/shop/workflows/{text}/{text}"),
        format!("{run}?done={text}"),
        format!("{run}/history?text={text}&kind={text}&view={text}&from={text}&order={text}"),
        format!("{run}/timeline?only={text}&from={text}&to={text}&idle={text}"),
        format!("{run}/history/events/{text}"),
        format!("{run}/query?query={text}"),
        format!("/{text}"),
    ];
    let tab = stage.chromium.tab().await?;
    // Many of them name nothing that exists; the server must refuse them, and never fail.
    tab.provoke(&["status 4", "status of 4"]);
    for url in urls {
        tab.go(&stage.url(&url)).await?;
        no_markup(&tab).await?;
        ensure!(
            tab.value::<i64>("document.querySelectorAll('h1').length")
                .await?
                == 1,
            "a page at {url}"
        );
    }
    tab.close().await
}

async fn what_is_said_of_a_namespace_stays_text(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    tab.go(&stage.url("/namespaces/hostile/about")).await?;
    tab.fill("#owner", HOSTILE).await?;
    tab.fill("#description", HOSTILE).await?;
    tab.leads(tab.click("button", "Save")).await?;
    tab.says("[data-testid=namespace-facts]", "<script>alert(1)</script>")
        .await?;
    tab.go(&stage.url("/namespaces/hostile/workflows")).await?;
    tab.click_on("#views-menu > summary").await?;
    // As long as a name may be.
    tab.fill("#view-name", &HOSTILE[..60]).await?;
    tab.leads(tab.click("button", "Save")).await?;
    for path in [
        "/namespaces/hostile/about",
        "/namespaces",
        "/namespaces/hostile/workflows",
    ] {
        tab.go(&stage.url(path)).await?;
        no_markup(&tab).await?;
    }
    tab.close().await
}

async fn a_form_sent_from_elsewhere_is_refused(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    // The same machine under another name is another site.
    let own = stage.url("/settings");
    let other = own.replace("127.0.0.1", "localhost");
    tab.provoke(&["form-action", "policy:", "status 403", "status of 403"]);
    tab.go(&own).await?;
    let send = format!(
        "(() => {{ const form = document.createElement('form'); form.method = 'post'; form.action = {other:?};
            const theme = document.createElement('input'); theme.name = 'theme'; theme.value = 'dark';
            form.append(theme); document.body.append(form); form.submit(); }})()"
    );
    // The policy of the page does not even let it go there.
    let stopped = format!(
        "new Promise((stopped) => {{
            document.addEventListener('securitypolicyviolation', (event) => stopped(event.effectiveDirective)); {send}; }})"
    );
    ensure!(tab.value::<String>(&stopped).await? == "form-action");
    ensure!(tab.location().await? == "/settings");
    // From a page without a policy it goes, and is refused.
    tab.go("data:text/html,<h1>elsewhere</h1>").await?;
    let send = send.replace(&other, &own);
    tab.leads(tab.value::<()>(&send)).await?;
    tab.says("h1", "Forbidden").await?;
    tab.close().await
}
