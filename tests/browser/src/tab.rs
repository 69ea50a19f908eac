//! A tab: going to pages, looking at them, using them as a person would.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::accessibility::QueryAxTreeParams;
use chromiumoxide::cdp::browser_protocol::browser::BrowserContextId;
use chromiumoxide::cdp::browser_protocol::dom::{
    BackendNodeId, GetContentQuadsParams, GetDocumentParams, ScrollIntoViewIfNeededParams,
};
use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams, SetEmulatedMediaParams,
    SetScriptExecutionDisabledParams,
};
use chromiumoxide::cdp::browser_protocol::input::{
    DispatchKeyEventParams, DispatchKeyEventType, DispatchMouseEventParams, DispatchMouseEventType,
    InsertTextParams, MouseButton,
};
use chromiumoxide::cdp::browser_protocol::page::{
    AddScriptToEvaluateOnNewDocumentParams, EventLoadEventFired, NavigateParams,
};
use chromiumoxide::cdp::js_protocol::runtime::EvaluateParams;
use chromiumoxide::keys;
use futures::StreamExt;
use serde::de::DeserializeOwned;

use crate::trouble::Trouble;

const LOADED_WITHIN: Duration = Duration::from_secs(30);
const LOOKED_EVERY: Duration = Duration::from_millis(10);

/// A tab of the browser, in a context of its own.
pub struct Tab {
    /// The tab, for commands of the protocol that have no method here.
    pub page: Page,
    /// The context that the tab has to itself.
    pub context: BrowserContextId,
    trouble: Trouble,
}

impl Tab {
    pub(crate) async fn new(page: Page, context: BrowserContextId) -> Result<Self> {
        let trouble = Trouble::watch(&page).await?;
        let tab = Self {
            page,
            context,
            trouble,
        };
        tab.size(1280, 800).await?;
        Ok(tab)
    }

    /// Takes a size, in CSS pixels.
    pub async fn size(&self, width: i64, height: i64) -> Result<()> {
        self.page
            .execute(SetDeviceMetricsOverrideParams::new(
                width, height, 1.0, false,
            ))
            .await?;
        Ok(())
    }

    /// Whether the pages may run their scripts.
    pub async fn scripts(&self, allowed: bool) -> Result<()> {
        self.page
            .execute(SetScriptExecutionDisabledParams::new(!allowed))
            .await?;
        Ok(())
    }

    /// What the person's system prefers and nothing else, such as `[("prefers-color-scheme", "dark")]`.
    pub async fn prefers(&self, features: &[(&str, &str)]) -> Result<()> {
        let features = features.iter();
        let media = SetEmulatedMediaParams {
            features: Some(
                features
                    .map(|(feature, value)| MediaFeature::new(*feature, *value))
                    .collect(),
            ),
            ..SetEmulatedMediaParams::default()
        };
        self.page.execute(media).await?;
        Ok(())
    }

    /// Goes to a URL and waits until its page is loaded.
    pub async fn go(&self, url: &str) -> Result<()> {
        self.leads(async {
            let gone = self.page.execute(NavigateParams::new(url)).await?;
            match &gone.error_text {
                Some(error) => bail!("{url}: {error}"),
                None => Ok(()),
            }
        })
        .await
        .with_context(|| format!("going to {url}"))
    }

    /// Does something that leads to another page, and waits until that is loaded.
    pub async fn leads<T>(&self, action: impl Future<Output = Result<T>>) -> Result<T> {
        let mut loaded = self.page.event_listener::<EventLoadEventFired>().await?;
        let done = action.await?;
        let page = tokio::time::timeout(LOADED_WITHIN, loaded.next()).await;
        page.context("no page was loaded in time")?
            .context("the tab is gone")?;
        Ok(done)
    }

