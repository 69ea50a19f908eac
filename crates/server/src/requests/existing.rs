//! Requests about a workflow that runs or ran (server-semantics 7).

use steadfast_core::Refusal;
use steadfast_protocol::common::WorkflowExecution;
use steadfast_protocol::enums::{HistoryEventFilterType, QueryRejectCondition};
use steadfast_protocol::workflowservice::{
    DeleteWorkflowExecutionRequest, DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryReverseRequest,
    QueryWorkflowRequest, RequestCancelWorkflowExecutionRequest, SignalWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
};

use super::sizes::Sizes;
use super::{Checked, Context, Scope, fields, links};

impl Checked for SignalWorkflowExecutionRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn check(&mut self, context: &Context<'_>) -> Result<(), Refusal> {
        fields::execution(self.workflow_execution.as_ref())?;
        fields::set(&self.signal_name, "SignalName is not set on request.")?;
        fields::length("SignalName", &self.signal_name)?;
        // Left empty if it is: a signal without request id is never taken for a repeated one.
        fields::length("RequestId", &self.request_id)?;
        links::links(&self.links, &[])?;
        fields::blob(context.limits, self.input.as_ref())
    }

    fn sizes(&self) -> Sizes<'_> {
        of_execution(self.workflow_execution.as_ref()).blob(self.input.as_ref())
    }
}

impl Checked for RequestCancelWorkflowExecutionRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn check(&mut self, _: &Context<'_>) -> Result<(), Refusal> {
        fields::execution(self.workflow_execution.as_ref())?;
        fields::length("RequestId", &self.request_id)?;
        fields::length("FirstExecutionRunId", &self.first_execution_run_id)?;
        links::links(&self.links, &[])
    }
}

impl Checked for TerminateWorkflowExecutionRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn check(&mut self, context: &Context<'_>) -> Result<(), Refusal> {
        fields::execution(self.workflow_execution.as_ref())?;
        fields::length("FirstExecutionRunId", &self.first_execution_run_id)?;
        links::links(&self.links, &[])?;
        fields::blob(context.limits, self.details.as_ref())
    }
}

impl Checked for DeleteWorkflowExecutionRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn check(&mut self, _: &Context<'_>) -> Result<(), Refusal> {
        fields::execution(self.workflow_execution.as_ref())
    }
}

impl Checked for DescribeWorkflowExecutionRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn check(&mut self, _: &Context<'_>) -> Result<(), Refusal> {
        fields::execution(self.execution.as_ref())
    }
}

impl Checked for GetWorkflowExecutionHistoryRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn check(&mut self, _: &Context<'_>) -> Result<(), Refusal> {
        fields::execution(self.execution.as_ref())?;
        fields::enumeration::<HistoryEventFilterType>(
            "HistoryEventFilterType",
            self.history_event_filter_type,
        )
    }
}

impl Checked for GetWorkflowExecutionHistoryReverseRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn check(&mut self, _: &Context<'_>) -> Result<(), Refusal> {
        fields::execution(self.execution.as_ref())
    }
}

impl Checked for QueryWorkflowRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn check(&mut self, context: &Context<'_>) -> Result<(), Refusal> {
        fields::execution(self.execution.as_ref())?;
        let Some(query) = &self.query else {
            return Err(Refusal::invalid("WorkflowQuery is not set on request."));
        };
        fields::set(&query.query_type, "QueryType is not set on request.")?;
        fields::length("QueryType", &query.query_type)?;
        fields::enumeration::<QueryRejectCondition>(
            "QueryRejectCondition",
            self.query_reject_condition,
        )?;
        fields::blob(context.limits, query.query_args.as_ref())
    }

    fn sizes(&self) -> Sizes<'_> {
        let arguments = self.query.as_ref().and_then(|it| it.query_args.as_ref());
        of_execution(self.execution.as_ref()).blob(arguments)
    }
}

fn of_execution(execution: Option<&WorkflowExecution>) -> Sizes<'_> {
    execution.map_or_else(Sizes::default, |it| Sizes::of(&it.workflow_id, &it.run_id))
}
