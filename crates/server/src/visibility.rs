//! Lists and counts of workflows (server-semantics 9.1).

use prost::Message;
use steadfast_core::Refusal;
use steadfast_protocol::common::{Memo, WorkflowExecution, WorkflowType};
use steadfast_protocol::enums::WorkflowExecutionStatus;
use steadfast_protocol::filter::{
    StartTimeFilter, StatusFilter, WorkflowExecutionFilter, WorkflowTypeFilter,
};
use steadfast_protocol::workflow::WorkflowExecutionInfo;
use steadfast_protocol::workflowservice::count_workflow_executions_response::AggregationGroup;
use steadfast_protocol::workflowservice::list_closed_workflow_executions_request::Filters as ClosedFilters;
use steadfast_protocol::workflowservice::list_open_workflow_executions_request::Filters as OpenFilters;
use steadfast_protocol::workflowservice::{
    CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse,
    ListClosedWorkflowExecutionsRequest, ListClosedWorkflowExecutionsResponse,
    ListOpenWorkflowExecutionsRequest, ListOpenWorkflowExecutionsResponse,
    ListWorkflowExecutionsRequest, ListWorkflowExecutionsResponse, ScanWorkflowExecutionsRequest,
    ScanWorkflowExecutionsResponse,
};
use steadfast_protocol::{Duration, Timestamp};
use steadfast_visibility::{
    Attribute, Comparison, Filter, List, Predicate, Record, Scope, Sort, StoreError, SystemField,
    Value, encode_attributes, group_payload, parse_count, parse_extended_count, parse_list,
    parse_sorted_list,
};
use tonic::Status;

use crate::frontend::Frontend;
use crate::searches::{Kind, Search, Terms, too_late};
use crate::status::status;

const PAGE_SIZE_MAX: usize = 1000;
const NANOS: i64 = 1_000_000_000;

impl Frontend {
    pub(crate) async fn list_workflow_executions(
        &self,
        request: ListWorkflowExecutionsRequest,
        terms: Terms,
    ) -> Result<ListWorkflowExecutionsResponse, Status> {
        self.search(Kind::Page, terms, move |frontend, search| {
            let namespace = frontend.usable(&request.namespace)?;
            let (query, custom) = (&request.query, &namespace.search_attributes);
            let parsed = match terms.extended {
                true => parse_sorted_list(query, custom, Scope::Workflows),
                false => parse_list(query, custom, Scope::Workflows).map(|filter| (filter, None)),
            };
            let (filter, sort) =
                parsed.map_err(|error| Refusal::InvalidArgument(error.to_string()))?;
            let (executions, next_page_token) = search.page(
                &namespace.id,
                (&filter, sort.as_ref()),
                request.page_size,
                &request.next_page_token,
            )?;
            Ok(ListWorkflowExecutionsResponse {
                executions,
                next_page_token: next_page_token.into(),
            })
        })
        .await
    }

    pub(crate) async fn scan_workflow_executions(
        &self,
        request: ScanWorkflowExecutionsRequest,
        terms: Terms,
    ) -> Result<ScanWorkflowExecutionsResponse, Status> {
        let request = ListWorkflowExecutionsRequest {
            namespace: request.namespace,
            page_size: request.page_size,
            next_page_token: request.next_page_token,
            query: request.query,
        };
        let answer = self.list_workflow_executions(request, terms).await?;
        Ok(ScanWorkflowExecutionsResponse {
            executions: answer.executions,
            next_page_token: answer.next_page_token,
        })
    }

    pub(crate) async fn count_workflow_executions(
        &self,
        request: CountWorkflowExecutionsRequest,
        terms: Terms,
    ) -> Result<CountWorkflowExecutionsResponse, Status> {
        self.search(Kind::Count, terms, move |frontend, search| {
            let namespace = frontend.usable(&request.namespace)?;
            let parse = match terms.extended {
                true => parse_extended_count,
                false => parse_count,
            };
            let query = parse(
                &request.query,
                &namespace.search_attributes,
                Scope::Workflows,
            )
            .map_err(|error| Refusal::InvalidArgument(error.to_string()))?;
            let count = search
                .store
                .tally(&namespace.id, &query.filter, query.group_by, &search.caller)
                .map_err(refusal)?;
            Ok(CountWorkflowExecutionsResponse {
                count: as_count(count.total),
                groups: count
                    .groups
                    .iter()
                    .map(|(group, count)| AggregationGroup {
                        group_values: vec![group_payload(group)],
                        count: as_count(*count),
                    })
                    .collect(),
            })
        })
        .await
    }

