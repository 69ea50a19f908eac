//! A chain of failures, outermost first, with all that is known of each.

use std::fmt::Write;

use askama::Template;
use askama::filters::HtmlSafe;
use steadfast_protocol::common::{Payload, Payloads};
use steadfast_protocol::enums::{RetryState, TimeoutType};
use steadfast_protocol::failure::{Failure, failure::FailureInfo};

use super::{PayloadView, json};
use crate::history::attributes::{enum_words, span_words};

/// Causes beyond this depth are counted, not shown.
const CAUSES_MAX: usize = 20;

/// One failure of a chain: `{{ failure }}` in a template.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(path = "run/failure.html")]
pub struct FailureView {
    /// Its kind and type, such as `Application failure PaymentDeclined`.
    pub title: String,
    /// What it says.
    pub message: String,
    /// Who made it, such as `GoSDK`.
    pub source: String,
    /// Where it was made.
    pub stack_trace: String,
    /// What else its kind tells: name and text.
    pub facts: Vec<(String, String)>,
    /// What its author attached.
    pub details: Vec<PayloadView>,
    /// Message and stack trace in a form only a codec reads.
    pub encoded: Option<PayloadView>,
    /// It is the cause of the one before it.
    pub is_cause: bool,
}

impl HtmlSafe for FailureView {}

/// The chain from a failure down to its root cause.
pub fn chain(failure: &Failure) -> Vec<FailureView> {
    let causes = std::iter::successors(Some(failure), |failure| failure.cause.as_deref());
    let mut views: Vec<_> = causes.take(CAUSES_MAX).map(view).collect();
    for view in views.iter_mut().skip(1) {
        view.is_cause = true;
    }
    views
}

/// A failure in one line: type and message of the first one in the chain that says something of its own.
pub fn brief(failure: &Failure) -> String {
    let mut telling = failure;
    while let Some(cause) = telling.cause.as_deref() {
        let wrapper = matches!(
            telling.failure_info,
            Some(
                FailureInfo::ActivityFailureInfo(_)
                    | FailureInfo::ChildWorkflowExecutionFailureInfo(_)
                    | FailureInfo::NexusOperationExecutionFailureInfo(_)
            )
        );
        if !wrapper {
            break;
        }
        telling = cause;
    }
    let kind = match &telling.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => info.r#type.as_str(),
        _ => "",
    };
    let message = match telling.encoded_attributes.as_ref().and_then(decoded) {
        Some((message, _)) => message,
        None => telling.message.clone(),
    };
    match (kind.is_empty(), message.is_empty()) {
        (true, _) => message,
        (false, true) => kind.to_owned(),
        (false, false) => format!("{kind}: {message}"),
    }
}

