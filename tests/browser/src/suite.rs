//! Runs the tests one after the other, and counts.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use futures::stream::{self, StreamExt};

use crate::chromium::Chromium;
use crate::data::{Data, NAMESPACES};
use crate::server::Server;
use crate::tests;

/// Tests that run beside each other; more would only wait for the processors.
const AT_ONCE: usize = 3;
const ONE_TAKES_AT_MOST: Duration = Duration::from_secs(300);

/// What the tests share: a browser, and a server with data.
pub struct Stage {
    pub chromium: Chromium,
    pub server: Server,
    pub data: Data,
}

impl Stage {
    /// Starts all of it.
    pub async fn set() -> Result<Self> {
        let server = Server::start(&NAMESPACES.map(|name| ["-n", name]).concat()).await?;
        let address = server.grpc();
        let (data, chromium) = tokio::try_join!(Data::make(&address), Chromium::launch())?;
        Ok(Self {
            chromium,
            server,
            data,
        })
    }

    /// The URL of a path of the UI.
    pub fn url(&self, path: &str) -> String {
        self.server.ui() + path
    }

    /// Ends all of it, and says what is wrong with how the server ended.
    pub async fn strike(self) -> Result<Vec<String>> {
        drop(self.data);
        self.chromium.close().await?;
        self.server.stop().await
    }
}

type Outcome = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// A test and its name, which reads as a sentence.
pub struct Test {
    pub name: String,
    /// Whether it neither changes anything nor measures: such tests run beside each other.
    pub only_looks: bool,
    pub run: Box<dyn Fn(Arc<Stage>) -> Outcome>,
}

/// Lists async functions as the tests of a module.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        /// The tests of this module.
        pub fn tests() -> Vec<$crate::suite::Test> {
            vec![$($crate::suite::Test {
                name: stringify!($name).to_owned(),
                only_looks: false,
                run: Box::new(|stage| Box::pin($name(stage))),
            }),*]
        }
    };
}

/// Runs the tests whose names contain one of `chosen`, all if there is none; true if all passed.
pub async fn run(chosen: &[String]) -> Result<bool> {
    let began = Instant::now();
    let stage = Arc::new(Stage::set().await?);
    println!(
        "server, browser and data are there after {:.1} s",
        began.elapsed().as_secs_f32()
    );
    let is_chosen = |test: &Test| {
        chosen.is_empty() || chosen.iter().any(|part| test.name.contains(part.as_str()))
    };
    let (looking, others): (Vec<_>, Vec<_>) = tests::all()
        .into_iter()
        .filter(is_chosen)
        .partition(|test| test.only_looks);
    let mut count = Count::default();
    let looking = looking.iter().map(|test| outcome(test, &stage));
    let mut looking = stream::iter(looking).buffer_unordered(AT_ONCE);
    while let Some(passed) = looking.next().await {
        count.add(passed);
    }
    drop(looking);
    for test in &others {
        count.add(outcome(test, &stage).await);
    }
    let stage = Arc::into_inner(stage).ok_or_else(|| anyhow!("a test still runs"))?;
    for wrong in stage.strike().await? {
        println!("FAIL server: {wrong}");
        count.add(false);
    }
    println!("all took {:.0} s", began.elapsed().as_secs_f32());
    println!("{} passed, {} failed", count.passed, count.failed);
    Ok(count.failed == 0 && count.passed > 0)
}

#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
}

impl Count {
    fn add(&mut self, passed: bool) {
        self.passed += usize::from(passed);
        self.failed += usize::from(!passed);
    }
}

/// Runs a test and says how it went; true if it passed.
async fn outcome(test: &Test, stage: &Arc<Stage>) -> bool {
    let since = Instant::now();
    let task = tokio::spawn(tokio::time::timeout(
        ONE_TAKES_AT_MOST,
        (test.run)(Arc::clone(stage)),
    ));
    let outcome = match task.await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(anyhow!("no end within {ONE_TAKES_AT_MOST:?}")),
        Err(panic) => Err(anyhow!("{panic}")),
    };
    let took = since.elapsed().as_secs_f32();
    match &outcome {
        Ok(()) => println!("pass {} ({took:.1} s)", test.name),
        Err(wrong) => println!("FAIL {} ({took:.1} s): {wrong:#}", test.name),
    }
    outcome.is_ok()
}
