//! Retries of workflows and activities: the policy, what may be retried, and when (server-semantics 2.5, 5.6, 6.4).

use steadfast_protocol::common::RetryPolicy;
use steadfast_protocol::enums::{RetryState, TimeoutType};
use steadfast_protocol::failure::Failure;
use steadfast_protocol::failure::failure::FailureInfo;

use crate::refusal::Refusal;
use crate::time::{DURATION_MAX, SECOND, Time, duration, duration_or_zero, to_duration};

/// First interval where a policy gives none, nanoseconds.
const INITIAL_INTERVAL: i64 = SECOND;
/// Growth of the interval where a policy gives none.
const COEFFICIENT: f64 = 2.0;
/// The longest interval where a policy gives none, in initial intervals.
const MAXIMUM_INTERVAL_FACTOR: i64 = 100;
/// Prefix of the names of timeouts among a policy's non-retryable types.
const TIMEOUT_PREFIX: &str = "TemporalTimeout:";

/// Fills the fields of `policy` that are zero; the filled policy is what histories show.
pub fn fill(policy: &mut RetryPolicy) {
    let initial = match duration_or_zero(policy.initial_interval.as_ref()) {
        0 => INITIAL_INTERVAL,
        given => given,
    };
    policy.initial_interval = Some(to_duration(initial));
    if policy.backoff_coefficient == 0.0 {
        policy.backoff_coefficient = COEFFICIENT;
    }
    let maximum = match duration_or_zero(policy.maximum_interval.as_ref()) {
        0 => initial
            .saturating_mul(MAXIMUM_INTERVAL_FACTOR)
            .min(DURATION_MAX),
        given => given,
    };
    policy.maximum_interval = Some(to_duration(maximum));
}

/// Whether `policy`, filled or not, makes sense. One that allows a single attempt is not looked at.
///
/// # Errors
/// INVALID_ARGUMENT with the field.
pub fn validate(policy: &RetryPolicy) -> Result<(), Refusal> {
    if policy.maximum_attempts == 1 {
        return Ok(());
    }
    let initial = interval("InitialInterval", policy.initial_interval.as_ref())?;
    // Zero means "not given"; NaN is no growth at all.
    let coefficient = policy.backoff_coefficient;
    if coefficient.is_nan() || (coefficient != 0.0 && coefficient < 1.0) {
        return Err(Refusal::invalid(
            "BackoffCoefficient cannot be less than 1 on retry policy.",
        ));
    }
    let maximum = interval("MaximumInterval", policy.maximum_interval.as_ref())?;
    if maximum > 0 && maximum < initial {
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
        if let Some(name) = name.strip_prefix(TIMEOUT_PREFIX)
            && timeout_type(name).is_none()
        {
            return Err(Refusal::invalid(format!(
                "Invalid timeout type value: {name}."
            )));
        }
    }
    Ok(())
}

fn interval(field: &str, value: Option<&steadfast_protocol::Duration>) -> Result<i64, Refusal> {
    duration(value).map_err(|_| {
        Refusal::invalid(format!(
            "invalid {field} set on retry policy: negative duration"
        ))
    })
}

/// What is decided about the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It comes after this many nanoseconds.
    After(i64),
    /// There is none; the closing event says why.
    Never(RetryState),
}

/// Decides about the attempt after `attempt`, which ended in `failure` at `now`.
///
/// `expiration` is the instant after which no attempt may begin. `own_delay` is the delay that the failure asked for
/// (see [`next_delay`]); only an activity may pass the longest interval with it (`delay_is_capped` is false there).
pub fn decide(
    policy: Option<&RetryPolicy>,
    failure: &Failure,
    attempt: i32,
    now: Time,
    expiration: Option<Time>,
    delay_is_capped: bool,
) -> Retry {
    let Some(policy) = policy else {
        return Retry::Never(RetryState::RetryPolicyNotSet);
    };
    if !is_retryable(failure, &policy.non_retryable_error_types) {
        return Retry::Never(RetryState::NonRetryableFailure);
    }
    if policy.maximum_attempts > 0 && attempt >= policy.maximum_attempts {
        return Retry::Never(RetryState::MaximumAttemptsReached);
    }
    let interval = match next_delay(failure) {
        Some(delay) if delay_is_capped => cap(policy, delay),
        Some(delay) => delay,
        None => retry_interval(policy, attempt),
    };
    if expiration.is_some_and(|expiration| now.plus(interval) > expiration) {
        return Retry::Never(RetryState::Timeout);
    }
    Retry::After(interval)
}

