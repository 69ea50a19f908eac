//! Tests of the UI in a real browser: headless Chromium, spoken to over the DevTools protocol, against the release
//! binary (or the one that `STEADFAST_BINARY` names), with data made by a real SDK worker.
//!
//!     browser test [NAME...]      all tests, or those whose names contain one of these
//!     browser compat ADDRESS      crawls a running official UI
//!     browser screenshots         the pictures in docs/screenshots
//!     browser budgets             how quick and how light pages are over much data, see `budgets/mod.rs`
//!
//! `UPDATE=1 browser test` rewrites the goldens. Where `TEMPORAL_CLI` names the official command line, copied commands are
//! executed by it too. The last line of `test` is `N passed, N failed`; the exit status is 0
//! only if all passed.

mod axe;
mod budgets;
mod chromium;
mod codec_server;
mod compat;
mod data;
mod golden;
mod pages;
mod place;
mod routes;
mod screenshots;
mod script;
mod server;
mod suite;
mod tab;
mod tests;
mod trouble;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("", &[][..]),
    };
    let done = match command {
        "test" => suite::run(rest).await,
        "compat" => compat::run(rest).await,
        "screenshots" => screenshots::take().await,
        "budgets" => budgets::run(rest).await,
        _ => {
            eprintln!("browser test [NAME...] | compat ADDRESS | screenshots | budgets");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
