//! Requests about a workflow that runs or ran (server-semantics 7).

use steadfast_core::Refusal;
use steadfast_protocol::enums::{HistoryEventFilterType, QueryRejectCondition};
use steadfast_protocol::workflowservice::{
    DeleteWorkflowExecutionRequest, DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryReverseRequest,
    QueryWorkflowRequest, RequestCancelWorkflowExecutionRequest, SignalWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
};

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
        fields::identity(&self.identity)?;
        links::links(&self.links, &[])?;
        fields::blob(context.limits, self.input.as_ref())
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
        fields::identity(&self.identity)?;
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
        fields::identity(&self.identity)?;
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
        )?;
        page_size(self.maximum_page_size)
    }
}

impl Checked for GetWorkflowExecutionHistoryReverseRequest {
    fn scope(&self) -> Scope<'_> {
        Scope::Namespace(&self.namespace)
    }

    fn check(&mut self, _: &Context<'_>) -> Result<(), Refusal> {
        fields::execution(self.execution.as_ref())?;
        page_size(self.maximum_page_size)
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
}

/// Zero means the largest; what is larger than that is cut.
fn page_size(value: i32) -> Result<(), Refusal> {
    if value < 0 {
        return Err(Refusal::invalid("PageSize is negative."));
    }
    Ok(())
}