    pub(crate) async fn list_open_workflow_executions(
        &self,
        request: ListOpenWorkflowExecutionsRequest,
        terms: Terms,
    ) -> Result<ListOpenWorkflowExecutionsResponse, Status> {
        self.search(Kind::Page, terms, move |frontend, search| {
            let namespace = frontend.usable(&request.namespace)?;
            let mut filter = status_is(Comparison::Equal, WorkflowExecutionStatus::Running)
                .and(users_own())
                .and(within(
                    SystemField::StartTime,
                    request.start_time_filter.as_ref(),
                )?);
            match &request.filters {
                Some(OpenFilters::ExecutionFilter(wanted)) => filter = filter.and(is_run(wanted)),
                Some(OpenFilters::TypeFilter(wanted)) => filter = filter.and(is_of_type(wanted)),
                None => {}
            }
            let (executions, next_page_token) = search.page(
                &namespace.id,
                (&filter, None),
                request.maximum_page_size,
                &request.next_page_token,
            )?;
            Ok(ListOpenWorkflowExecutionsResponse {
                executions,
                next_page_token: next_page_token.into(),
            })
        })
        .await
    }

    pub(crate) async fn list_closed_workflow_executions(
        &self,
        request: ListClosedWorkflowExecutionsRequest,
        terms: Terms,
    ) -> Result<ListClosedWorkflowExecutionsResponse, Status> {
        self.search(Kind::Page, terms, move |frontend, search| {
            let namespace = frontend.usable(&request.namespace)?;
            let mut filter = status_is(Comparison::NotEqual, WorkflowExecutionStatus::Running)
                .and(users_own())
                .and(within(
                    SystemField::CloseTime,
                    request.start_time_filter.as_ref(),
                )?);
            match &request.filters {
                Some(ClosedFilters::ExecutionFilter(wanted)) => filter = filter.and(is_run(wanted)),
                Some(ClosedFilters::TypeFilter(wanted)) => filter = filter.and(is_of_type(wanted)),
                Some(ClosedFilters::StatusFilter(wanted)) => {
                    filter = filter.and(has_closed_as(wanted)?);
                }
                None => {}
            }
            let (executions, next_page_token) = search.page(
                &namespace.id,
                (&filter, None),
                request.maximum_page_size,
                &request.next_page_token,
            )?;
            Ok(ListClosedWorkflowExecutionsResponse {
                executions,
                next_page_token: next_page_token.into(),
            })
        })
        .await
    }

    /// Runs a search where it may block, when there is a place for it and for as long as its caller waits. It finds what
    /// was acknowledged before it was asked for.
    async fn search<T: Send + 'static>(
        &self,
        kind: Kind,
        terms: Terms,
        work: impl FnOnce(&Self, &Search) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Status> {
        self.engine.visible().await;
        let begun = self.searches.begin(kind, terms.deadline).await;
        let (search, _presence) = begun.map_err(status)?;
        self.blocking(move |frontend| work(frontend, &search)).await
    }
}

impl Search {
    /// A page of a list, and the token of the next one.
    fn page(
        &self,
        namespace_id: &str,
        (filter, sort): (&Filter, Option<&Sort>),
        size: i32,
        token: &[u8],
    ) -> Result<(Vec<WorkflowExecutionInfo>, Vec<u8>), Refusal> {
        let list = List {
            namespace_id,
            filter,
            sort,
            page_size: page_size(size),
            token,
        };
        let page = self.store.page(&list, &self.caller).map_err(refusal)?;
        let executions = page.records.into_iter().map(shown).collect();
        Ok((executions, page.next_page_token))
    }
}

fn page_size(asked: i32) -> usize {
    usize::try_from(asked)
        .ok()
        .filter(|size| (1..=PAGE_SIZE_MAX).contains(size))
        .unwrap_or(PAGE_SIZE_MAX)
}

fn refusal(error: StoreError) -> Refusal {
    match error {
        StoreError::InvalidToken => Refusal::invalid("Invalid NextPageToken."),
        StoreError::Abandoned => too_late(),
        StoreError::Damaged(_) | StoreError::Failed(_) => {
            tracing::error!(%error, "visibility failed");
            Refusal::Unavailable(error.to_string())
        }
    }
}

