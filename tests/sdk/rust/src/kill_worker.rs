//! The Rust worker of the kill test: kill-worker ADDRESS NAMESPACE TASK_QUEUE EFFECTS_FILE
//!
//! The Python worker (tests/kill/worker.py) has the same workflows and activities.

use anyhow::{Context, Result};
use futures::future::join;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::Write,
    str::FromStr,
    sync::Arc,
    time::Duration,
};
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions, RetryPolicy, Url};
use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::{
    ActivityOptions, ChildWorkflowOptions, Runtime, SyncWorkflowContext, Worker, WorkerOptions,
    WorkflowContext, WorkflowResult,
    activities::{ActivityContext, ActivityError},
};

fn activity_options() -> ActivityOptions {
    // Short, since an attempt whose answer is lost with the server is only repeated after its timeout.
    ActivityOptions::with_start_to_close_timeout(Duration::from_secs(3))
        .retry_policy(
            RetryPolicy::builder()
                .initial_interval(Duration::from_millis(100))
                .backoff_coefficient(1.0)
                .build(),
        )
        .build()
}

/// The world outside: a file to which each attempt of an activity appends what it does.
pub struct Effects {
    file: File,
}

impl Effects {
    fn append(&self, what: &str, context: &ActivityContext) -> Result<()> {
        let info = context.info();
        let workflow_id = info.workflow_id.as_deref().context("no workflow id")?;
        let run_id = info.workflow_run_id.as_deref().context("no run id")?;
        // One write of one short line: lines of several attempts do not mix.
        let line = format!(
            "{what}\t{workflow_id}\t{run_id}\t{}\t{}\n",
            info.activity_id, info.attempt
        );
        (&self.file).write_all(line.as_bytes())?;
        Ok(())
    }
}

#[activities]
impl Effects {
    #[activity(name = "record")]
    pub async fn record(
        self: Arc<Self>,
        context: ActivityContext,
        label: String,
    ) -> Result<String, ActivityError> {
        self.append("started", &context)?;
        tokio::time::sleep(Duration::from_millis(20)).await;
        if label.starts_with("flaky") && context.info().attempt == 1 {
            return Err(anyhow::anyhow!("the first attempt fails").into());
        }
        self.append("finished", &context)?;
        Ok(label)
    }
}

#[workflow]
#[derive(Default)]
pub struct Part;

#[workflow_methods]
impl Part {
    #[run(name = "Part")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, label: String) -> WorkflowResult<String> {
        ctx.timer(Duration::from_millis(50)).await;
        Ok(ctx
            .execute_activity(Effects::record, label, activity_options())
            .await?)
    }
}

#[derive(Serialize, Deserialize)]
pub struct Outcome {
    steps: Vec<String>,
    part: String,
    signals: Vec<String>,
}

/// Runs a child, several activities and timers, and waits for a number of signals.
#[workflow]
#[derive(Default)]
pub struct Order {
    signals: Vec<String>,
}

#[workflow_methods]
impl Order {
    #[run(name = "Order")]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        (steps, signals): (usize, usize),
    ) -> WorkflowResult<Outcome> {
        let options = ChildWorkflowOptions::workflow_id(format!("{}-part", ctx.workflow_id()));
        let part = ctx
            .start_child_workflow(Part::run, "part".to_owned(), options)
            .await?;
        let mut done = Vec::new();
        for step in 0..steps {
            // The first attempt of a flaky one fails.
            let plain =
                ctx.execute_activity(Effects::record, format!("step {step}"), activity_options());
            let flaky =
                ctx.execute_activity(Effects::record, format!("flaky {step}"), activity_options());
            let (plain, flaky) = join(plain, flaky).await;
            done.extend([plain?, flaky?]);
            ctx.timer(Duration::from_millis(100)).await;
        }
        ctx.wait_condition(|order| order.signals.len() >= signals)
            .await?;
        Ok(Outcome {
            steps: done,
            part: part.result().await?,
            signals: ctx.state(|order| order.signals.clone()),
        })
    }

    #[signal(name = "note")]
    pub fn note(&mut self, _ctx: &mut SyncWorkflowContext<Self>, value: String) {
        self.signals.push(value);
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, namespace, task_queue, effects] = arguments.as_slice() else {
        anyhow::bail!("usage: kill-worker ADDRESS NAMESPACE TASK_QUEUE EFFECTS_FILE");
    };
    let file = OpenOptions::new().append(true).create(true).open(effects)?;
    let url = Url::from_str(&format!("http://{address}"))?;
    let connection = loop {
        // The server may be down at this moment.
        match Connection::connect(ConnectionOptions::new(url.clone()).build()).await {
            Ok(connection) => break connection,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let client = Client::new(connection, ClientOptions::new(namespace.as_str()).build())?;
    let runtime = Runtime::from_current_tokio(Default::default())?;
    let options = WorkerOptions::new(task_queue.as_str())
        .register_workflow::<Order>()?
        .register_workflow::<Part>()?
        .register_activities(Effects { file })
        .sticky_queue_schedule_to_start_timeout(Duration::from_secs(1))
        .build();
    Worker::new(&runtime, client, options)?.run().await?;
    Ok(())
}
