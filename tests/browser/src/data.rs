//! What the pages show: made by `data/main.py`, a worker and client of a real SDK.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::script::Script;

const MADE_WITHIN: Duration = Duration::from_secs(90);
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// Namespaces that the server must have, for the flag `-n`.
pub const NAMESPACES: [&str; 4] = ["shop", "live", "hostile", "empty"];

/// A run that was made.
#[derive(Deserialize)]
pub struct Run {
    namespace: String,
    id: String,
    run: String,
}

impl Run {
    /// The path of its first page, without any base path.
    pub fn path(&self) -> String {
        format!(
            "/namespaces/{}/workflows/{}/{}",
            self.namespace,
            encoded(&self.id),
            self.run
        )
    }

    /// The path of all runs of its id.
    pub fn chain(&self) -> String {
        format!(
            "/namespaces/{}/workflows/{}",
            self.namespace,
            encoded(&self.id)
        )
    }

    /// The query that fills the start form with what it was started with.
    pub fn like(&self) -> String {
        format!("?workflowId={}&runId={}", encoded(&self.id), self.run)
    }
}

/// The worker, and what it has made. It works until this is dropped.
pub struct Data {
    runs: HashMap<String, Run>,
    script: Script,
}

impl Data {
    /// Has the data made on a server with [`NAMESPACES`].
    pub async fn make(address: &str) -> Result<Self> {
        let (script, runs) = Script::start("main.py", &[address], MADE_WITHIN).await?;
        let runs = serde_json::from_value(runs)?;
        Ok(Self { runs, script })
    }

    /// A run by the name that it has in `data/main.py`.
    pub fn run(&self, name: &str) -> &Run {
        self.runs
            .get(name)
            .unwrap_or_else(|| panic!("no run is named {name}"))
    }

    /// Starts a workflow in the namespace `live`.
    pub async fn start(&self, kind: &str, id: &str, args: Value) -> Result<Run> {
        let start = json!({ "do": "start", "type": kind, "id": id, "args": args });
        let answer = self.script.ask(&start, ANSWERED_WITHIN).await?;
        let run = answer["run"].as_str().context("the id of the run")?;
        Ok(Run {
            namespace: "live".to_owned(),
            id: id.to_owned(),
            run: run.to_owned(),
        })
    }

    /// Signals a workflow in the namespace `live`.
    pub async fn signal(&self, id: &str, name: &str, args: Value) -> Result<()> {
        let signal = json!({ "do": "signal", "id": id, "name": name, "args": args });
        self.script.ask(&signal, ANSWERED_WITHIN).await?;
        Ok(())
    }
}

/// As one segment of a path or one value of a query.
pub fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let parts = text.bytes().map(|byte| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    parts.collect()
}
