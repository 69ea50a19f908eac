//! The web UI over much data: how soon pages begin, how large they are, what viewers cost.
//!
//! The figures, as a browser on this machine sees them over HTTP/1.1, with gzip:
//! - *first byte*: from just before a page is asked for until its answer begins; pages are made as a whole, so they end
//!   a moment later. One request after the other, each with other values in its filter where it has any.
//! - *weight*: bytes of a page and of the files it names, as they are sent.
//! - *seen after*: from just before a call over gRPC changes something until the event that shows it is read.
//! - *viewers*: what open event streams of one list cost the server in memory, and in CPU while nothing happens.
//!
//! What needs a browser (paint, layout, heap) is not here.

mod fill;
mod http;
mod lists;
mod long;
mod runs;
mod timing;
mod viewers;

use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::workflowservice::TerminateWorkflowExecutionRequest;

use crate::connect::{CALL_TIMEOUT, Client, Server, request};
use crate::error::BenchError;
use crate::report::Report;
use crate::worker::identity;
use http::Site;

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Ui {
    pub(crate) site: String,
    pub(crate) namespace: String,
    /// As many workflows are to be there.
    pub(crate) workflows: u64,
    /// As many events has the long run.
    pub(crate) events: i64,
    /// Event streams of one list.
    pub(crate) viewers: usize,
    /// Requests for each figure.
    pub(crate) samples: usize,
    /// Only fill.
    pub(crate) fill_only: bool,
}

impl Ui {
    /// Measures all of it, and shows each part as soon as it is done.
    pub(crate) async fn run(
        &self,
        server: &Server,
        show: impl Fn(Report),
    ) -> Result<(), BenchError> {
        show(fill::fill(server, &self.namespace, self.workflows).await?);
        let (run, made) = long::make(server, &self.namespace, self.events).await?;
        show(made);
        if self.fill_only {
            return Ok(());
        }
        let target = Target {
            server: server.clone(),
            site: Site::new(&self.site),
            namespace: self.namespace.clone(),
            workflows: self.workflows,
            samples: self.samples.max(1),
        };
        show(lists::weights(&target, &run).await?);
        for report in runs::measure(&target, &run).await? {
            show(report);
        }
        show(lists::filters(&target).await?);
        show(lists::counts(&target).await?);
        show(lists::orders(&target).await?);
        show(lists::deep(&target).await?);
        if let Some(report) = lists::parts(&target).await? {
            show(report);
        }
        show(viewers::changes(&target, &run).await?);
        if self.viewers > 0 {
            show(viewers::many(&target, self.viewers).await?);
        }
        Ok(())
    }
}

/// Terminates a run.
async fn terminate(
    client: &mut Client,
    namespace: &str,
    run: WorkflowExecution,
) -> Result<(), tonic::Status> {
    let terminate = TerminateWorkflowExecutionRequest {
        namespace: namespace.to_string(),
        workflow_execution: Some(run),
        reason: "bench".to_string(),
        identity: identity(),
        ..Default::default()
    };
    client
        .terminate_workflow_execution(request(terminate, CALL_TIMEOUT))
        .await
        .map(drop)
}

/// What every measurement needs.
struct Target {
    server: Server,
    site: Site,
    namespace: String,
    /// Workflows of the filling.
    workflows: u64,
    samples: usize,
}

impl Target {
    /// The path of the list with these parameters, each as name and value.
    fn list(&self, params: &[(&str, &str)]) -> String {
        let params: Vec<_> = params
            .iter()
            .map(|(name, value)| format!("{name}={}", http::escaped(value)))
            .collect();
        let namespace = http::escaped(&self.namespace);
        format!("/namespaces/{namespace}/workflows?{}", params.join("&"))
    }

    fn run(&self, run: &long::Run, rest: &str) -> String {
        format!(
            "/namespaces/{}/workflows/{}/{}{rest}",
            http::escaped(&self.namespace),
            http::escaped(&run.workflow_id),
            run.run_id
        )
    }
}
