//! What must not happen while a page is open: errors on the console, exceptions, violations of the content security
//! policy, dialogs, answers with an error status.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use chromiumoxide::Page;
use chromiumoxide::cdp::IntoEventKind;
use chromiumoxide::cdp::browser_protocol::audits::{self, EventIssueAdded, InspectorIssueCode};
use chromiumoxide::cdp::browser_protocol::log::{EventEntryAdded, LogEntryLevel};
use chromiumoxide::cdp::browser_protocol::network::{
    EventLoadingFailed, EventRequestWillBeSent, EventResponseReceived,
};
use chromiumoxide::cdp::browser_protocol::page::{
    EventJavascriptDialogOpening, HandleJavaScriptDialogParams,
};
use chromiumoxide::cdp::js_protocol::runtime::{
    ConsoleApiCalledType, EventConsoleApiCalled, EventExceptionThrown,
};
use futures::StreamExt;

/// Locks; what was noted before a panic elsewhere is still true.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What went wrong on a page so far.
#[derive(Clone, Default)]
pub struct Trouble {
    wrong: Arc<Mutex<Vec<String>>>,
    provoked: Arc<Mutex<Vec<&'static str>>>,
    posted: Arc<Mutex<Vec<String>>>,
}

impl Trouble {
    /// Listens to a page from now on.
    pub async fn watch(page: &Page) -> Result<Self> {
        let trouble = Self::default();
        trouble
            .note(page, |event: &EventConsoleApiCalled| {
                let bad = [
                    ConsoleApiCalledType::Error,
                    ConsoleApiCalledType::Warning,
                    ConsoleApiCalledType::Assert,
                ];
                let said = event
                    .args
                    .iter()
                    .map(|arg| match (&arg.value, &arg.description) {
                        (Some(value), _) => value.to_string(),
                        (None, description) => description.clone().unwrap_or_default(),
                    });
                let said = said.collect::<Vec<_>>().join(" ");
                bad.contains(&event.r#type)
                    .then(|| format!("console: {said}"))
            })
            .await?;
        trouble
            .note(page, |event: &EventExceptionThrown| {
                let details = &event.exception_details;
                let thrown = details
                    .exception
                    .as_ref()
                    .and_then(|thrown| thrown.description.clone());
                Some(format!(
                    "uncaught: {} {}",
                    details.text,
                    thrown.unwrap_or_default()
                ))
            })
            .await?;
        trouble
            .note(page, |event: &EventEntryAdded| {
                let entry = &event.entry;
                let bad = matches!(entry.level, LogEntryLevel::Error | LogEntryLevel::Warning);
                bad.then(|| {
                    format!(
                        "log: {} {}",
                        entry.text,
                        entry.url.as_deref().unwrap_or_default()
                    )
                })
            })
            .await?;
        trouble
            .note(page, |event: &EventResponseReceived| {
                let answer = &event.response;
                (answer.status >= 400).then(|| format!("status {}: {}", answer.status, answer.url))
            })
            .await?;
        trouble
            .note(page, |event: &EventLoadingFailed| {
                let reason = event.blocked_reason.as_ref();
                reason.map(|reason| format!("blocked: {reason:?} {}", event.error_text))
            })
            .await?;
        trouble
            .note(page, |event: &EventIssueAdded| {
                let issue = &event.issue;
                let policy = issue.code == InspectorIssueCode::ContentSecurityPolicyIssue;
                policy.then(|| {
                    format!(
                        "policy: {:?}",
                        issue.details.content_security_policy_issue_details
                    )
                })
            })
            .await?;
        let posted = Arc::clone(&trouble.posted);
        trouble
            .note(page, move |event: &EventRequestWillBeSent| {
                if event.request.method == "POST" {
                    locked(&posted).push(event.request.url.clone());
                }
                None
            })
            .await?;
        let dialogs = trouble.clone();
        let mut opened = page
            .event_listener::<EventJavascriptDialogOpening>()
            .await?;
        let closer = page.clone();
        tokio::spawn(async move {
            while let Some(event) = opened.next().await {
                dialogs.add(format!("dialog: {}", event.message));
                // A page that is gone has no dialog to close.
                let _ = closer
                    .execute(HandleJavaScriptDialogParams::new(false))
                    .await;
            }
        });
        page.execute(audits::EnableParams::default()).await?;
        page.enable_log().await?;
        Ok(trouble)
    }

    /// What went wrong so far, but for what was provoked.
    pub fn so_far(&self) -> Vec<String> {
        let provoked = locked(&self.provoked);
        let wrong = locked(&self.wrong);
        let unforeseen = wrong
            .iter()
            .filter(|what| !provoked.iter().any(|part| what.contains(part)));
        unforeseen.cloned().collect()
    }

    /// From the start to the end, what contains one of these is no trouble: the test does it on purpose. That is said
    /// once, and not taken off when it has happened, as the browser may tell of it late.
    pub fn provoke(&self, parts: &[&'static str]) {
        locked(&self.provoked).extend(parts);
    }

    /// Where forms were sent to, for once nothing that is wrong.
    pub fn posted(&self) -> Vec<String> {
        locked(&self.posted).clone()
    }

    fn add(&self, what: String) {
        locked(&self.wrong).push(what);
    }

    async fn note<E: IntoEventKind + Unpin + Send + Sync + 'static>(
        &self,
        page: &Page,
        judge: impl Fn(&E) -> Option<String> + Send + 'static,
    ) -> Result<()> {
        let mut events = page.event_listener::<E>().await?;
        let trouble = self.clone();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Some(what) = judge(&event) {
                    trouble.add(what);
                }
            }
        });
        Ok(())
    }
}
