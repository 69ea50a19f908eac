//! Lists and counts.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, Row, params};
use steadfast_visibility::{
    Attribute, Count, Filter, GroupBy, List, Page, Position, Record, StoreError, SystemField,
    Value, status_name,
};

use crate::catalog::Catalog;
use crate::codec::decode;
use crate::failed;
use crate::render::Renderer;

const FETCH: &str = "SELECT run_id, workflow_id, type, status, close, start, execution, division, queue, duration, \
    history_length, history_size, transitions, parent_workflow_id, parent_run_id, root_workflow_id, root_run_id, \
    version, attributes, memo FROM runs WHERE id = ?1";

/// A page in the usual order.
pub(crate) fn page(
    connection: &Connection,
    renderer: &Renderer<'_>,
    list: &List<'_>,
) -> Result<Page, StoreError> {
    let after = match list.token {
        [] => None,
        token => Some(Position::decode(token).ok_or(StoreError::InvalidToken)?),
    };
    let records = || -> rusqlite::Result<_> {
        let selection = renderer.selection(connection, list.filter)?;
        let (sql, parameters) =
            renderer.page(selection, list.filter, after.as_ref(), list.page_size);
        let mut statement = connection.prepare_cached(&sql)?;
        let ids = statement.query_map(&*parameters.values(), |row| row.get(0))?;
        let ids: Vec<i64> = ids.collect::<rusqlite::Result<_>>()?;
        fetched(connection, &ids, list.namespace_id, renderer.catalog)
    };
    let records = records().map_err(failed)?;
    let next_page_token = match records.last() {
        Some(last) if records.len() == list.page_size => Position::of(last).encode(),
        _ => Vec::new(),
    };
    Ok(Page {
        records,
        next_page_token,
    })
}

/// The runs with these numbers.
pub(crate) fn fetched(
    connection: &Connection,
    ids: &[i64],
    namespace_id: &str,
    catalog: &Catalog,
) -> rusqlite::Result<Vec<Record>> {
    let mut fetch = connection.prepare_cached(FETCH)?;
    let records = ids
        .iter()
        .map(|id| fetch.query_row(params![id], |row| record(row, namespace_id, catalog)));
    records.collect()
}

fn record(row: &Row<'_>, namespace_id: &str, catalog: &Catalog) -> rusqlite::Result<Record> {
    let close: i64 = row.get(4)?;
    let pair = |first: usize, second: usize| -> rusqlite::Result<Option<(String, String)>> {
        Ok(row.get::<_, Option<String>>(first)?.zip(row.get(second)?))
    };
    let mut search_attributes = Vec::new();
    for (id, value) in decode(row.get_ref(18)?.as_blob_or_null()?.unwrap_or_default()) {
        if let Some(name) = catalog.attribute_name(id) {
            search_attributes.push((name.to_string(), value.to_value()));
        }
    }
    if let Some(division) = row.get::<_, Option<String>>(7)? {
        let name = Attribute::namespace_division().name().to_owned();
        search_attributes.insert(0, (name, Value::Keyword(division)));
    }
    Ok(Record {
        namespace_id: namespace_id.to_owned(),
        run_id: row.get(0)?,
        workflow_id: row.get(1)?,
        workflow_type: row.get(2)?,
        status: row.get(3)?,
        close_time: (close != Position::OPEN).then(|| nanos(close)),
        start_time: nanos(row.get(5)?),
        execution_time: nanos(row.get(6)?),
        task_queue: row.get(8)?,
        execution_duration: row.get(9)?,
        history_length: row.get(10)?,
        history_size_bytes: row.get(11)?,
        state_transition_count: row.get(12)?,
        parent: pair(13, 14)?,
        root: pair(15, 16)?,
        version: row.get::<_, i64>(17)?.try_into().unwrap_or_default(),
        memo: row
            .get_ref(19)?
            .as_blob_or_null()?
            .map(Bytes::copy_from_slice)
            .unwrap_or_default(),
        search_attributes,
    })
}

fn nanos(micros: i64) -> i64 {
    micros.saturating_mul(1000)
}

/// Groups in order: by status number, or by division.
type Groups = BTreeMap<(i32, String), u64>;

pub(crate) fn count(
    connection: &Connection,
    renderer: &Renderer<'_>,
    filter: &Filter,
    group_by: Option<GroupBy>,
) -> rusqlite::Result<Count> {
    let groups = if is_counted(filter) {
        counted(connection, renderer.namespace, filter, group_by)?
    } else {
        searched(connection, renderer, filter, group_by)?
    };
    let total = groups.values().sum();
    let groups = match group_by {
        Some(_) => groups
            .into_iter()
            .map(|((_, name), count)| (name, count))
            .collect(),
        None => Vec::new(),
    };
    Ok(Count { total, groups })
}

/// Whether the counters alone answer the filter.
fn is_counted(filter: &Filter) -> bool {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().all(is_counted),
        Filter::Not(filter) => is_counted(filter),
        Filter::Test(Attribute::System(field), _) => {
            matches!(
                field,
                SystemField::ExecutionStatus | SystemField::WorkflowType
            )
        }
        Filter::Test(attribute, _) => *attribute == Attribute::namespace_division(),
    }
}

/// Adds up the counters of which the filter holds: each stands for runs that it cannot tell apart.
fn counted(
    connection: &Connection,
    namespace: i64,
    filter: &Filter,
    group_by: Option<GroupBy>,
) -> rusqlite::Result<Groups> {
    let mut groups = Groups::new();
    let mut statement = connection
        .prepare_cached("SELECT status, type, division, runs FROM counters WHERE ns = ?1")?;
    let mut rows = statement.query(params![namespace])?;
    while let Some(row) = rows.next()? {
        let division: String = row.get(2)?;
        let division = division.strip_prefix(':');
        let attribute = |division: &str| {
            (
                Attribute::namespace_division().name().to_owned(),
                Value::Keyword(division.to_owned()),
            )
        };
        let representative = Record {
            status: row.get(0)?,
            workflow_type: row.get(1)?,
            search_attributes: division.map(attribute).into_iter().collect(),
            ..Record::default()
        };
        if filter.matches(&representative) {
            let group = group(group_by, representative.status, division);
            *groups.entry(group).or_default() += row.get::<_, i64>(3)?.unsigned_abs();
        }
    }
    Ok(groups)
}

fn searched(
    connection: &Connection,
    renderer: &Renderer<'_>,
    filter: &Filter,
    group_by: Option<GroupBy>,
) -> rusqlite::Result<Groups> {
    let column = match group_by {
        Some(GroupBy::ExecutionStatus) => "r.status",
        Some(GroupBy::NamespaceDivision) => "r.division",
        None => "NULL",
    };
    let selection = renderer.selection(connection, filter)?;
    let (sql, parameters) = renderer.count(selection, filter, column);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(&*parameters.values())?;
    let mut groups = Groups::new();
    while let Some(row) = rows.next()? {
        let value = row.get_ref(0)?;
        let status = value
            .as_i64()
            .unwrap_or_default()
            .try_into()
            .unwrap_or_default();
        let group = group(group_by, status, value.as_str().ok());
        *groups.entry(group).or_default() += row.get::<_, i64>(1)?.unsigned_abs();
    }
    Ok(groups)
}

fn group(group_by: Option<GroupBy>, status: i32, division: Option<&str>) -> (i32, String) {
    match group_by {
        Some(GroupBy::ExecutionStatus) => (status, status_name(status).to_owned()),
        Some(GroupBy::NamespaceDivision) => (0, division.unwrap_or_default().to_owned()),
        None => (0, String::new()),
    }
}
