//! The official UI, crawled: opens its pages, uses its dialogs, and writes down which calls it makes, how they are
//! answered, what goes wrong and what is shown. Two servers with the same data must give the same report.
//!
//!     browser compat ADDRESS [--namespace NAME] [--out FILE] [--only TEXT]
//!     browser compat --compare THEIRS OURS [--known FILE]
//!
//! The first form needs the data that `tests/browser/compat/data.py` makes. The second prints what differs, and fails
//! unless the file of known differences covers it (`tests/browser/compat/known.txt` unless another is named).

mod compare;
mod mask;
mod pages;
mod report;
mod watch;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::chromium::Chromium;
use crate::place;
use crate::tab::{Tab, literal};
use pages::{Step, Visit, visits};
use report::Report;
use watch::Watch;

/// What a page shows needs longer on a machine that is busy with other things.
const SHOWN_WITHIN: Duration = Duration::from_secs(30);

/// Runs the subcommand; whether all was well.
pub(crate) async fn run(arguments: &[String]) -> Result<bool> {
    let mut options = Options::parse(arguments)?;
    match options.compared.take() {
        Some((theirs, ours)) => compare_files(&theirs, &ours, &options),
        None => crawl(&options).await,
    }
}

struct Options {
    address: String,
    namespace: String,
    out: Option<PathBuf>,
    only: String,
    compared: Option<(PathBuf, PathBuf)>,
    known: PathBuf,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            address: String::new(),
            namespace: "compat".to_owned(),
            out: None,
            only: String::new(),
            compared: None,
            known: place::here().join("compat/known.txt"),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || {
                rest.next()
                    .with_context(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--namespace" => options.namespace = value()?.clone(),
                "--out" => options.out = Some(value()?.into()),
                "--only" => options.only = value()?.clone(),
                "--known" => options.known = value()?.into(),
                "--compare" => options.compared = Some((value()?.into(), value()?.into())),
                other if other.starts_with("--") => bail!("unknown option {other}"),
                address => options.address = address.trim_end_matches('/').to_owned(),
            }
        }
        if options.address.is_empty() && options.compared.is_none() {
            bail!("say where the official UI runs, such as http://127.0.0.1:8080");
        }
        Ok(options)
    }
}

async fn crawl(options: &Options) -> Result<bool> {
    let chromium = Chromium::launch().await?;
    let mut crawler = Crawler::new(chromium.tab().await?, options).await?;
    let mut report = Report::default();
    let mut done = 0;
    let mut failed = 0;
    for visit in visits(&options.namespace) {
        if !visit.name.contains(&options.only) {
            continue;
        }
        let since = Instant::now();
        let outcome = crawler.visit(&visit, &mut report).await;
        let seconds = since.elapsed().as_secs_f32();
        match outcome {
            Ok(()) => eprintln!("{} ({seconds:.1} s)", visit.name),
            Err(error) => {
                failed += 1;
                eprintln!("{} ({seconds:.1} s): {error:#}", visit.name);
            }
        }
        done += 1;
        // At once, so that a crawl that is broken off has a report too.
        if let Some(file) = &options.out {
            std::fs::write(file, report.text())
                .with_context(|| format!("writing {}", file.display()))?;
        }
    }
    chromium.close().await?;
    if options.out.is_none() {
        print!("{}", report.text());
    }
    println!("{} passed, {failed} failed", done - failed);
    Ok(failed == 0 && done > 0)
}

fn compare_files(theirs: &Path, ours: &Path, options: &Options) -> Result<bool> {
    let read = |file: &Path| {
        std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
    };
    let outcome = compare::compare(&read(theirs)?, &read(ours)?, &read(&options.known)?)?;
    for difference in &outcome.unexpected {
        println!("{difference}");
    }
    for unused in &outcome.unused {
        println!("known, and not seen: {unused}");
    }
    println!(
        "{} lines are the same, {} differ as is known",
        outcome.same, outcome.known
    );
    println!(
        "{} passed, {} failed",
        outcome.same,
        outcome.unexpected.len()
    );
    Ok(outcome.unexpected.is_empty())
}

struct Crawler<'a> {
    tab: Tab,
    watch: Watch,
    options: &'a Options,
    /// Paths of latest runs by workflow id, as the UI itself finds them.
    runs: HashMap<String, String>,
}

