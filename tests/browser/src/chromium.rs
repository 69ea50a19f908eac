//! Chromium, as Debian packages it.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use chromiumoxide::browser::{Browser, BrowserConfig};
use chromiumoxide::cdp::browser_protocol::browser::{
    BrowserContextId, PermissionDescriptor, PermissionSetting, SetPermissionParams,
};
use chromiumoxide::cdp::browser_protocol::target::{
    CreateBrowserContextParams, CreateTargetParams, DisposeBrowserContextParams,
};
use futures::StreamExt;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::tab::Tab;

const PROGRAM: &str = "/usr/bin/chromium";

/// A running browser, with a profile that goes with it.
pub struct Chromium {
    browser: Browser,
    handler: JoinHandle<()>,
    _profile: TempDir,
}

impl Chromium {
    /// Starts Chromium without a window.
    pub async fn launch() -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let program = match std::env::var_os("CHROMIUM") {
            Some(program) => program.into(),
            None => Path::new(PROGRAM).to_owned(),
        };
        let config = BrowserConfig::builder()
            .chrome_executable(program)
            .user_data_dir(profile.path())
            .viewport(None)
            // The pages are those of a server started here, and containers have no user namespaces.
            .no_sandbox()
            .arg("disable-gpu")
            .arg("disable-lcd-text")
            .arg("force-prefers-reduced-motion")
            .build()
            .map_err(|wrong| anyhow!(wrong))?;
        let launched = Browser::launch(config).await;
        let (browser, mut handler) =
            launched.context("Chromium does not start: is the package chromium there?")?;
        let handler = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Ok(Self {
            browser,
            handler,
            _profile: profile,
        })
    }

    /// Opens an empty tab that shares nothing with others: cookies, storage, cache.
    pub async fn tab(&self) -> Result<Tab> {
        let context = self
            .browser
            .create_browser_context(CreateBrowserContextParams::default())
            .await?;
        let mut target = CreateTargetParams::new("about:blank");
        target.browser_context_id = Some(context.clone());
        let page = self.browser.new_page(target).await?;
        Tab::new(page, context).await
    }

    /// Opens a window of its own beside a tab, with which it shares cookies, storage, cache and connections.
    pub async fn window_beside(&self, tab: &Tab) -> Result<Tab> {
        let mut target = CreateTargetParams::new("about:blank");
        target.browser_context_id = Some(tab.context.clone());
        target.new_window = Some(true);
        let page = self.browser.new_page(target).await?;
        Tab::new(page, tab.context.clone()).await
    }

    /// Lets the pages of a tab use the clipboard.
    pub async fn allow_clipboard(&self, tab: &Tab) -> Result<()> {
        for name in ["clipboard-read", "clipboard-write"] {
            let descriptor = PermissionDescriptor::new(name);
            let mut permission = SetPermissionParams::new(descriptor, PermissionSetting::Granted);
            permission.browser_context_id = Some(tab.context.clone());
            self.browser.execute(permission).await?;
        }
        Ok(())
    }

    /// Fails if anything went wrong in a tab, and closes it with all that it had to itself.
    pub async fn close_tab(&self, tab: Tab) -> Result<()> {
        let context = tab.context.clone();
        tab.close().await?;
        self.dispose(context).await
    }

    /// Closes a tab with all that it had to itself, whatever went wrong in it.
    pub async fn abandon_tab(&self, tab: Tab) -> Result<()> {
        self.dispose(tab.context).await
    }

    async fn dispose(&self, context: BrowserContextId) -> Result<()> {
        let dispose = DisposeBrowserContextParams::new(context);
        self.browser.execute(dispose).await?;
        Ok(())
    }

    /// Ends the browser.
    pub async fn close(mut self) -> Result<()> {
        self.browser.close().await?;
        self.browser.wait().await?;
        self.handler.abort();
        Ok(())
    }
}