/// Message and stack trace that a codec made readable.
fn decoded(encoded: &Payload) -> Option<(String, String)> {
    let encoding = encoded.metadata.get("encoding")?;
    if encoding.as_ref() != b"json/plain" {
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(&encoded.data).ok()?;
    let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
    Some((text("message")?, text("stack_trace").unwrap_or_default()))
}

fn view(failure: &Failure) -> FailureView {
    let mut view = FailureView {
        title: String::new(),
        message: failure.message.clone(),
        source: failure.source.clone(),
        stack_trace: failure.stack_trace.clone(),
        facts: Vec::new(),
        details: Vec::new(),
        encoded: None,
        is_cause: false,
    };
    if let Some(encoded) = &failure.encoded_attributes {
        match decoded(encoded) {
            Some((message, stack_trace)) => {
                view.message = message;
                view.stack_trace = stack_trace;
            }
            None => view.encoded = Some(PayloadView::new(encoded)),
        }
    }
    describe(&mut view, failure.failure_info.as_ref());
    view
}

fn describe(view: &mut FailureView, info: Option<&FailureInfo>) {
    let Some(info) = info else {
        "Failure".clone_into(&mut view.title);
        return;
    };
    match info {
        FailureInfo::ApplicationFailureInfo(info) => {
            view.title = titled("Application failure", &info.r#type);
            if info.non_retryable {
                view.fact("Retryable", "no");
            }
            if let Some(delay) = &info.next_retry_delay {
                view.fact("Next retry after", &span_words(delay));
            }
            if info.category != 0 {
                view.fact(
                    "Category",
                    &enum_words(info.category().as_str_name(), "APPLICATION_ERROR_CATEGORY"),
                );
            }
            view.attach(info.details.as_ref());
        }
        FailureInfo::TimeoutFailureInfo(info) => {
            view.title = match info.timeout_type() {
                TimeoutType::Unspecified => "Timeout".to_owned(),
                kind => format!("{} timeout", enum_words(kind.as_str_name(), "TIMEOUT_TYPE")),
            };
            view.attach(info.last_heartbeat_details.as_ref());
        }
        FailureInfo::CanceledFailureInfo(info) => {
            "Cancelled".clone_into(&mut view.title);
            view.fact("Identity", &info.identity);
            view.attach(info.details.as_ref());
        }
        FailureInfo::TerminatedFailureInfo(info) => {
            "Terminated".clone_into(&mut view.title);
            view.fact("Identity", &info.identity);
        }
        FailureInfo::ServerFailureInfo(info) => {
            "Server failure".clone_into(&mut view.title);
            if info.non_retryable {
                view.fact("Retryable", "no");
            }
        }
        FailureInfo::ResetWorkflowFailureInfo(info) => {
            "Reset of the workflow".clone_into(&mut view.title);
            view.attach(info.last_heartbeat_details.as_ref());
        }
        FailureInfo::ActivityFailureInfo(info) => {
            let name = info.activity_type.as_ref().map_or("", |kind| &kind.name);
            view.title = titled("Activity failed", name);
            view.fact("Activity id", &info.activity_id);
            view.fact("Identity", &info.identity);
            view.retry_state(info.retry_state());
        }
        FailureInfo::ChildWorkflowExecutionFailureInfo(info) => {
            let name = info.workflow_type.as_ref().map_or("", |kind| &kind.name);
            view.title = titled("Child workflow failed", name);
            if let Some(execution) = &info.workflow_execution {
                view.fact("Workflow id", &execution.workflow_id);
                view.fact("Run id", &execution.run_id);
            }
            view.retry_state(info.retry_state());
        }
        FailureInfo::NexusOperationExecutionFailureInfo(info) => {
            view.title = titled("Nexus operation failed", &info.operation);
            view.fact("Endpoint", &info.endpoint);
            view.fact("Service", &info.service);
            view.fact("Operation token", &info.operation_token);
        }
        FailureInfo::NexusHandlerFailureInfo(info) => {
            view.title = titled("Nexus handler failed", &info.r#type);
        }
    }
}

fn titled(kind: &str, name: &str) -> String {
    let mut title = kind.to_owned();
    if !name.is_empty() {
        let _ = write!(title, " {name}");
    }
    title
}

impl FailureView {
    fn fact(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.facts.push((name.to_owned(), text.to_owned()));
        }
    }

    fn attach(&mut self, details: Option<&Payloads>) {
        self.details = PayloadView::list(details);
    }

    fn retry_state(&mut self, state: RetryState) {
        if state != RetryState::Unspecified {
            self.fact("Retries", &enum_words(state.as_str_name(), "RETRY_STATE"));
        }
    }
}

/// What a JSON string payload says; otherwise the payload in one line.
pub fn text_of(payload: &Payload) -> String {
    let view = PayloadView::new(payload);
    json::string(&view.text).unwrap_or_else(|| view.brief())
}

#[cfg(test)]
mod tests {
    use steadfast_protocol::failure::{ActivityFailureInfo, ApplicationFailureInfo};

    use super::*;

    fn declined() -> Failure {
        Failure {
            message: "card declined".to_owned(),
            source: "GoSDK".to_owned(),
            stack_trace: "main.charge".to_owned(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(
                ApplicationFailureInfo {
                    r#type: "Declined".to_owned(),
                    non_retryable: true,
                    ..Default::default()
                },
            )),
            ..Default::default()
        }
    }

    fn wrapped() -> Failure {
        Failure {
            message: "activity error".to_owned(),
            cause: Some(Box::new(declined())),
            failure_info: Some(FailureInfo::ActivityFailureInfo(ActivityFailureInfo {
                activity_id: "5".to_owned(),
                retry_state: RetryState::NonRetryableFailure as i32,
                ..Default::default()
            })),
            ..Default::default()
        }
    }

    #[test]
    fn the_chain_goes_down_to_the_cause() {
        let chain = chain(&wrapped());
        let titles: Vec<_> = chain.iter().map(|view| view.title.as_str()).collect();
        assert_eq!(titles, ["Activity failed", "Application failure Declined"]);
        assert!(!chain[0].is_cause && chain[1].is_cause);
        let retries = ("Retries".to_owned(), "non retryable failure".to_owned());
        assert!(chain[0].facts.contains(&retries), "{:?}", chain[0].facts);
    }

    #[test]
    fn brief_skips_the_wrapper() {
        assert_eq!(brief(&wrapped()), "Declined: card declined");
    }

    #[test]
    fn a_chain_has_an_end() {
        let mut failure = declined();
        for _ in 0..100 {
            failure = Failure {
                cause: Some(Box::new(failure)),
                ..Default::default()
            };
        }
        assert_eq!(chain(&failure).len(), CAUSES_MAX);
    }

    #[test]
    fn encoded_attributes_are_read_once_a_codec_made_them_readable() {
        let mut failure = declined();
        let mut encoded = Payload {
            metadata: [("encoding".to_owned(), "binary/encrypted".into())].into(),
            data: r#"{"message":"secret","stack_trace":"there"}"#.into(),
            ..Default::default()
        };
        failure.encoded_attributes = Some(encoded.clone());
        assert!(chain(&failure)[0].encoded.is_some());
        encoded
            .metadata
            .insert("encoding".to_owned(), "json/plain".into());
        failure.encoded_attributes = Some(encoded);
        assert_eq!(chain(&failure)[0].message, "secret");
        assert_eq!(chain(&failure)[0].stack_trace, "there");
    }
}
