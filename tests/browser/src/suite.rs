//! Runs the tests one after the other, and counts.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::chromium::Chromium;
use crate::server::Server;
use crate::tests;

const ONE_TAKES_AT_MOST: Duration = Duration::from_secs(120);

/// What the tests share: a browser, and a server with data.
pub struct Stage {
    pub chromium: Chromium,
    pub server: Server,
}

/// A test and its name, which reads as a sentence.
pub struct Test {
    pub name: &'static str,
    pub run: fn(Arc<Stage>) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>,
}

/// Lists async functions as tests.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        /// The tests of this module.
        pub const TESTS: &[$crate::suite::Test] = &[$($crate::suite::Test {
            name: stringify!($name),
            run: |stage| Box::pin($name(stage)),
        }),*];
    };
}

/// Runs the tests whose names contain one of `chosen`, all if there is none; true if all passed.
pub async fn run(chosen: &[String]) -> Result<bool> {
    let stage = Arc::new(Stage {
        chromium: Chromium::launch().await?,
        server: Server::start(&[]).await?,
    });
    let (mut passed, mut failed) = (0, 0);
    for test in tests::all() {
        if !chosen.is_empty() && !chosen.iter().any(|part| test.name.contains(part.as_str())) {
            continue;
        }
        let since = Instant::now();
        let task = tokio::spawn(tokio::time::timeout(
            ONE_TAKES_AT_MOST,
            (test.run)(Arc::clone(&stage)),
        ));
        let outcome = match task.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(anyhow!("no end within {ONE_TAKES_AT_MOST:?}")),
            Err(panic) => Err(anyhow!("{panic}")),
        };
        let took = since.elapsed().as_secs_f32();
        match outcome {
            Ok(()) => {
                passed += 1;
                println!("pass {} ({took:.1} s)", test.name);
            }
            Err(wrong) => {
                failed += 1;
                println!("FAIL {} ({took:.1} s): {wrong:#}", test.name);
            }
        }
    }
    let Some(Stage { chromium, server }) = Arc::into_inner(stage) else {
        return Err(anyhow!("a test still runs"));
    };
    chromium.close().await?;
    for wrong in server.stop().await? {
        failed += 1;
        println!("FAIL server: {wrong}");
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0 && passed > 0)
}
