//! Lists in another order than the usual one: by the value of an attribute. Those by status or type are in
//! [`crate::grouped`].
//!
//! An index leads through the runs in that order: of a custom attribute the one that it has anyway, of some fields of the
//! runs one of the schema, of others one that is made when the field is first sorted by, so that nobody pays for it who
//! never sorts. Until it is there, the first runs are picked from all. A page is read in ranges, one after the other until
//! it is full: the runs with the value at which the last page ended, those beyond it, those without a value. As in
//! [`crate::plan`], few runs that a part of the filter selects are sorted instead.

use rusqlite::types::{ToSqlOutput, Value as Sql, ValueRef};
use rusqlite::{Connection, ToSql, params};
use steadfast_visibility::{
    Attribute, Filter, List, Page, SearchAttributeType, Sort, SortKey, SortedPosition, StoreError,
    SystemField,
};

use crate::failed;
use crate::plan::Selection;
use crate::read::fetched;
use crate::render::{Parameters, Renderer, system_column};

/// How the indexes are called that are made when they are needed.
pub(crate) const MADE_PREFIX: &str = "sort_";

/// The index that a sort needs and that is not in the schema: its name and the statement that makes it.
pub(crate) fn index_to_make(sort: &Sort) -> Option<(&'static str, String)> {
    let Key::Run { expression, index } = Key::of(sort, None) else {
        return None;
    };
    // The name of a table is not allowed in an index.
    let column = expression.replace("r.", "");
    let statement = format!("CREATE INDEX IF NOT EXISTS {index} ON runs (ns, {column})");
    index.starts_with(MADE_PREFIX).then_some((index, statement))
}

/// Where the values stand.
enum Key {
    /// In a row of `runs`.
    Run {
        expression: &'static str,
        index: &'static str,
    },
    /// In `attribute_values`, under this number; none if no run has ever had one.
    Named(Option<i64>),
}

impl Key {
    fn of(sort: &Sort, number: Option<i64>) -> Self {
        let (expression, index) = match &sort.attribute {
            Attribute::System(field) => (system_column(*field), index(*field)),
            named if *named == Attribute::namespace_division() => ("r.division", "sort_division"),
            Attribute::Named(..) => return Self::Named(number),
        };
        Self::Run { expression, index }
    }
}

/// The index that is in the order of a field: one of the schema, or one that is made for it.
fn index(field: SystemField) -> &'static str {
    match field {
        SystemField::WorkflowId => "runs_workflow",
        SystemField::RunId => "runs_run",
        SystemField::StartTime => "runs_start",
        SystemField::WorkflowType => "runs_type",
        SystemField::TaskQueue => "runs_queue",
        SystemField::ExecutionStatus => "runs_status",
        SystemField::ExecutionTime => "sort_execution",
        SystemField::CloseTime => "runs_close",
        SystemField::ExecutionDuration => "sort_duration",
        SystemField::HistoryLength => "sort_history_length",
        SystemField::HistorySizeBytes => "sort_history_size",
        SystemField::StateTransitionCount => "sort_transitions",
        SystemField::ParentWorkflowId => "sort_parent_workflow_id",
        SystemField::ParentRunId => "sort_parent_run_id",
        SystemField::RootWorkflowId => "sort_root_workflow_id",
        SystemField::RootRunId => "sort_root_run_id",
    }
}

/// A page in that order. `has_index`: the index that the order needs is there.
pub(crate) fn page(
    connection: &Connection,
    renderer: &Renderer<'_>,
    list: &List<'_>,
    sort: &Sort,
    has_index: bool,
) -> Result<Page, StoreError> {
    let after = match list.token {
        [] => None,
        token => Some(place(token).ok_or(StoreError::InvalidToken)?),
    };
    let page = || -> rusqlite::Result<_> {
        let selection = renderer.selection_for_sort(connection, list.filter)?;
        let sorted = Sorted {
            renderer,
            key: Key::of(sort, renderer.attribute_id(&sort.attribute)),
            filter: list.filter,
            sort,
            selection: selection.as_ref(),
            has_index,
        };
        let mut found = Vec::new();
        for range in ranges(after.as_ref()) {
            let rest = list.page_size.saturating_sub(found.len());
            if rest == 0 {
                break;
            }
            let Some((sql, parameters)) = sorted.statement(range, rest) else {
                continue;
            };
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(&*parameters.values())?;
            while let Some(row) = rows.next()? {
                found.push((row.get::<_, i64>(0)?, key(row.get_ref(1)?)));
            }
        }
        let next = match found.last() {
            Some((id, key)) if found.len() == list.page_size => SortedPosition {
                key: key.clone(),
                tie: id.to_be_bytes().to_vec(),
            }
            .encode(),
            _ => Vec::new(),
        };
        let ids: Vec<_> = found.into_iter().map(|(id, _)| id).collect();
        let records = fetched(connection, &ids, list.namespace_id, renderer.catalog)?;
        Ok((records, next))
    };
    let (records, next_page_token) = page().map_err(failed)?;
    Ok(Page {
        records,
        next_page_token,
    })
}

/// Where a page ended: the value, and the number of the run.
type Place = (Option<SortKey>, i64);

fn place(token: &[u8]) -> Option<Place> {
    let position = SortedPosition::decode(token)?;
    let id = i64::from_be_bytes(position.tie.try_into().ok()?);
    Some((position.key, id))
}

