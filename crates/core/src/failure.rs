//! Failures that the server states, weighs or cuts (server-semantics 15.7).

use prost::Message;
use steadfast_protocol::common::Payloads;
use steadfast_protocol::enums::TimeoutType;
use steadfast_protocol::failure::failure::FailureInfo;
use steadfast_protocol::failure::{
    ApplicationFailureInfo, Failure, ServerFailureInfo, TimeoutFailureInfo,
};

pub use crate::backoff::is_retryable;

/// Stands in the place of a failure that is too large.
pub const TOO_LARGE: &str = "Failure exceeds size limit.";

/// What the server signs as in the failures that a workflow sees.
const SOURCE: &str = "Server";
/// Causes kept of a failure that is cut.
const CAUSES_MAX: usize = 20;
/// Causes below each other that a failure may have. A message is read to a depth of a hundred, and where a failure is
/// stored or shown it lies a few levels deeper than where it came from.
const NESTED_CAUSES_MAX: usize = 80;

/// A timeout.
pub fn timeout(message: &str, kind: TimeoutType, heartbeat_details: Option<Payloads>) -> Failure {
    Failure {
        message: message.to_owned(),
        source: SOURCE.to_owned(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
            timeout_type: kind as i32,
            last_heartbeat_details: heartbeat_details,
        })),
        ..Default::default()
    }
}

/// A failure that the server itself states.
pub fn server(message: &str, non_retryable: bool) -> Failure {
    Failure {
        message: message.to_owned(),
        failure_info: Some(FailureInfo::ServerFailureInfo(ServerFailureInfo {
            non_retryable,
        })),
        ..Default::default()
    }
}

/// Bytes of `failure`, its causes included.
pub fn size(failure: &Failure) -> usize {
    failure.encoded_len()
}

/// `failure`, whose causes end where no store could read them again.
pub fn shallow(mut failure: Failure) -> Failure {
    end_causes(&mut failure, NESTED_CAUSES_MAX);
    failure
}

fn end_causes(failure: &mut Failure, depth: usize) {
    match &mut failure.cause {
        Some(cause) if depth > 1 => end_causes(cause, depth - 1),
        Some(cause) if cause.cause.is_some() => {
            cause.cause = Some(Box::new(server("Further causes are left out.", false)));
        }
        _ => {}
    }
}

/// `failure`, or if it is larger than `limit` bytes, a server failure that says so and has what fits into `kept` bytes
/// as its cause.
pub fn limited(failure: Failure, limit: usize, kept: usize, non_retryable: bool) -> Failure {
    if size(&failure) <= limit {
        return failure;
    }
    Failure {
        cause: Some(Box::new(truncate(&failure, kept))),
        ..server(TOO_LARGE, non_retryable)
    }
}

/// What fits of `failure` into about `budget` bytes, the most telling parts first: whether it may be retried, source,
/// message, stack trace, causes.
pub fn truncate(failure: &Failure, budget: usize) -> Failure {
    let mut budget = budget;
    cut(failure, &mut budget, CAUSES_MAX)
}

fn cut(failure: &Failure, budget: &mut usize, causes: usize) -> Failure {
    let failure_info = match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => Some(
            FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                r#type: take(&info.r#type, budget),
                non_retryable: info.non_retryable,
                ..Default::default()
            }),
        ),
        Some(FailureInfo::ServerFailureInfo(info)) => Some(FailureInfo::ServerFailureInfo(*info)),
        _ => None,
    };
    // Tags and lengths.
    *budget = budget.saturating_sub(16);
    let source = take(&failure.source, budget);
    let message = take(&failure.message, budget);
    let stack_trace = take(&failure.stack_trace, budget);
    let cause = match &failure.cause {
        Some(cause) if causes > 0 && *budget > 0 => Some(Box::new(cut(cause, budget, causes - 1))),
        _ => None,
    };
    Failure {
        message,
        source,
        stack_trace,
        cause,
        failure_info,
        ..Default::default()
    }
}

/// The longest start of `text` that the budget allows, whole characters only.
fn take(text: &str, budget: &mut usize) -> String {
    let kept = &text[..text.floor_char_boundary(*budget)];
    *budget -= kept.len();
    kept.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_stays() {
        let failure = server("no", true);
        assert_eq!(limited(failure.clone(), 100, 50, false), failure);
    }

    #[test]
    fn causes_end_before_they_are_too_deep_to_be_read_again() {
        let nested = |causes: usize| {
            (0..causes).fold(server("first", false), |cause, _| Failure {
                cause: Some(Box::new(cause)),
                ..server("later", false)
            })
        };
        let depth = |failure: &Failure| {
            std::iter::successors(failure.cause.as_deref(), |cause| cause.cause.as_deref()).count()
        };
        let kept = nested(NESTED_CAUSES_MAX);
        assert_eq!(shallow(kept.clone()), kept);
        let cut = shallow(nested(99));
        assert_eq!(depth(&cut), NESTED_CAUSES_MAX + 1);
        let last = std::iter::successors(Some(&cut), |cause| cause.cause.as_deref()).last();
        let last = last.map(|last| last.message.as_str());
        assert_eq!(last, Some("Further causes are left out."));
    }

    #[test]
    fn what_is_large_is_wrapped_and_cut() {
        let mut failure = Failure {
            message: "ä".repeat(5000),
            stack_trace: "trace".to_owned(),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(
                ApplicationFailureInfo {
                    r#type: "Kind".to_owned(),
                    non_retryable: true,
                    ..Default::default()
                },
            )),
            ..Default::default()
        };
        failure.cause = Some(Box::new(failure.clone()));
        let wrapped = limited(failure, 4096, 2047, false);
        assert_eq!(wrapped.message, TOO_LARGE);
        assert!(is_retryable(&wrapped, &[]));
        let inner = wrapped.cause.as_ref().map(|cause| cause.as_ref());
        let inner = inner.expect("the cut failure is the cause");
        assert!(!is_retryable(inner, &[]));
        assert!(inner.message.starts_with('ä') && inner.stack_trace.len() < 2);
        assert!(size(&wrapped) < 2200);
    }
}
