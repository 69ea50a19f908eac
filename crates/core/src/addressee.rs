//! Which run a caller means, beyond its ids (server-semantics 7.3, 15.8).

use steadfast_protocol::common::WorkflowExecution;

use crate::execution::Execution;
use crate::refusal::Refusal;

/// What the caller knows of the run it addresses. By default nothing: any run will do.
#[derive(Clone, Debug, Default)]
pub struct Addressee {
    /// The first run of its chain; empty if the caller does not care.
    pub first_execution_run_id: String,
    /// The parent it has to have.
    pub parent: Option<WorkflowExecution>,
}

impl Addressee {
    /// Whether `run` is meant.
    ///
    /// # Errors
    /// NOT_FOUND if the run belongs to another chain, or is not a child of that parent.
    pub fn check(&self, run: &Execution) -> Result<(), Refusal> {
        let started = run.start_attributes();
        if !self.first_execution_run_id.is_empty()
            && self.first_execution_run_id != started.first_execution_run_id
        {
            return Err(Refusal::not_found("workflow execution not found"));
        }
        if self.parent.is_some() && self.parent != started.parent_workflow_execution {
            return Err(Refusal::not_found("workflow parent does not match"));
        }
        Ok(())
    }
}