/// Runs that follow each other in the order.
#[derive(Clone, Copy)]
enum Range<'a> {
    /// All that have a value.
    Valued,
    /// Those with this value, after this run.
    Equal(&'a SortKey, i64),
    /// Those with values beyond this one.
    Beyond(&'a SortKey),
    /// Those without a value, after this run if any.
    Void(Option<i64>),
}

/// The ranges from a place on.
fn ranges(after: Option<&Place>) -> Vec<Range<'_>> {
    match after {
        None => vec![Range::Valued, Range::Void(None)],
        Some((Some(key), id)) => vec![
            Range::Equal(key, *id),
            Range::Beyond(key),
            Range::Void(None),
        ],
        Some((None, id)) => vec![Range::Void(Some(*id))],
    }
}

struct Sorted<'a> {
    renderer: &'a Renderer<'a>,
    key: Key,
    filter: &'a Filter,
    sort: &'a Sort,
    selection: Option<&'a Selection>,
    has_index: bool,
}

impl Sorted<'_> {
    /// The numbers and values of the first runs of a range; none if there can be no such run.
    fn statement(&self, range: Range<'_>, limit: usize) -> Option<(String, Parameters)> {
        let mut parameters = match self.selection {
            Some(selection) => selection.parameters(),
            None => Parameters::default(),
        };
        let (value, from) = self.source(range)?;
        let id = match range {
            Range::Void(_) => "r.id",
            _ if from.starts_with("attribute_values") => "v.run",
            _ => "r.id",
        };
        let (beyond, direction) = match self.sort.descending {
            true => ("<", "DESC"),
            false => (">", "ASC"),
        };
        let bounds = match range {
            // Above all that is no value: a bound that an index understands.
            Range::Valued if value == "v.value" => "1".to_owned(),
            Range::Valued => match self.sort.attribute.value_type() {
                SearchAttributeType::Keyword if !self.is_status() => format!("{value} >= ''"),
                SearchAttributeType::Double => format!("{value} >= -9e999"),
                _ => format!("{value} >= {}", i64::MIN),
            },
            Range::Equal(key, after) => format!(
                "{value} = {} AND {id} {beyond} {}",
                parameters.bind(Bound(key.clone())),
                parameters.bind(after)
            ),
            Range::Beyond(key) => {
                format!("{value} {beyond} {}", parameters.bind(Bound(key.clone())))
            }
            Range::Void(None) => format!("{value} IS NULL"),
            Range::Void(Some(after)) => format!(
                "{value} IS NULL AND {id} {beyond} {}",
                parameters.bind(after)
            ),
        };
        // Where all values are equal, SQLite does not see it of those that are computed, and would sort all runs.
        let order = match range {
            Range::Valued | Range::Beyond(_) => format!("{value} {direction}, {id} {direction}"),
            Range::Equal(..) | Range::Void(_) => format!("{id} {direction}"),
        };
        let selected = match self.selection {
            Some(selection) => format!(" AND r.id IN ({})", selection.sql()),
            None => String::new(),
        };
        let condition = self.renderer.filter(self.filter, &mut parameters);
        let sql = format!(
            "SELECT r.id, {value} FROM {from} WHERE r.ns = {} AND {bounds}{selected} AND {condition} \
                ORDER BY {order} LIMIT {limit}",
            self.renderer.namespace
        );
        Some((sql, parameters))
    }

    /// The value as an expression, and the tables through which the way leads.
    fn source(&self, range: Range<'_>) -> Option<(String, String)> {
        let is_void = matches!(range, Range::Void(_));
        match self.key {
            Key::Run { expression, index } => {
                let way = match self.selection {
                    None if self.has_index => format!("INDEXED BY {index}"),
                    _ => "NOT INDEXED".to_owned(),
                };
                Some((expression.to_owned(), format!("runs r {way}")))
            }
            Key::Named(None) if is_void => {
                Some(("NULL".to_owned(), "runs r NOT INDEXED".to_owned()))
            }
            Key::Named(None) => None,
            Key::Named(Some(number)) if is_void || self.selection.is_some() => Some((
                format!("attribute(r.attributes, {number})"),
                "runs r NOT INDEXED".to_owned(),
            )),
            // The order of the tables is the order of the loops.
            Key::Named(Some(number)) => Some((
                "v.value".to_owned(),
                format!(
                    "attribute_values v CROSS JOIN runs r ON v.attribute = {number} AND r.id = v.run"
                ),
            )),
        }
    }

    fn is_status(&self) -> bool {
        self.sort.attribute == Attribute::System(SystemField::ExecutionStatus)
    }
}

/// A value as SQLite takes it.
struct Bound(SortKey);

impl ToSql for Bound {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(match &self.0 {
            SortKey::Int(number) => Sql::Integer(*number),
            SortKey::Double(number) => Sql::Real(*number),
            SortKey::String(text) => Sql::Text(text.clone()),
        }))
    }
}

/// A value as lists are sorted by it.
pub(crate) fn key(value: ValueRef<'_>) -> Option<SortKey> {
    match value {
        ValueRef::Null | ValueRef::Blob(_) => None,
        ValueRef::Integer(number) => Some(SortKey::Int(number)),
        ValueRef::Real(number) => Some(SortKey::Double(number)),
        ValueRef::Text(text) => Some(SortKey::String(String::from_utf8_lossy(text).into_owned())),
    }
}

/// Makes an index. On a large store this takes seconds, during which nothing is written.
pub(crate) fn make_index(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    let began = std::time::Instant::now();
    connection.execute(statement, params![])?;
    let took = began.elapsed();
    tracing::info!(statement, ?took, "an index was made for sorted lists");
    Ok(())
}

/// The names of the indexes that were made.
pub(crate) fn made_indexes(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection
        .prepare("SELECT name FROM sqlite_master WHERE type = 'index' AND name IS NOT NULL")?;
    let names = statement.query_map(params![], |row| row.get::<_, String>(0))?;
    let made = names.filter(|name| {
        !name
            .as_ref()
            .is_ok_and(|name| !name.starts_with(MADE_PREFIX))
    });
    made.collect()
}
