//! The whole server in one thread, from a seed, with faults.

#![allow(
    deprecated,
    reason = "deprecated fields of the protocol still carry what programs need to find their events again"
)]

mod activities;
mod calls;
mod check;
mod client;
mod clock;
mod commands;
mod dice;
mod executor;
mod interpreter;
mod ledger;
mod marks;
mod model;
mod options;
mod planted;
mod program;
mod simulation;
mod store;
mod trace;
mod visibility;
mod worker;
mod world;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::planted::Planted;

/// One seed in so many is run twice, to show that a run follows from its seed.
const DOUBLE_CHECK: u64 = 20;

/// Runs the whole server in one thread, from seeds, with faults.
#[derive(Parser)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Runs this one only.
    #[arg(long)]
    seed: Option<u64>,
    /// Shows each step.
    #[arg(long)]
    trace: bool,
    /// Plants a bug, to test the simulation itself.
    #[arg(long)]
    planted: Option<Planted>,
    /// Goes on after a failure.
    #[arg(long)]
    keep_going: bool,
}

#[allow(clippy::print_stdout, reason = "its report")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (from, seeds) = arguments
        .seed
        .map_or((arguments.from, arguments.seeds), |seed| (seed, 1));
    let begun = Instant::now();
    let mut total = Total::default();
    for seed in from..from + seeds {
        let failures = one(seed, &arguments, &mut total);
        if failures.is_empty() {
            total.passed += 1;
            continue;
        }
        total.failed += 1;
        report(seed, &arguments, &failures);
        if !arguments.keep_going {
            break;
        }
    }
    total.print(begun);
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs one seed. Answers what is wrong.
fn one(seed: u64, arguments: &Arguments, total: &mut Total) -> Vec<String> {
    let run = |printed| {
        let run = AssertUnwindSafe(|| simulation::run(seed, arguments.planted, printed));
        std::panic::catch_unwind(run)
    };
    let Ok(report) = run(arguments.trace) else {
        return vec!["a panic; see above".to_owned()];
    };
    let mut failures = report.violations;
    if seed.is_multiple_of(DOUBLE_CHECK) || arguments.seed.is_some() {
        total.doubled += 1;
        if run(false).map(|again| again.hash).ok() != Some(report.hash) {
            failures.push("two runs of this seed differ".to_owned());
        }
    }
    if !failures.is_empty() {
        failures.push(format!("{:?}", report.options));
    }
    total.simulated += report.simulated;
    total.transitions += report.transitions;
    total.runs += report.runs;
    for (mark, count) in report.marks {
        *total.marks.entry(mark).or_default() += count;
    }
    failures
}

#[allow(clippy::print_stdout, reason = "its report")]
fn report(seed: u64, arguments: &Arguments, failures: &[String]) {
    let planted = arguments
        .planted
        .and_then(|planted| clap::ValueEnum::to_possible_value(&planted))
        .map_or(String::new(), |value| {
            format!(" --planted {}", value.get_name())
        });
    println!("FAILED seed {seed} at commit {}", commit());
    println!("again: cargo run --release -p steadfast-sim -- --seed {seed}{planted} --trace");
    for failure in failures.iter().take(12) {
        println!("  {failure}");
    }
}

fn commit() -> String {
    let git = std::process::Command::new("git")
        .args(["rev-parse", "--short", "HEAD"])
        .output();
    let text = git.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| "unknown".to_owned())
}

/// The figures of all seeds.
#[derive(Default)]
struct Total {
    passed: u64,
    failed: u64,
    doubled: u64,
    simulated: i64,
    transitions: u64,
    runs: u64,
    marks: BTreeMap<&'static str, u64>,
}

impl Total {
    #[allow(clippy::print_stdout, reason = "its report")]
    fn print(&self, begun: Instant) {
        let seconds = begun.elapsed().as_secs_f64();
        let seeds = self.passed + self.failed;
        println!(
            "{seeds} seeds ({} run twice) in {seconds:.1} s, {:.2} s each: {:.1} simulated hours, {} workflow runs, {} transitions",
            self.doubled,
            seconds / seeds.max(1) as f64,
            self.simulated as f64 / 3.6e12,
            self.runs,
            self.transitions,
        );
        for (mark, count) in &self.marks {
            println!("  {count:>9}  {mark}");
        }
    }
}