    /// The value of an expression, in the page; promises are awaited.
    pub async fn value<T: DeserializeOwned>(&self, expression: &str) -> Result<T> {
        let mut evaluate = EvaluateParams::new(expression);
        evaluate.return_by_value = Some(true);
        evaluate.await_promise = Some(true);
        let answer = self.page.execute(evaluate).await?.result;
        if let Some(wrong) = answer.exception_details {
            let thrown = wrong.exception.and_then(|thrown| thrown.description);
            bail!(
                "{expression}: {} {}",
                wrong.text,
                thrown.unwrap_or_default()
            );
        }
        let value = answer.result.value.unwrap_or_default();
        serde_json::from_value(value).with_context(|| format!("the value of {expression}"))
    }

    /// Waits until an expression is true in the page, and says how long that took.
    pub async fn until(&self, expression: &str, within: Duration) -> Result<Duration> {
        let since = Instant::now();
        let expression = format!("Boolean({expression})");
        // A page that is being left has no context to look in; the next look finds the new one.
        while !self.value::<bool>(&expression).await.unwrap_or(false) {
            ensure!(
                since.elapsed() < within,
                "not true within {within:?}: {expression}"
            );
            tokio::time::sleep(LOOKED_EVERY).await;
        }
        Ok(since.elapsed())
    }

    /// The path, query and fragment of the page.
    pub async fn location(&self) -> Result<String> {
        self.value("location.pathname + location.search + location.hash")
            .await
    }

