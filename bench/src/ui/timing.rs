//! Requests, one after the other, and what they took.

use std::time::{Duration, Instant};

use super::Target;
use super::http::Form;
use crate::error::BenchError;
use crate::latencies::Latencies;
use crate::process::cpu_seconds;
use crate::report::{self, Report};

/// A page that is asked for.
pub(super) struct Case {
    pub(super) name: String,
    /// Of the first byte.
    pub(super) budget_ms: Option<f64>,
    /// Asked for in turn.
    pub(super) paths: Vec<String>,
}

impl Case {
    pub(super) fn new(name: impl Into<String>, budget_ms: f64, paths: Vec<String>) -> Case {
        Case {
            name: name.into(),
            budget_ms: Some(budget_ms),
            paths,
        }
    }

    /// One without a promise.
    pub(super) fn free(name: impl Into<String>, paths: Vec<String>) -> Case {
        Case {
            name: name.into(),
            budget_ms: None,
            paths,
        }
    }
}

/// Asks for each of the pages, and says when their first byte came. The first request of all is told apart where it
/// took long: then it made something that stays, such as an index.
pub(super) async fn time(
    target: &Target,
    title: &str,
    cases: Vec<Case>,
) -> Result<Report, BenchError> {
    eprintln!("measuring: {title}");
    let mut report = Report::new(title);
    let pid = target.server.pid;
    let cpu_before = pid.and_then(cpu_seconds);
    let mut requests = 0;
    for case in cases {
        let begin = Instant::now();
        let first = target.site.get(&case.paths[0], Form::Gzip).await?;
        let mut latencies = Latencies::new();
        let mut whole = Latencies::new();
        let mut bytes = first.body.len();
        // What takes seconds is not repeated as often.
        let samples = match begin.elapsed() > Duration::from_millis(500) {
            true => target.samples.div_ceil(4),
            false => target.samples,
        };
        for path in case.paths.iter().cycle().skip(1).take(samples) {
            let answer = target.site.get(path, Form::Gzip).await?;
            latencies.add(answer.first_byte);
            whole.add(answer.whole);
            bytes = bytes.max(answer.body.len());
        }
        requests += samples + 1;
        let name = &case.name;
        let p95 = latencies.quantile_ms(0.95);
        match case.budget_ms {
            Some(budget) => report.add_with(
                format!("{name}: first byte p95"),
                p95,
                "ms",
                report::Target::AtMost(budget),
            ),
            None => report.add(format!("{name}: first byte p95"), p95, "ms"),
        }
        report.add(format!("{name}: p50"), latencies.quantile_ms(0.5), "ms");
        report.add(
            format!("{name}: to the end, p95"),
            whole.quantile_ms(0.95),
            "ms",
        );
        report.add(format!("{name}: at most"), bytes as f64 / 1000.0, "KB");
        let first_ms = first.first_byte.as_secs_f64() * 1000.0;
        if first_ms > 3.0 * p95 && first_ms > 100.0 {
            report.add(format!("{name}: the very first"), first_ms, "ms");
        }
    }
    let cpu = pid.and_then(cpu_seconds).zip(cpu_before);
    let each_ms = cpu.map(|(after, before)| (after - before) * 1000.0 / f64::from(requests as u32));
    report.add_if("server CPU per page", each_ms, "ms");
    Ok(report)
}
