//! The pages of one long run.

use super::Target;
use super::http::Form;
use super::long::Run;
use super::timing::{Case, time};
use crate::error::BenchError;
use crate::report::{self, Report};

/// The budget of a window of the history, in milliseconds.
const WINDOW_MS: f64 = 30.0;
/// The budgets of a timeline.
const TIMELINE_MS: f64 = 120.0;
const TIMELINE_KB: f64 = 40.0;

pub(super) async fn measure(target: &Target, run: &Run) -> Result<Vec<Report>, BenchError> {
    let page = |rest: &str| target.run(run, rest);
    let mut first = Report::new("A long run: first sight");
    let answer = target.site.get(&page("/history"), Form::Gzip).await?;
    let first_ms = answer.first_byte.as_secs_f64() * 1000.0;
    first.add("history: the first page anybody asks for", first_ms, "ms");

    let last = run.events;
    let window = |from: i64| page(&format!("/history?from={from}"));
    let cases = vec![
        Case::new("head and summary", WINDOW_MS, vec![page("")]),
        Case::new("first window", WINDOW_MS, vec![page("/history")]),
        Case::new(
            "windows in the middle",
            WINDOW_MS,
            (1..20).map(|n| window(last * n / 20)).collect(),
        ),
        Case::new("last window", WINDOW_MS, vec![window(last - 199)]),
        Case::new("newest first", WINDOW_MS, vec![page("/history?order=desc")]),
        Case::new(
            "at an event",
            WINDOW_MS,
            (1..20)
                .map(|n| page(&format!("/history?event={}", last * n / 20 + 7)))
                .collect(),
        ),
        Case::new(
            "steps",
            WINDOW_MS,
            vec![page("/history?view=compact&from=5000")],
        ),
        Case::new("JSON", WINDOW_MS, vec![window(last / 2) + "&view=json"]),
        Case::new("failed steps", WINDOW_MS, vec![page("/history?failed=1")]),
        Case::new("timers only", WINDOW_MS, vec![page("/history?kind=timer")]),
        Case::new(
            "one event",
            WINDOW_MS,
            (1..20)
                .map(|n| page(&format!("/history/events/{}", last * n / 20)))
                .collect(),
        ),
        Case::new("pending", WINDOW_MS, vec![page("/pending-activities")]),
        Case::free(
            "search: a word that is often there",
            vec![page("/history?text=book")],
        ),
        Case::free(
            "search: a word that is nowhere",
            vec![page("/history?text=nowhere")],
        ),
    ];
    let windows = time(target, "A long run: history", cases).await?;

    let (from, to) = span(&target.site.text(&page("/timeline")).await?);
    let part = (to - from) / 40;
    let zoomed = |at: i64, wide: i64| page(&format!("/timeline?from={at}&to={}", at + wide));
    let cases = vec![
        Case::new("whole", TIMELINE_MS, vec![page("/timeline")]),
        Case::new(
            "a fortieth of it",
            TIMELINE_MS,
            (1..20).map(|n| zoomed(from + n * 2 * part, part)).collect(),
        ),
        Case::new(
            "a small part",
            TIMELINE_MS,
            (1..20)
                .map(|n| zoomed(from + n * 2 * part, part / 200 + 2))
                .collect(),
        ),
    ];
    let mut timeline = time(target, "A long run: timeline", cases).await?;
    for name in ["whole", "a fortieth of it", "a small part"] {
        let name = format!("{name}: at most");
        timeline.target(&name, report::Target::AtMost(TIMELINE_KB));
    }

    let mut file = Report::new("A long run: history as JSON");
    let answer = target.site.get(&page("/history.json"), Form::Gzip).await?;
    file.add("first byte", answer.first_byte.as_secs_f64() * 1000.0, "ms");
    file.add("whole", answer.whole.as_secs_f64() * 1000.0, "ms");
    file.add("size", answer.body.len() as f64 / 1e6, "MB");
    Ok(vec![first, windows, timeline, file])
}

/// The first and last millisecond of a run, as the links of its timeline name them.
fn span(page: &str) -> (i64, i64) {
    let times = page.split("from=").skip(1).filter_map(|rest| {
        let number = |text: &str| {
            let end = text
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len());
            text[..end].parse::<i64>().ok()
        };
        let (from, rest) = (number(rest)?, rest.split_once("to=")?.1);
        Some((from, number(rest)?))
    });
    let widest = times.max_by_key(|(from, to)| to - from);
    widest.unwrap_or_default()
}
