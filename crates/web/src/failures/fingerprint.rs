//! What makes two failures alike: the same type of workflow, the same kind of failure, and the same message but for
//! numbers, ids and the like.

use steadfast_protocol::enums::TimeoutType;
use steadfast_protocol::failure::Failure;
use steadfast_protocol::failure::failure::FailureInfo;

/// Longer messages are alike if they begin so.
const MESSAGE_CHARS_MAX: usize = 300;
/// Causes of causes that are followed.
const CAUSES_MAX: usize = 30;

/// What failures that are alike have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fingerprint {
    pub(crate) workflow_type: String,
    /// The activity, child or the like in which it happened; empty for the workflow itself.
    pub(crate) step: String,
    pub(crate) kind: String,
    pub(crate) message: String,
}

impl Fingerprint {
    pub(crate) fn new(workflow_type: &str, step: &str, failure: &Failure) -> Self {
        let root = root(failure);
        Self {
            workflow_type: workflow_type.to_owned(),
            step: match step {
                "" => place(failure),
                step => step.to_owned(),
            },
            kind: kind(root),
            message: alike(&root.message),
        }
    }
}

/// The failure that caused all others.
pub(crate) fn root(failure: &Failure) -> &Failure {
    chain(failure).last().unwrap_or(failure)
}

/// The innermost step that the causes name: what the workflow says of it may lie around that.
fn place(failure: &Failure) -> String {
    let mut place = String::new();
    for failure in chain(failure) {
        let named = match &failure.failure_info {
            Some(FailureInfo::ActivityFailureInfo(info)) => {
                info.activity_type.as_ref().map(|kind| &kind.name)
            }
            Some(FailureInfo::ChildWorkflowExecutionFailureInfo(info)) => {
                info.workflow_type.as_ref().map(|kind| &kind.name)
            }
            _ => None,
        };
        if let Some(name) = named {
            place.clone_from(name);
        }
    }
    place
}

/// A failure and its causes, the innermost last.
fn chain(failure: &Failure) -> impl Iterator<Item = &Failure> {
    std::iter::successors(Some(failure), |failure| failure.cause.as_deref()).take(CAUSES_MAX)
}

fn kind(failure: &Failure) -> String {
    match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) if !info.r#type.is_empty() => {
            info.r#type.clone()
        }
        Some(FailureInfo::TimeoutFailureInfo(info)) => match info.timeout_type() {
            TimeoutType::Unspecified => "Timed out".to_owned(),
            kind => {
                let name = kind.as_str_name().trim_start_matches("TIMEOUT_TYPE_");
                format!("Timed out ({})", name.to_lowercase().replace('_', " "))
            }
        },
        Some(FailureInfo::CanceledFailureInfo(_)) => "Canceled".to_owned(),
        Some(FailureInfo::TerminatedFailureInfo(_)) => "Terminated".to_owned(),
        Some(FailureInfo::ServerFailureInfo(_)) => "Server".to_owned(),
        _ => "Failure".to_owned(),
    }
}

/// The message with `#` for every word in which there is a digit.
fn alike(message: &str) -> String {
    let mut text = String::new();
    let mut word = String::new();
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    let close = |word: &mut String, text: &mut String| {
        if word.chars().any(|c| c.is_ascii_digit()) {
            text.push('#');
        } else {
            text.push_str(word);
        }
        word.clear();
    };
    for character in message.chars().take(MESSAGE_CHARS_MAX) {
        if joins(character) {
            word.push(character);
        } else {
            close(&mut word, &mut text);
            text.push(character);
        }
    }
    close(&mut word, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use steadfast_protocol::common::ActivityType;
    use steadfast_protocol::failure::ActivityFailureInfo;

    use super::*;

    #[test]
    fn numbers_and_ids_make_no_difference() {
        for (message, expected) in [
            (
                "connection to 10.0.0.7:443 refused",
                "connection to # refused",
            ),
            ("card 4711 declined", "card # declined"),
            ("no run 0197a1b2-0000-7000-8000-00000000abcd", "no run #"),
            ("index out of range", "index out of range"),
            ("a=1, b='x2'", "a=#, b='#'"),
            ("", ""),
        ] {
            assert_eq!(alike(message), expected);
        }
        assert_eq!(alike(&"ü".repeat(1000)).chars().count(), MESSAGE_CHARS_MAX);
    }

    #[test]
    fn the_step_is_named_wherever_it_stands_in_the_chain() {
        let activity = Failure {
            failure_info: Some(FailureInfo::ActivityFailureInfo(ActivityFailureInfo {
                activity_type: Some(ActivityType {
                    name: "charge".to_owned(),
                }),
                ..ActivityFailureInfo::default()
            })),
            cause: Some(Box::new(Failure::default())),
            ..Failure::default()
        };
        let around = Failure {
            cause: Some(Box::new(activity.clone())),
            ..Failure::default()
        };
        for failure in [activity, around] {
            assert_eq!(Fingerprint::new("T", "", &failure).step, "charge");
        }
        assert_eq!(Fingerprint::new("T", "", &Failure::default()).step, "");
    }

    #[test]
    fn the_deepest_cause_counts() {
        let failure = |message: &str, cause| Failure {
            message: message.to_owned(),
            cause,
            ..Failure::default()
        };
        let deep = failure("outer 1", Some(Box::new(failure("inner 2", None))));
        assert_eq!(Fingerprint::new("T", "s", &deep).message, "inner #");
    }
}
