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
use crate::order::{Stage, is_closed};
use crate::plan::{COUNTED_MAX, Selection, conjuncts};
use crate::render::{Parameters, Renderer};

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
    let records = in_order(connection, renderer, list, after.as_ref()).map_err(failed)?;
    let next_page_token = match records.last() {
        Some(last) if records.len() == list.page_size => Position::of(last).encode(),
        _ => Vec::new(),
    };
    Ok(Page {
        records,
        next_page_token,
    })
}

/// The first runs after that place in the usual order.
pub(crate) fn in_order(
    connection: &Connection,
    renderer: &Renderer<'_>,
    list: &List<'_>,
    after: Option<&Position>,
) -> rusqlite::Result<Vec<Record>> {
    let ids = match renderer.selection(connection, list.filter)? {
        Some(selection) => {
            let size = list.page_size;
            let page = renderer.selected_page(selection, list.filter, after, size);
            numbers(connection, &page)?
        }
        None if !is_possible(connection, renderer.namespace, list.filter)? => Vec::new(),
        None => {
            let mut ids = Vec::new();
            for stage in [Stage::Open, Stage::Closed] {
                let rest = list.page_size.saturating_sub(ids.len());
                let page = renderer.ordered_page(stage, list.filter, after, rest);
                if let Some(page) = page.filter(|_| rest > 0) {
                    ids.extend(numbers(connection, &page)?);
                }
            }
            ids
        }
    };
    fetched(connection, &ids, list.namespace_id, renderer.catalog)
}

/// Whether there is a run of which all holds that the counters know of the filter.
fn is_possible(connection: &Connection, namespace: i64, filter: &Filter) -> rusqlite::Result<bool> {
    let mut parts = Vec::new();
    conjuncts(filter, &mut parts);
    let known = parts.into_iter().filter(|part| is_counted(part)).cloned();
    let groups = counted(connection, namespace, &Filter::And(known.collect()), None)?;
    Ok(groups.values().any(|runs| *runs > 0))
}

/// The numbers that a statement finds.
fn numbers(
    connection: &Connection,
    (sql, parameters): &(String, Parameters),
) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement.query_map(&*parameters.values(), |row| row.get(0))?;
    ids.collect()
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
    let mut parts = Vec::new();
    conjuncts(filter, &mut parts);
    let (known, others): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| is_counted(part));
    let fewer = match &others[..] {
        [part] => renderer.fewer_closed(connection, part)?,
        _ => None,
    };
    let known = Filter::And(known.into_iter().cloned().collect());
    let groups = match &others[..] {
        [] => counted(connection, renderer.namespace, &known, group_by)?,
        _ if let Some(fewer) = fewer => {
            let closed = known.clone().and(is_closed());
            let all = counted(connection, renderer.namespace, &closed, group_by)?;
            let fewer = known.and(fewer);
            less(all, searched(connection, renderer, None, &fewer, group_by)?)
        }
        others => {
            // What the one part leaves out may be less than what it leaves.
            let left_out = match others {
                [part] => Renderer::left_out_by(part),
                _ => None,
            };
            let left_out = match left_out {
                Some(left_out) => renderer
                    .selection_below(connection, &left_out, COUNTED_MAX)?
                    .map(|(count, selection)| (count, selection, known.clone().and(left_out))),
                None => None,
            };
            let most = left_out.as_ref().map_or(COUNTED_MAX, |(count, ..)| *count);
            let selection = renderer.selection_below(connection, filter, most)?;
            match (selection, left_out) {
                (None, Some((_, selection, left_out))) => {
                    let all = counted(connection, renderer.namespace, &known, group_by)?;
                    let selection = Some(selection);
                    less(
                        all,
                        searched(connection, renderer, selection, &left_out, group_by)?,
                    )
                }
                (selection, _) => {
                    let selection = selection.map(|(_, selection)| selection);
                    searched(connection, renderer, selection, filter, group_by)?
                }
            }
        }
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

/// The runs of the one without those of the other.
fn less(mut all: Groups, others: Groups) -> Groups {
    for (group, count) in others {
        let left = all.entry(group).or_default();
        *left = left.saturating_sub(count);
    }
    all.retain(|_, count| *count > 0);
    all
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
    selection: Option<Selection>,
    filter: &Filter,
    group_by: Option<GroupBy>,
) -> rusqlite::Result<Groups> {
    let column = match group_by {
        Some(GroupBy::ExecutionStatus) => "r.status",
        Some(GroupBy::NamespaceDivision) => "r.division",
        None => "NULL",
    };
    let mut groups = Groups::new();
    for (sql, parameters) in renderer.count(selection, filter, column) {
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(&*parameters.values())?;
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
