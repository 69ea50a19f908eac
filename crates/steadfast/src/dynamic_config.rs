//! Settings in the words of the reference server: `--dynamic-config-value KEY=VALUE`.
//!
//! Test environments of SDKs pass some, and people pass others to bring a test near a limit. What is understood takes
//! effect; what is so anyway is accepted in silence; of all else the log says that it has no effect.

use steadfast_engine::Limits;

/// What one setting came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It holds now, or held before.
    Understood,
    /// Nothing here depends on it.
    None,
}

/// What is so here whatever the setting says, or exactly as it says: a value of `""` stands for any.
const HOLDS_ANYWAY: [(&str, &str); 9] = [
    ("frontend.enableserverversioncheck", ""),
    ("frontend.workerheartbeatsenabled", "true"),
    ("frontend.listworkersenabled", "true"),
    ("history.workflowidreuseminimalinterval", ""),
    ("history.retentiontimerjitterduration", ""),
    ("matching.usenewmatcher", ""),
    ("system.enableactivityeagerexecution", "true"),
    ("system.enableeagerworkflowstart", "true"),
    ("system.forcesearchattributescacherefreshonread", ""),
];

/// Takes one setting over. Case does not matter in keys.
///
/// # Errors
/// The value of a setting that is understood is no number that makes sense.
pub(crate) fn apply(limits: &mut Limits, key: &str, value: &str) -> Result<Effect, String> {
    let name = key.to_ascii_lowercase();
    let value = value.trim().trim_matches('"');
    let number = || {
        let number = value.parse::<u32>().ok();
        number.ok_or_else(|| format!("the value of {key} is not a number: {value}"))
    };
    let nanos = || {
        let nanos = duration(value);
        nanos.ok_or_else(|| format!("the value of {key} is not a duration: {value}"))
    };
    match name.as_str() {
        "limit.historycount.error" => limits.history_count = number()?.into(),
        "limit.historysize.error" => limits.history_size = number()?.into(),
        "limit.historycount.suggestcontinueasnew" => {
            limits.history_count_suggest = number()?.into();
        }
        "limit.historysize.suggestcontinueasnew" => {
            limits.history_size_suggest = number()?.into();
        }
        "limit.mutablestatesize.error" => limits.state_size = number()? as usize,
        "limit.blobsize.error" => limits.blob_size = number()? as usize,
        "limit.memosize.error" => limits.memo_size = number()? as usize,
        "limit.blobsize.warn" => limits.blob_size_logged = number()? as usize,
        "limit.memosize.warn" => limits.memo_size_logged = number()? as usize,
        "limit.numpendingactivities.error" => limits.activities = number()? as usize,
        "limit.numpendingchildexecutions.error" => limits.children = number()? as usize,
        "limit.numpendingsignals.error" => limits.external_signals = number()? as usize,
        "limit.numpendingcancelrequests.error" => limits.external_cancels = number()? as usize,
        "history.maximumsignalsperexecution" => limits.signals = number()?.into(),
        "history.maximumbufferedeventsbatch" => limits.buffered_events = number()? as usize,
        "history.maxbufferedquerycount" => limits.buffered_queries = number()? as usize,
        "history.workflowtaskheartbeattimeout" => limits.heartbeats = nanos()?,
        "history.longpollexpirationinterval" => limits.history_poll = nanos()?,
        "matching.longpollexpirationinterval" => limits.task_poll = nanos()?,
        "frontend.enablecancelworkerpollsonshutdown" => {
            let wanted = value.parse::<bool>().ok();
            limits.shutdown_ends_polls = wanted
                .ok_or_else(|| format!("the value of {key} is neither true nor false: {value}"))?;
        }
        "system.numconsecutiveworkflowtaskproblemstotriggersearchattribute" => {
            limits.problems_reported_from = i32::try_from(number()?).unwrap_or(i32::MAX);
        }
        _ => {
            let holds = HOLDS_ANYWAY
                .iter()
                .any(|(known, wanted)| *known == name && (wanted.is_empty() || *wanted == value));
            return Ok(if holds {
                Effect::Understood
            } else {
                Effect::None
            });
        }
    }
    Ok(Effect::Understood)
}

/// Nanoseconds of a number with one of the units `ms`, `s`, `m` and `h`.
fn duration(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3600 * 1_000_000_000,
        _ => return None,
    };
    let count: u32 = digits.parse().ok()?;
    i64::from(count).checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_take_effect_whatever_the_case_of_their_keys() {
        let mut limits = Limits::DEFAULT;
        for (key, value) in [
            ("limit.historyCount.suggestContinueAsNew", "50"),
            ("LIMIT.NUMPENDINGACTIVITIES.ERROR", "10"),
            ("limit.blobSize.error", "20000"),
            ("limit.memoSize.error", "3000"),
            ("limit.blobSize.warn", "10000"),
            ("limit.memoSize.warn", "1000"),
            ("history.workflowTaskHeartbeatTimeout", "\"5s\""),
            ("history.longPollExpirationInterval", "500ms"),
            ("matching.longPollExpirationInterval", "1m"),
            ("frontend.enableCancelWorkerPollsOnShutdown", "true"),
        ] {
            assert_eq!(apply(&mut limits, key, value), Ok(Effect::Understood));
        }
        let wanted = Limits {
            history_count_suggest: 50,
            activities: 10,
            blob_size: 20_000,
            memo_size: 3000,
            blob_size_logged: 10_000,
            memo_size_logged: 1000,
            heartbeats: 5_000_000_000,
            history_poll: 500_000_000,
            task_poll: 60_000_000_000,
            shutdown_ends_polls: true,
            ..Limits::DEFAULT
        };
        assert_eq!(limits, wanted);
    }

    #[test]
    fn what_holds_anyway_is_understood_and_the_rest_is_not() {
        let effect = |key, value| apply(&mut Limits::DEFAULT.clone(), key, value);
        let eager = "system.enableEagerWorkflowStart";
        assert_eq!(effect(eager, "true"), Ok(Effect::Understood));
        assert_eq!(effect(eager, "false"), Ok(Effect::None));
        assert_eq!(effect("no.such.key", "1"), Ok(Effect::None));
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for (key, value) in [
            ("limit.historyCount.error", "many"),
            ("limit.historyCount.error", "-1"),
            ("history.workflowTaskHeartbeatTimeout", "5"),
            ("frontend.enableCancelWorkerPollsOnShutdown", "1"),
            ("history.workflowTaskHeartbeatTimeout", "99999999999h"),
        ] {
            assert!(
                apply(&mut Limits::DEFAULT.clone(), key, value).is_err(),
                "{key}={value}"
            );
        }
    }
}
