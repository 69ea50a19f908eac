//! Runs that exist: signal, cancel, terminate, delete, describe.

use steadfast_core::addressee::Addressee;
use steadfast_core::signal::Signal;
use steadfast_core::{Refusal, cancel, describe, signal, terminate};
use steadfast_protocol::common::link::workflow_event::{Reference, RequestIdReference};
use steadfast_protocol::enums::EventType;
use steadfast_protocol::workflowservice::{
    DeleteWorkflowExecutionRequest, DeleteWorkflowExecutionResponse,
    DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse,
    RequestCancelWorkflowExecutionRequest, RequestCancelWorkflowExecutionResponse,
    SignalWorkflowExecutionRequest, SignalWorkflowExecutionResponse,
    TerminateWorkflowExecutionRequest, TerminateWorkflowExecutionResponse,
};

use super::start::link;
use super::{Call, names, require};
use crate::Engine;
use crate::view::View;

impl Engine {
    /// Records a signal.
    ///
    /// # Errors
    /// NOT_FOUND for a run that is closed or unknown; INVALID_ARGUMENT for sizes and counts.
    pub async fn signal_workflow_execution(
        &self,
        call: Call,
        request: SignalWorkflowExecutionRequest,
    ) -> Result<SignalWorkflowExecutionResponse, Refusal> {
        let request_id = request.request_id.clone();
        let message = Signal {
            name: request.signal_name,
            input: request.input,
            identity: request.identity,
            request_id: request.request_id,
            header: request.header,
            links: request.links,
            ..Signal::default()
        };
        let execution = request.workflow_execution.as_ref();
        let (key, ()) = self
            .change_run(&call, execution, |run, cx| {
                Ok((signal::signal(run, cx, message, false)?, ()))
            })
            .await?;
        let reference = Reference::RequestIdRef(RequestIdReference {
            request_id,
            event_type: EventType::WorkflowExecutionSignaled as i32,
        });
        Ok(SignalWorkflowExecutionResponse {
            link: Some(link(&call.namespace.name, &key, reference)),
        })
    }

    /// Records the wish that the run cancels itself. A closed run is content already.
    ///
    /// # Errors
    /// NOT_FOUND for a run that is unknown or of another chain.
    pub async fn request_cancel_workflow_execution(
        &self,
        call: Call,
        request: RequestCancelWorkflowExecutionRequest,
    ) -> Result<RequestCancelWorkflowExecutionResponse, Refusal> {
        let mut execution = request.workflow_execution.unwrap_or_default();
        if !request.first_execution_run_id.is_empty() {
            execution.run_id.clear();
        }
        let wish = cancel::CancelRequest {
            reason: request.reason,
            identity: request.identity,
            request_id: request.request_id,
            links: request.links,
            addressee: Addressee {
                first_execution_run_id: request.first_execution_run_id,
                parent: None,
            },
            ..Default::default()
        };
        self.change_run(&call, Some(&execution), |run, cx| {
            Ok((cancel::request(run, cx, wish)?, ()))
        })
        .await?;
        Ok(RequestCancelWorkflowExecutionResponse {})
    }

    /// Closes the run at once.
    ///
    /// # Errors
    /// NOT_FOUND for a run that is closed, unknown or of another chain.
    pub async fn terminate_workflow_execution(
        &self,
        call: Call,
        request: TerminateWorkflowExecutionRequest,
    ) -> Result<TerminateWorkflowExecutionResponse, Refusal> {
        let mut execution = request.workflow_execution.unwrap_or_default();
        if !request.first_execution_run_id.is_empty() {
            execution.run_id.clear();
        }
        let params = terminate::TerminateParams {
            reason: request.reason,
            details: request.details,
            identity: request.identity,
            links: request.links,
            addressee: Addressee {
                first_execution_run_id: request.first_execution_run_id,
                parent: None,
            },
        };
        self.change_run(&call, Some(&execution), |run, cx| {
            Ok((Some(terminate::terminate(run, cx, params)?), ()))
        })
        .await?;
        Ok(TerminateWorkflowExecutionResponse {})
    }

    /// Deletes a run; an open one is terminated first. The rows go a moment later.
    ///
    /// # Errors
    /// NOT_FOUND for an unknown run.
    pub async fn delete_workflow_execution(
        &self,
        call: Call,
        request: DeleteWorkflowExecutionRequest,
    ) -> Result<DeleteWorkflowExecutionResponse, Refusal> {
        let execution = request.workflow_execution.as_ref();
        self.change_run(&call, execution, |run, cx| {
            Ok((Some(terminate::delete(run, cx)?), ()))
        })
        .await?;
        Ok(DeleteWorkflowExecutionResponse {})
    }

    /// The run as it stands.
    ///
    /// # Errors
    /// NOT_FOUND for an unknown run.
    pub async fn describe_workflow_execution(
        &self,
        call: Call,
        request: DescribeWorkflowExecutionRequest,
    ) -> Result<DescribeWorkflowExecutionResponse, Refusal> {
        let node = self.node();
        let (durability, response) = {
            let (workflow_id, run_id) = names(request.execution.as_ref());
            let mut shard = node.lock_of(&call.namespace.id, workflow_id);
            let key = require(&mut shard, &call.namespace, workflow_id, run_id)?;
            let view = View::new(node, &call.namespace);
            let cx = view.context(node, node.now());
            let response = describe::describe(shard.run(&key), &cx);
            (shard.durability(&key), response)
        };
        durability.reached().await?;
        Ok(response)
    }
}
