//! What differs between any two servers, and so must not be compared: ids made by them, times, tokens, addresses.

use std::sync::LazyLock;

use regex::{Captures, Regex};

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern is well-formed")
}

static MASKS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", "{id}"),
        (r"\b\d+@[\w.-]+(?:@[\w./-]*)?", "{identity}"),
        // Of sticky queues, as workers call them, and of builds; the UI shortens these.
        (r"\b[0-9a-f]{32}\b", "{id}"),
        (r"\b[0-9a-f]{7}\.\.\.[0-9a-f]{7}\b", "{id}"),
        (r"https?://127\.0\.0\.1:\d+", ""),
        (r#"(task_?[iI]d": ?)"?\d+"?"#, "$1{number}"),
        (r#"\{"seconds":\d+(?:,"nanos":\d+)?\}"#, "{time}"),
        // Servers store the same history in different ways.
        (r"\b\d+(?:\.\d+)? (?:Bytes|KB|MB)\b", "{size}"),
        (r#"(history_?[sS]ize_?[bB]ytes": ?)"?\d+"?"#, "$1{size}"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", "{time}"),
        (r"\d{4}-\d\d-\d\d[ ,]+(?:UTC )?\d\d:\d\d:\d\d(?:\.\d+)?(?: UTC)?", "{time}"),
        (r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)?,? ?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* \d{1,2}(?:, \d{4})?,?(?: \d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?(?: [AP]M)?)?", "{time}"),
        (r"\b\d{1,2}:\d\d:\d\d(?:\.\d+)?(?: [AP]M)?", "{time}"),
        (r"(?:\b\d+(?:\.\d+)? ?(?:milliseconds?|seconds?|minutes?|hours?|days?|ms|h|m|s|d)\b,? ?)+(ago)?", "{span}$1 "),
        (r"\bin \{span\}", "{span}"),
        (r"\(\{span\} ?\)", "({span})"),
    ]
    .into_iter()
    .map(|(pattern, mask)| (regex(pattern), mask))
    .collect()
});

/// Text that people read, with ids, times and spans replaced.
pub(crate) fn text(text: &str) -> String {
    let mut masked = text.to_owned();
    for (pattern, mask) in &*MASKS {
        if pattern.is_match(&masked) {
            masked = pattern.replace_all(&masked, *mask).into_owned();
        }
    }
    masked.trim_end().to_owned()
}

/// Path and query of a call to the server's API; `None` for everything else, such as the UI's own files.
pub(crate) fn api_path(url: &str) -> Option<String> {
    static ADDRESS: LazyLock<Regex> = LazyLock::new(|| regex("^https?://[^/]+"));
    static TOKEN: LazyLock<Regex> = LazyLock::new(|| regex("(?i)(token=)[^&]+"));
    let path = ADDRESS.replace(url, "");
    if !["/api/", "/render", "/auth/"]
        .iter()
        .any(|start| path.starts_with(start))
    {
        return None;
    }
    let path = TOKEN.replace_all(&path, |found: &Captures<'_>| {
        format!("{}{{token}}", &found[1])
    });
    // A report has one fact a line.
    Some(text(&decoded(&path).replace('\n', " ")))
}

/// `%22` as `"`.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| byte.and_then(|byte| (byte as char).to_digit(16));
        match byte {
            b'%' => {
                let mut ahead = rest.clone();
                if let (Some(high), Some(low)) = (hex(ahead.next()), hex(ahead.next())) {
                    rest = ahead;
                    bytes.push((high * 16 + low) as u8);
                } else {
                    bytes.push(byte);
                }
            }
            b'+' => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_servers_is_masked() {
        for (shown, masked) in [
            ("run 01a21a86-7549-7644-b05f-1a33d201bb60", "run {id}"),
            ("2026-11-27T01:02:29.206452Z", "{time}"),
            ("2026-11-27 UTC 01:02:29.20", "{time}"),
            ("took 1 minute, 2 seconds", "took {span}"),
            ("12ms", "{span}"),
            ("Count of 3", "Count of 3"),
            ("a-worker-9283248dc5d949cd9c797e2de9f8ce47", "a-worker-{id}"),
            ("2.25 KB", "{size}"),
            (
                r#"{"event_time":{"seconds":17,"nanos":5},"task_id":3}"#,
                r#"{"event_time":{time},"task_id":{number}}"#,
            ),
        ] {
            assert_eq!(text(shown), masked);
        }
    }

    #[test]
    fn only_calls_have_an_api_path() {
        assert_eq!(api_path("http://127.0.0.1:1/_app/x.js"), None);
        assert_eq!(
            api_path(
                "http://127.0.0.1:1/api/v1/namespaces/n/workflows?query=WorkflowId%3D%22a+b%22&nextPageToken=Zm9v"
            ),
            Some(
                "/api/v1/namespaces/n/workflows?query=WorkflowId=\"a b\"&nextPageToken={token}"
                    .to_owned()
            )
        );
    }
}