    /// The visible text of what a selector finds first, on one line.
    pub async fn text(&self, selector: &str) -> Result<String> {
        let text = format!(
            "document.querySelector({})?.innerText ?? null",
            literal(selector)
        );
        let text: Option<String> = self.value(&text).await?;
        let text = text.with_context(|| format!("there is no {selector}"))?;
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Fails unless what a selector finds first shows this text.
    pub async fn says(&self, selector: &str, text: &str) -> Result<()> {
        let shown = self.text(selector).await?;
        ensure!(
            shown.contains(text),
            "{selector} does not say {text:?} but {shown:?}"
        );
        Ok(())
    }

    /// Loads the page again until what a selector finds first shows this text.
    pub async fn again_until(&self, selector: &str, text: &str, within: Duration) -> Result<()> {
        let since = Instant::now();
        while let Err(other) = self.says(selector, text).await {
            ensure!(since.elapsed() < within, "not within {within:?}: {other}");
            let url: String = self.value("location.href").await?;
            self.go(&url).await?;
        }
        Ok(())
    }

    /// Clicks what has this role and this accessible name; there must be exactly one that can be seen.
    pub async fn click(&self, role: &str, name: &str) -> Result<()> {
        let mut points = Vec::new();
        for node in self.named(role, name).await? {
            points.extend(self.point(node).await);
        }
        match points[..] {
            [point] => self.click_at(point).await,
            _ => bail!(
                "{} of role {role} are named {name:?} and can be seen",
                points.len()
            ),
        }
    }

    /// Clicks what a selector finds first.
    pub async fn click_on(&self, selector: &str) -> Result<()> {
        let middle = format!(
            "(() => {{ const found = document.querySelector({}); if (!found) return null;
                found.scrollIntoView({{ block: 'center' }}); const box = found.getBoundingClientRect();
                return [box.left + box.width / 2, box.top + box.height / 2]; }})()",
            literal(selector)
        );
        let point: Option<(f64, f64)> = self.value(&middle).await?;
        self.click_at(point.with_context(|| format!("there is no {selector}"))?)
            .await
    }

    /// Presses and releases a key, such as `j` or `Enter`.
    pub async fn press(&self, key: &str) -> Result<()> {
        let definition =
            keys::get_key_definition(key).with_context(|| format!("there is no key {key}"))?;
        let text = match key {
            "Enter" => Some("\r"),
            key if key.chars().count() == 1 => Some(key),
            _ => None,
        };
        for kind in [DispatchKeyEventType::KeyDown, DispatchKeyEventType::KeyUp] {
            let mut event = DispatchKeyEventParams::new(kind.clone());
            event.key = Some(definition.key.to_owned());
            event.code = Some(definition.code.to_owned());
            event.windows_virtual_key_code = Some(definition.key_code);
            if kind == DispatchKeyEventType::KeyDown {
                event.text = text.map(str::to_owned);
            }
            self.page.execute(event).await?;
        }
        Ok(())
    }

    /// Types into what has the focus, in place of what is selected there.
    pub async fn write(&self, text: &str) -> Result<()> {
        self.page.execute(InsertTextParams::new(text)).await?;
        Ok(())
    }

    /// Replaces what stands in a field.
    pub async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        let select = format!(
            "(() => {{ const field = document.querySelector({}); field.focus(); field.select(); }})()",
            literal(selector)
        );
        self.value::<()>(&select).await?;
        self.write(text).await
    }

    /// Runs a script in each page from now on, before the page's own.
    pub async fn before_scripts(&self, script: &str) -> Result<()> {
        self.page
            .execute(AddScriptToEvaluateOnNewDocumentParams::new(script))
            .await?;
        Ok(())
    }

    /// Where forms were sent to.
    pub fn posted(&self) -> Vec<String> {
        self.trouble.posted()
    }

    /// What is provoked here on purpose: trouble that contains one of these is none.
    pub fn provoke(&self, parts: &[&'static str]) {
        self.trouble.provoke(parts);
    }

    /// The status that the page was answered with.
    pub async fn status(&self) -> Result<i64> {
        self.value("performance.getEntriesByType('navigation')[0].responseStatus")
            .await
    }

    /// Fails if anything went wrong in this tab, and closes it.
    pub async fn close(self) -> Result<()> {
        // A round trip, so that what happened before it has arrived.
        self.value::<i64>("1").await?;
        let trouble = self.trouble.so_far();
        ensure!(
            trouble.is_empty(),
            "in the browser:\n  {}",
            trouble.join("\n  ")
        );
        self.page.close().await?;
        Ok(())
    }

    async fn named(&self, role: &str, name: &str) -> Result<Vec<BackendNodeId>> {
        let document = self.page.execute(GetDocumentParams::default()).await?;
        let query = QueryAxTreeParams {
            backend_node_id: Some(document.result.root.backend_node_id),
            role: Some(role.to_owned()),
            accessible_name: Some(name.to_owned()),
            ..QueryAxTreeParams::default()
        };
        let found = self.page.execute(query).await?.result.nodes;
        Ok(found
            .into_iter()
            .filter(|node| !node.ignored)
            .filter_map(|node| node.backend_dom_node_id)
            .collect())
    }

    /// The middle of a node, if it can be seen.
    async fn point(&self, node: BackendNodeId) -> Option<(f64, f64)> {
        let scroll = ScrollIntoViewIfNeededParams {
            backend_node_id: Some(node),
            ..ScrollIntoViewIfNeededParams::default()
        };
        self.page.execute(scroll).await.ok()?;
        let quads = GetContentQuadsParams {
            backend_node_id: Some(node),
            ..GetContentQuadsParams::default()
        };
        let quads = self.page.execute(quads).await.ok()?;
        let corners = quads.result.quads.first()?.inner();
        let middle = |at: usize| Some((corners.get(at)? + corners.get(at + 4)?) / 2.0);
        Some((middle(0)?, middle(1)?))
    }

    async fn click_at(&self, (x, y): (f64, f64)) -> Result<()> {
        for kind in [
            DispatchMouseEventType::MousePressed,
            DispatchMouseEventType::MouseReleased,
        ] {
            let mut event = DispatchMouseEventParams::new(kind, x, y);
            event.button = Some(MouseButton::Left);
            event.click_count = Some(1);
            self.page.execute(event).await?;
        }
        Ok(())
    }
}

/// A text as an expression of the page.
pub fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