impl<'a> Crawler<'a> {
    async fn new(tab: Tab, options: &'a Options) -> Result<Self> {
        tab.size(1600, 1200).await?;
        let watch = Watch::new(tab.page.clone()).await?;
        Ok(Self {
            tab,
            watch,
            options,
            runs: HashMap::new(),
        })
    }

    /// Goes through a visit and adds what was seen to the report.
    async fn visit(&mut self, visit: &Visit, report: &mut Report) -> Result<()> {
        let mut outcome = Ok(());
        for step in &visit.steps {
            outcome = self.step(step).await;
            if outcome.is_err() {
                break;
            }
            self.watch.rest().await?;
        }
        let mut seen = self.watch.take().await?;
        if let Err(error) = &outcome {
            seen.complaints
                .insert(format!("step: {}", mask::text(&format!("{error:#}"))));
        }
        let shown: String = self.tab.value(SHOWN).await?;
        report.add(&visit.name, seen, &shown);
        outcome
    }

    async fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Go(path) => {
                let path = self.with_runs(path).await?;
                self.tab
                    .go(&format!("{}{path}", self.options.address))
                    .await
            }
            Step::Click(selector) => self
                .click(&format!(
                    "[...document.querySelectorAll({})]",
                    literal(selector)
                ))
                .await
                .with_context(|| format!("clicking {selector}")),
            Step::ClickText(text) => {
                let found = format!(
                    "[...document.querySelectorAll('button, a, [role=tab], [role=option], [role=menuitem]')]
                        .filter(found => found.innerText.trim().split('\\n')[0] === {})",
                    literal(text)
                );
                self.click(&found)
                    .await
                    .with_context(|| format!("clicking what says {text}"))
            }
            Step::Fill(selector, text) => {
                let there = format!("document.querySelector({})", literal(selector));
                self.tab.until(&there, SHOWN_WITHIN).await?;
                self.tab.fill(selector, text).await?;
                // Fields are read when they are left.
                self.tab.value::<()>(&format!("{there}.blur()")).await
            }
        }
    }

    /// Clicks the first of `found` that can be seen and used, once there is one.
    async fn click(&self, found: &str) -> Result<()> {
        let first = format!("({found}).find(found => found.checkVisibility() && !found.disabled)");
        self.tab.until(&first, SHOWN_WITHIN).await?;
        self.tab.value::<()>(&format!("{first}.click()")).await
    }

    /// The path with `{run:ID}` replaced by the path of that run's page, and `{api:ID}` by that of its API.
    async fn with_runs(&mut self, path: &str) -> Result<String> {
        let Some((before, rest)) = path.split_once('{') else {
            return Ok(path.to_owned());
        };
        let (reference, after) = rest.split_once('}').context("a brace is not closed")?;
        let (kind, id) = reference.split_once(':').context("no kind of reference")?;
        let run = self.run(id).await?;
        Ok(match kind {
            "run" => format!("{before}{run}{after}"),
            _ => {
                let (workflow, run) = run.rsplit_once('/').context("no path of a run")?;
                format!("{before}{workflow}/run/{run}{after}")
            }
        })
    }

    /// Where the UI leads to that is asked for a workflow without saying which run.
    async fn run(&mut self, id: &str) -> Result<String> {
        if let Some(path) = self.runs.get(id) {
            return Ok(path.clone());
        }
        let workflow = format!("/namespaces/{}/workflows/{id}", self.options.namespace);
        self.tab
            .go(&format!("{}{workflow}", self.options.address))
            .await?;
        let arrived = format!(
            "location.pathname.split('/').length > {}",
            workflow.split('/').count()
        );
        self.tab.until(&arrived, SHOWN_WITHIN).await?;
        let location: String = self.tab.value("location.pathname").await?;
        let run: Vec<_> = location
            .split('/')
            .take(workflow.split('/').count() + 1)
            .collect();
        let path = run.join("/");
        self.runs.insert(id.to_owned(), path.clone());
        // What this way took is not part of the visit.
        self.watch.rest().await?;
        self.watch.take().await?;
        Ok(path)
    }
}

/// What a page shows: its text, and what is still to come.
const SHOWN: &str = "(() => {
    const main = document.querySelector('main') ?? document.body;
    const dialogs = [...document.querySelectorAll('dialog[open]')].map(dialog => dialog.innerText);
    const waiting = [...document.querySelectorAll('.animate-pulse, [class*=skeleton]')].filter(found => found.checkVisibility());
    return [main.innerText, ...dialogs, waiting.length ? 'SKELETONS LEFT' : ''].join('\\n');
})()";
