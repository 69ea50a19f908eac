//! Retry policies of workflows (server-semantics 2.5).

use steadfast_core::Refusal;
use steadfast_protocol::Duration;
use steadfast_protocol::common::RetryPolicy;

use super::fields;

const INITIAL_INTERVAL: Duration = Duration {
    seconds: 1,
    nanos: 0,
};
const BACKOFF_COEFFICIENT: f64 = 2.0;
const MAXIMUM_INTERVAL_FACTOR: i64 = 100;

/// The timeouts that a policy may name as not to be retried.
const TIMEOUT_TYPES: [&str; 4] = [
    "StartToClose",
    "ScheduleToStart",
    "ScheduleToClose",
    "Heartbeat",
];
const TIMEOUT_PREFIX: &str = "TemporalTimeout:";

/// Fills what is not set with the defaults, then checks the whole.
pub(crate) fn policy(value: Option<&mut RetryPolicy>) -> Result<(), Refusal> {
    let Some(policy) = value else { return Ok(()) };
    fill(policy);
    if policy.maximum_attempts == 1 {
        return Ok(());
    }
    check(policy)
}

fn fill(policy: &mut RetryPolicy) {
    let unset = |value: &Option<Duration>| value.is_none_or(|d| d.seconds == 0 && d.nanos == 0);
    if unset(&policy.initial_interval) {
        policy.initial_interval = Some(INITIAL_INTERVAL);
    }
    if policy.backoff_coefficient == 0.0 {
        policy.backoff_coefficient = BACKOFF_COEFFICIENT;
    }
    if unset(&policy.maximum_interval)
        && let Some(initial) = policy.initial_interval
    {
        let nanos = i64::from(initial.nanos) * MAXIMUM_INTERVAL_FACTOR;
        policy.maximum_interval = Some(Duration {
            seconds: initial
                .seconds
                .saturating_mul(MAXIMUM_INTERVAL_FACTOR)
                .saturating_add(nanos / 1_000_000_000),
            nanos: (nanos % 1_000_000_000) as i32,
        });
    }
}

fn check(policy: &mut RetryPolicy) -> Result<(), Refusal> {
    interval("InitialInterval", policy.initial_interval.as_mut())?;
    // Not `< 1.0`: that would let NaN pass.
    if !(policy.backoff_coefficient >= 1.0 && policy.backoff_coefficient.is_finite()) {
        return Err(Refusal::invalid(
            "BackoffCoefficient cannot be less than 1 on retry policy.",
        ));
    }
    interval("MaximumInterval", policy.maximum_interval.as_mut())?;
    let order = |value: &Option<Duration>| value.map(|d| (d.seconds, d.nanos));
    if order(&policy.maximum_interval) < order(&policy.initial_interval) {
        return Err(Refusal::invalid(
            "MaximumInterval cannot be less than InitialInterval on retry policy.",
        ));
    }
    if policy.maximum_attempts < 0 {
        return Err(Refusal::invalid(
            "MaximumAttempts cannot be negative on retry policy.",
        ));
    }
    for name in &policy.non_retryable_error_types {
        if let Some(timeout) = name.strip_prefix(TIMEOUT_PREFIX)
            && !TIMEOUT_TYPES.contains(&timeout)
        {
            return Err(Refusal::InvalidArgument(format!(
                "Invalid timeout type value: {timeout}."
            )));
        }
    }
    Ok(())
}

fn interval(field: &str, value: Option<&mut Duration>) -> Result<(), Refusal> {
    fields::duration(value).map_err(|cause| {
        Refusal::InvalidArgument(format!("invalid {field} set on retry policy: {cause}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: i64) -> Option<Duration> {
        Some(Duration { seconds, nanos: 0 })
    }

    fn message(mut policy: RetryPolicy) -> String {
        super::policy(Some(&mut policy))
            .map_or_else(|refusal| refusal.to_string(), |()| String::new())
    }

    #[test]
    fn defaults_fill_what_is_not_set() {
        let mut policy = RetryPolicy {
            initial_interval: Some(Duration {
                seconds: 0,
                nanos: 500_000_000,
            }),
            ..RetryPolicy::default()
        };
        super::policy(Some(&mut policy)).unwrap();
        assert_eq!(policy.backoff_coefficient, 2.0);
        assert_eq!(policy.maximum_interval, seconds(50));
    }

    #[test]
    fn wrong_policies_are_refused() {
        assert_eq!(message(RetryPolicy::default()), "");
        let negative = RetryPolicy {
            initial_interval: seconds(-1),
            ..RetryPolicy::default()
        };
        assert_eq!(
            message(negative.clone()),
            "invalid InitialInterval set on retry policy: negative duration"
        );
        let once = RetryPolicy {
            maximum_attempts: 1,
            ..negative
        };
        assert_eq!(message(once), "");
        let not_a_number = RetryPolicy {
            backoff_coefficient: f64::NAN,
            ..RetryPolicy::default()
        };
        assert_eq!(
            message(not_a_number),
            "BackoffCoefficient cannot be less than 1 on retry policy."
        );
        let endless = RetryPolicy {
            initial_interval: seconds(i64::MAX),
            ..RetryPolicy::default()
        };
        assert_eq!(message(endless), "");
    }
}
