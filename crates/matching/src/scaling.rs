//! Whether a worker should poll more or less.

use crate::limits::{SCALE_DOWN_WAIT_MS, SCALE_UP_ADD_TO_DISPATCH, SCALE_UP_BACKLOG_AGE_MS};

/// What is known when a poll gets its task.
#[derive(Debug)]
pub(crate) struct Signs {
    pub(crate) poll_waited_ms: i64,
    /// Whether the task had been waiting before.
    pub(crate) task_waited: bool,
    /// Whether tasks wait for the rate limit, which more pollers cannot change.
    pub(crate) throttled: bool,
    pub(crate) backlog_age_ms: Option<i64>,
    /// Tasks added and dispatched lately.
    pub(crate) added: u64,
    pub(crate) dispatched: u64,
}

/// One poller fewer, one more, or no opinion.
pub(crate) fn decide(signs: &Signs) -> Option<i32> {
    if signs.throttled {
        return None;
    }
    if signs.poll_waited_ms >= SCALE_DOWN_WAIT_MS && !signs.task_waited {
        return Some(-1);
    }
    let old_backlog = signs
        .backlog_age_ms
        .is_some_and(|age| age > SCALE_UP_BACKLOG_AGE_MS);
    let falling_behind = signs.added as f64 > signs.dispatched as f64 * SCALE_UP_ADD_TO_DISPATCH;
    (old_backlog || falling_behind).then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions() {
        let quiet = || Signs {
            poll_waited_ms: 0,
            task_waited: false,
            throttled: false,
            backlog_age_ms: None,
            added: 10,
            dispatched: 10,
        };
        let cases = [
            (None, quiet()),
            (
                Some(-1),
                Signs {
                    poll_waited_ms: 1_000,
                    ..quiet()
                },
            ),
            (
                None,
                Signs {
                    poll_waited_ms: 999,
                    ..quiet()
                },
            ),
            (
                None,
                Signs {
                    poll_waited_ms: 1_000,
                    task_waited: true,
                    ..quiet()
                },
            ),
            (
                None,
                Signs {
                    poll_waited_ms: 1_000,
                    throttled: true,
                    ..quiet()
                },
            ),
            (
                Some(1),
                Signs {
                    backlog_age_ms: Some(201),
                    ..quiet()
                },
            ),
            (
                None,
                Signs {
                    backlog_age_ms: Some(200),
                    ..quiet()
                },
            ),
            (
                None,
                Signs {
                    backlog_age_ms: Some(201),
                    throttled: true,
                    ..quiet()
                },
            ),
            (
                None,
                Signs {
                    added: 12,
                    ..quiet()
                },
            ),
            (
                Some(1),
                Signs {
                    added: 13,
                    ..quiet()
                },
            ),
        ];
        for (expected, signs) in cases {
            assert_eq!(decide(&signs), expected, "{signs:?}");
        }
    }
}