/// The wait after `attempt` (from 1) failed, nanoseconds: it grows by the coefficient up to the longest interval.
pub fn retry_interval(policy: &RetryPolicy, attempt: i32) -> i64 {
    assert!(attempt >= 1, "attempts are counted from 1");
    let initial = match duration_or_zero(policy.initial_interval.as_ref()) {
        0 => INITIAL_INTERVAL,
        given => given,
    };
    let grown = initial as f64 * policy.backoff_coefficient.powi(attempt - 1);
    // A float that is too large, or infinite, becomes i64::MAX.
    cap(policy, (grown as i64).min(DURATION_MAX))
}

fn cap(policy: &RetryPolicy, interval: i64) -> i64 {
    match duration_or_zero(policy.maximum_interval.as_ref()) {
        0 => interval,
        maximum => interval.min(maximum),
    }
}

/// The delay before the next attempt that an application failure asks for, nanoseconds.
pub fn next_delay(failure: &Failure) -> Option<i64> {
    match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => {
            let delay = info.next_retry_delay.as_ref()?;
            Some(duration_or_zero(Some(delay)))
        }
        _ => None,
    }
}

/// Whether another attempt may help after `failure`.
pub fn is_retryable(failure: &Failure, non_retryable_types: &[String]) -> bool {
    match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => {
            !info.non_retryable && !non_retryable_types.contains(&info.r#type)
        }
        Some(FailureInfo::ServerFailureInfo(info)) => !info.non_retryable,
        Some(FailureInfo::TerminatedFailureInfo(_) | FailureInfo::CanceledFailureInfo(_)) => false,
        Some(FailureInfo::TimeoutFailureInfo(info)) => {
            let kind = info.timeout_type();
            let listed = |entry: &String| {
                let name = entry.strip_prefix(TIMEOUT_PREFIX);
                name.and_then(timeout_type) == Some(kind)
            };
            matches!(kind, TimeoutType::StartToClose | TimeoutType::Heartbeat)
                && !non_retryable_types.iter().any(listed)
        }
        _ => true,
    }
}

fn timeout_type(name: &str) -> Option<TimeoutType> {
    Some(match name {
        "StartToClose" => TimeoutType::StartToClose,
        "ScheduleToStart" => TimeoutType::ScheduleToStart,
        "ScheduleToClose" => TimeoutType::ScheduleToClose,
        "Heartbeat" => TimeoutType::Heartbeat,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(policy: RetryPolicy) -> RetryPolicy {
        let mut policy = policy;
        fill(&mut policy);
        policy
    }

    #[test]
    fn zero_fields_are_filled() {
        let policy = filled(RetryPolicy {
            initial_interval: Some(to_duration(2 * SECOND)),
            ..Default::default()
        });
        assert_eq!(policy.backoff_coefficient, 2.0);
        assert_eq!(policy.maximum_interval, Some(to_duration(200 * SECOND)));
        assert_eq!(policy.maximum_attempts, 0);
    }

    #[test]
    fn intervals_grow_up_to_the_longest() {
        let policy = filled(RetryPolicy::default());
        let seconds: Vec<_> = [1, 2, 3, 7, 8, 1000, i32::MAX]
            .map(|attempt| retry_interval(&policy, attempt) / SECOND)
            .to_vec();
        assert_eq!(seconds, [1, 2, 4, 64, 100, 100, 100]);
    }

    #[test]
    fn the_own_delay_passes_the_longest_interval_only_of_activities() {
        let policy = filled(RetryPolicy {
            maximum_interval: Some(to_duration(5 * SECOND)),
            ..Default::default()
        });
        let failure = Failure {
            failure_info: Some(FailureInfo::ApplicationFailureInfo(
                steadfast_protocol::failure::ApplicationFailureInfo {
                    next_retry_delay: Some(to_duration(9 * SECOND)),
                    ..Default::default()
                },
            )),
            ..Default::default()
        };
        let decide = |capped| decide(Some(&policy), &failure, 1, Time(1), None, capped);
        assert_eq!(decide(false), Retry::After(9 * SECOND));
        assert_eq!(decide(true), Retry::After(5 * SECOND));
    }

    #[test]
    fn a_single_attempt_is_not_checked() {
        let mut policy = RetryPolicy {
            maximum_attempts: 1,
            backoff_coefficient: 0.1,
            ..Default::default()
        };
        assert_eq!(validate(&policy), Ok(()));
        policy.maximum_attempts = 2;
        assert!(validate(&policy).is_err());
        policy.backoff_coefficient = f64::NAN;
        assert!(validate(&policy).is_err());
    }
}
