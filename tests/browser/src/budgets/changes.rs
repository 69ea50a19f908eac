//! Runs that are changed by a real client and worker while somebody looks, see `data/changes.py`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::script::Script;

const READY_WITHIN: Duration = Duration::from_secs(60);
const DONE_WITHIN: Duration = Duration::from_secs(120);

/// Milliseconds since 1970.
pub type At = f64;

pub struct Changes {
    script: Script,
    /// Ids of runs begin so, and names of signals may: never used before.
    pub fresh: String,
}

/// A run that waits for changes.
#[derive(Clone)]
pub struct Watched {
    pub id: String,
    pub run: String,
    pub started: At,
}

impl Changes {
    pub async fn begin(address: &str, namespace: &str) -> Result<Self> {
        let (script, _) = Script::start("changes.py", &[address, namespace], READY_WITHIN).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        Ok(Self {
            script,
            fresh: format!("watched-{}", now.as_millis()),
        })
    }

    /// Starts a run; the name is part of its id.
    pub async fn start(&self, name: &str) -> Result<Watched> {
        let id = format!("{}-{name}", self.fresh);
        let answer = self.ask(json!({ "do": "start", "id": id })).await?;
        let run = answer["run"].as_str().context("the id of the run")?;
        Ok(Watched {
            started: at(&answer)?,
            run: run.to_owned(),
            id,
        })
    }

    /// Sends each of these runs a signal, whose name it shows in the list from then on.
    pub async fn signal(&self, runs: &[Watched], name: &str) -> Result<At> {
        let ids: Vec<_> = runs.iter().map(|run| &run.id).collect();
        at(&self
            .ask(json!({ "do": "signal", "ids": ids, "name": name }))
            .await?)
    }

    /// Has an activity begun that waits for [`Self::complete`].
    pub async fn work(&self, run: &Watched) -> Result<At> {
        at(&self.ask(json!({ "do": "work", "id": run.id })).await?)
    }

    /// Completes the activity.
    pub async fn complete(&self, run: &Watched, result: &str) -> Result<At> {
        at(&self
            .ask(json!({ "do": "complete", "id": run.id, "result": result }))
            .await?)
    }

    pub async fn terminate(&self, run: &Watched) -> Result<At> {
        at(&self.ask(json!({ "do": "terminate", "id": run.id })).await?)
    }

    /// A place in the list of all runs so many rows down, or near the end of a shorter list: the token that leads there,
    /// and how many rows come before it.
    pub async fn place(&self, rows: u64) -> Result<(String, u64)> {
        let answer = self.ask(json!({ "do": "token", "rows": rows })).await?;
        let token = answer["token"].as_str().context("the token")?;
        Ok((token.to_owned(), answer["rows"].as_u64().context("rows")?))
    }

    async fn ask(&self, request: Value) -> Result<Value> {
        self.script.ask(&request, DONE_WITHIN).await
    }
}

fn at(answer: &Value) -> Result<At> {
    answer["at"].as_f64().context("the time of the call")
}
