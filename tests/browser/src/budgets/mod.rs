//! The budgets of the UI that need a browser: how soon pages are painted and answer to the hand, how light they are, how
//! soon they show a change, what they grow to. Over much data, on a machine four times slower than this one.
//!
//!     browser budgets --data-dir DIR [--workflows N] [--events N]     starts a server there, and fills it if it is not
//!     browser budgets --address HOST:PORT --ui URL [--events N]       of a server that `steadfast-bench ui` has filled
//!
//! More options: `--namespace NAME`, `--visits N` looks at each page, `--patches N` changes of a page that is followed,
//! `--only PART` (`first`, `inputs`, `changes`, `growth`, `official`), `--pages TEXT` that is in the names of the pages
//! of first views, `--official URL` of an official UI before the same server, to compare with.
//!
//! Prints tables with the budgets beside the figures, and fails if one is exceeded.

mod changes;
mod first_views;
mod floor;
mod growth;
mod interactions;
mod official;
mod pages;
mod pixels;
mod report;
mod traffic;
mod visit;

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use crate::chromium::Chromium;
use crate::place;
use crate::server::Server;
use changes::Changes;
use pages::RunPages;
use report::Report;

/// Runs the subcommand; whether all budgets were kept.
pub(crate) async fn run(arguments: &[String]) -> Result<bool> {
    let mut options = Options::parse(arguments)?;
    let server = match &options.data_dir {
        None => None,
        Some(folder) => {
            let server = Server::start_in(folder, &[]).await?;
            options.address = server.grpc();
            options.ui = server.ui();
            options.fill().await?;
            Some(server)
        }
    };
    let all_kept = measure(&options).await?;
    if let Some(server) = server {
        let wrong = server.stop().await?;
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
    Ok(all_kept)
}

struct Options {
    address: String,
    ui: String,
    data_dir: Option<PathBuf>,
    namespace: String,
    workflows: u64,
    events: u64,
    visits: usize,
    patches: u64,
    official: Option<String>,
    only: String,
    pages: String,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            address: String::new(),
            ui: String::new(),
            data_dir: None,
            namespace: "bench-ui".to_owned(),
            workflows: 1_000_000,
            events: 50_000,
            visits: 10,
            patches: 10_000,
            official: None,
            only: String::new(),
            pages: String::new(),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let value = rest
                .next()
                .with_context(|| format!("{argument} needs a value"))?;
            let site = || value.trim_end_matches('/').to_owned();
            let number = || value.parse().with_context(|| format!("{argument} {value}"));
            match argument.as_str() {
                "--address" => options.address = value.clone(),
                "--ui" => options.ui = site(),
                "--data-dir" => options.data_dir = Some(value.into()),
                "--namespace" => options.namespace = value.clone(),
                "--workflows" => options.workflows = number()?,
                "--events" => options.events = number()?,
                "--visits" => options.visits = number()? as usize,
                "--patches" => options.patches = number()?,
                "--official" => options.official = Some(site()),
                "--only" => options.only = value.clone(),
                "--pages" => options.pages = value.clone(),
                other => bail!("unknown option {other}"),
            }
        }
        let running = !options.address.is_empty() && !options.ui.is_empty();
        if running == options.data_dir.is_some() {
            bail!("say either --data-dir, or --address and --ui of a server that is filled");
        }
        ensure!(options.visits > 0, "--visits must be at least 1");
        Ok(options)
    }

    /// Adds what is missing. What is there stays.
    async fn fill(&self) -> Result<()> {
        let bench = place::root().join("target/release/steadfast-bench");
        let mut fill = Command::new(&bench);
        fill.args(["ui", "--fill-only", "--address", &self.address]);
        fill.args(["--ui", &self.ui, "--namespace", &self.namespace]);
        fill.args(["--workflows", &self.workflows.to_string()]);
        fill.args(["--events", &self.events.to_string()]);
        let filled = fill.status().await;
        let filled = filled.with_context(|| format!("{}: make builds it", bench.display()))?;
        ensure!(filled.success(), "the server was not filled");
        Ok(())
    }
}

/// What is looked at, and how often.
struct Subject {
    chromium: Chromium,
    changes: Changes,
    ui: String,
    namespace: String,
    events: u64,
    visits: usize,
    patches: u64,
}

impl Subject {
    /// The URL of a page of the namespace.
    fn url(&self, rest: &str) -> String {
        format!("{}/namespaces/{}{rest}", self.ui, self.namespace)
    }
}

async fn measure(options: &Options) -> Result<bool> {
    let subject = Subject {
        chromium: Chromium::launch().await?,
        changes: Changes::begin(&options.address, &options.namespace).await?,
        ui: options.ui.clone(),
        namespace: options.namespace.clone(),
        events: options.events,
        visits: options.visits,
        patches: options.patches,
    };
    let mut kept = Kept::default();
    let wanted = |part: &str| options.only.is_empty() || options.only == part;
    let long = RunPages::long(&subject, &subject.chromium).await?;
    let run = subject.changes.start("few-events").await?;
    let short = RunPages::new(&subject, &run);
    subject
        .changes
        .signal(std::slice::from_ref(&run), "a-note")
        .await?;
    subject.changes.work(&run).await?;
    subject.changes.complete(&run, "done").await?;
    if wanted("first") {
        let mut pages = pages::all(&subject, &long, &short).await?;
        pages.retain(|page| page.name.contains(&options.pages));
        ensure!(!pages.is_empty(), "no page is named {}", options.pages);
        kept.show(&first_views::measure(&subject, &pages).await?);
    }
    if wanted("inputs") {
        kept.show(&interactions::measure(&subject, &long).await?);
    }
    if wanted("changes") {
        kept.show(&pixels::measure(&subject, &long).await?);
    }
    if wanted("growth") {
        kept.show(&growth::measure(&subject).await?);
    }
    if let Some(official) = options.official.as_ref().filter(|_| wanted("official")) {
        kept.show(&official::measure(&subject, official, &long, &short).await?);
    }
    subject.changes.terminate(&run).await?;
    subject.chromium.close().await?;
    println!("{} of {} budgets were kept", kept.kept, kept.all);
    Ok(kept.kept == kept.all && kept.all > 0)
}

/// How many budgets were kept so far.
#[derive(Default)]
struct Kept {
    kept: usize,
    all: usize,
}

impl Kept {
    /// Shows a table as soon as it is measured.
    fn show(&mut self, report: &Report) {
        println!("{}", report.markdown());
        let (kept, all) = report.kept();
        self.kept += kept;
        self.all += all;
    }
}
