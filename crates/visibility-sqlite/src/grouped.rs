//! Lists sorted by the status or by the type: the usual lists of each, one after the other. So they need no index but
//! those of the usual lists.

use rusqlite::Connection;
use steadfast_visibility::{
    Attribute, Comparison, Filter, List, Page, Position, Predicate, Sort, SortKey, SortedPosition,
    StoreError, SystemField, Value,
};

use crate::failed;
use crate::plan::Selection;
use crate::read::in_order;
use crate::render::{Parameters, Renderer};
use crate::sorted::key;

/// The column by which a list is grouped, if the sort is by one of these.
pub(crate) fn column(sort: &Sort) -> Option<&'static str> {
    match sort.attribute {
        Attribute::System(SystemField::ExecutionStatus) => Some("status"),
        Attribute::System(SystemField::WorkflowType) => Some("type"),
        _ => None,
    }
}

/// A page of a list that is sorted by this column.
pub(crate) fn page(
    connection: &Connection,
    renderer: &Renderer<'_>,
    list: &List<'_>,
    sort: &Sort,
    column: &str,
) -> Result<Page, StoreError> {
    let after = match list.token {
        [] => None,
        token => Some(place(token).ok_or(StoreError::InvalidToken)?),
    };
    let records = || -> rusqlite::Result<_> {
        let selection = renderer.selection(connection, list.filter)?;
        let mut groups = groups(connection, renderer, column, selection)?;
        // Statuses are numbers and types are strings, so that any two have an order.
        groups.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
        if sort.descending {
            groups.reverse();
        }
        if let Some((last, _)) = &after {
            let passed = |group: &SortKey| match sort.descending {
                true => group > last,
                false => group < last,
            };
            groups.retain(|group| !passed(group));
        }
        let mut records = Vec::new();
        for group in groups {
            let rest = list.page_size.saturating_sub(records.len());
            if rest == 0 {
                break;
            }
            let position = after.as_ref().filter(|(last, _)| *last == group);
            let position = position.map(|(_, position)| position);
            let filter = list.filter.clone().and(is_of(sort, group));
            let list = List {
                filter: &filter,
                page_size: rest,
                ..*list
            };
            records.extend(in_order(connection, renderer, &list, position)?);
        }
        Ok(records)
    };
    let records = records().map_err(failed)?;
    let next_page_token = match records.last() {
        Some(last) if records.len() == list.page_size => SortedPosition {
            key: sort.key(last),
            tie: Position::of(last).encode(),
        }
        .encode(),
        _ => Vec::new(),
    };
    Ok(Page {
        records,
        next_page_token,
    })
}

fn place(token: &[u8]) -> Option<(SortKey, Position)> {
    let place = SortedPosition::decode(token)?;
    Some((place.key?, Position::decode(&place.tie)?))
}

/// The values of the column that there are, among few runs or all.
fn groups(
    connection: &Connection,
    renderer: &Renderer<'_>,
    column: &str,
    selection: Option<Selection>,
) -> rusqlite::Result<Vec<SortKey>> {
    let namespace = renderer.namespace;
    let (sql, parameters) = match selection {
        Some(selection) => (
            format!(
                "SELECT DISTINCT r.{column} FROM runs r NOT INDEXED WHERE r.ns = {namespace} AND r.id IN ({})",
                selection.sql()
            ),
            selection.parameters(),
        ),
        None => (
            format!("SELECT DISTINCT {column} FROM counters WHERE ns = {namespace}"),
            Parameters::default(),
        ),
    };
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(&*parameters.values())?;
    let mut groups = Vec::new();
    while let Some(row) = rows.next()? {
        groups.extend(key(row.get_ref(0)?));
    }
    Ok(groups)
}

fn is_of(sort: &Sort, group: SortKey) -> Filter {
    let value = match group {
        SortKey::Int(status) => Value::Int(status),
        SortKey::Double(number) => Value::Double(number),
        SortKey::String(name) => Value::Keyword(name),
    };
    Filter::Test(
        sort.attribute.clone(),
        Predicate::Compare(Comparison::Equal, value),
    )
}
