//! The frame of every page.

use std::sync::Arc;

use anyhow::{Result, ensure};

use crate::suite::Stage;

crate::tests![the_first_page_is_the_list_of_the_default_namespace];

async fn the_first_page_is_the_list_of_the_default_namespace(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    tab.go(&stage.server.ui()).await?;
    ensure!(tab.location().await? == "/namespaces/default/workflows");
    tab.leads(tab.click("link", "Task queues")).await?;
    ensure!(tab.location().await? == "/namespaces/default/task-queues");
    tab.close().await
}