fn as_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn compare(field: SystemField, comparison: Comparison, value: Value) -> Filter {
    Filter::Test(
        Attribute::System(field),
        Predicate::Compare(comparison, value),
    )
}

fn status_is(comparison: Comparison, status: WorkflowExecutionStatus) -> Filter {
    compare(
        SystemField::ExecutionStatus,
        comparison,
        Value::Int(i64::from(status as i32)),
    )
}

/// The runs that users started, not the server's own.
fn users_own() -> Filter {
    Filter::Test(Attribute::namespace_division(), Predicate::IsNull)
}

fn is_run(wanted: &WorkflowExecutionFilter) -> Filter {
    let keyword =
        |field, value: &String| compare(field, Comparison::Equal, Value::Keyword(value.clone()));
    let filter = keyword(SystemField::WorkflowId, &wanted.workflow_id);
    match wanted.run_id.as_str() {
        "" => filter,
        _ => filter.and(keyword(SystemField::RunId, &wanted.run_id)),
    }
}

fn is_of_type(wanted: &WorkflowTypeFilter) -> Filter {
    compare(
        SystemField::WorkflowType,
        Comparison::Equal,
        Value::Keyword(wanted.name.clone()),
    )
}

fn has_closed_as(wanted: &StatusFilter) -> Result<Filter, Refusal> {
    match WorkflowExecutionStatus::try_from(wanted.status) {
        Err(_) | Ok(WorkflowExecutionStatus::Unspecified | WorkflowExecutionStatus::Running) => {
            Err(Refusal::invalid(
                "StatusFilter must be specified and must be not Running.",
            ))
        }
        Ok(status) => Ok(status_is(Comparison::Equal, status)),
    }
}

fn within(field: SystemField, range: Option<&StartTimeFilter>) -> Result<Filter, Refusal> {
    let micros = |time: &Option<Timestamp>| {
        let time = time.as_ref()?;
        let seconds = time.seconds.saturating_mul(1_000_000);
        Some(seconds.saturating_add(i64::from(time.nanos) / 1000))
    };
    let earliest = range.and_then(|range| micros(&range.earliest_time));
    let latest = range.and_then(|range| micros(&range.latest_time));
    if let (Some(earliest), Some(latest)) = (earliest, latest)
        && earliest > latest
    {
        return Err(Refusal::invalid(
            "EarliestTime in StartTimeFilter should not be larger than LatestTime.",
        ));
    }
    let bound =
        |comparison, at: Option<i64>| at.map(|at| compare(field, comparison, Value::Datetime(at)));
    let bounds = [
        bound(Comparison::GreaterOrEqual, earliest),
        bound(Comparison::LessOrEqual, latest),
    ];
    Ok(Filter::And(bounds.into_iter().flatten().collect()))
}

/// A run as lists show it.
fn shown(record: Record) -> WorkflowExecutionInfo {
    let execution = WorkflowExecution {
        workflow_id: record.workflow_id,
        run_id: record.run_id,
    };
    let named = |(workflow_id, run_id)| WorkflowExecution {
        workflow_id,
        run_id,
    };
    WorkflowExecutionInfo {
        r#type: Some(WorkflowType {
            name: record.workflow_type,
        }),
        start_time: Some(timestamp(record.start_time)),
        close_time: record.close_time.map(timestamp),
        status: record.status,
        history_length: record.history_length.unwrap_or_default(),
        parent_execution: record.parent.map(named),
        execution_time: Some(timestamp(record.execution_time)),
        // What was stored was encoded by this server; a memo that is none is as good as empty.
        memo: Some(Memo::decode(record.memo).unwrap_or_default()),
        search_attributes: Some(encode_attributes(&record.search_attributes)),
        task_queue: record.task_queue,
        state_transition_count: record.state_transition_count.unwrap_or_default(),
        history_size_bytes: record.history_size_bytes.unwrap_or_default(),
        execution_duration: record.execution_duration.map(|nanos| Duration {
            seconds: nanos / NANOS,
            nanos: (nanos % NANOS) as i32,
        }),
        root_execution: Some(record.root.map_or_else(|| execution.clone(), named)),
        execution: Some(execution),
        ..WorkflowExecutionInfo::default()
    }
}

fn timestamp(nanos: i64) -> Timestamp {
    Timestamp {
        seconds: nanos.div_euclid(NANOS),
        nanos: nanos.rem_euclid(NANOS) as i32,
    }
}
