//! Runs in the order of lists.
//!
//! A page reads them until it is full: first the open ones, and only where these are not enough the closed ones. A count
//! has no end to stop at; it reads an index of lists alone where that holds all that the filter asks for.

use rusqlite::{Connection, OptionalExtension};
use steadfast_visibility::{
    Attribute, Comparison, Filter, Position, Predicate, Record, STATUS_NAMES, SystemField, Value,
};

use crate::plan::{Selection, conjuncts, opposite};
use crate::render::{Parameters, Renderer, keyword, system_column};

/// What both indexes of lists hold, besides the type.
fn indexed() -> [Attribute; 4] {
    [
        Attribute::System(SystemField::ExecutionStatus),
        Attribute::System(SystemField::StartTime),
        Attribute::System(SystemField::CloseTime),
        Attribute::namespace_division(),
    ]
}

/// Statuses whose runs are merged even if the filter asks for more than an index holds: a merge has to find a run of each.
const MERGED_MAX: usize = 2;

/// The statuses of runs that have no close time: unspecified, running, paused.
const OPEN: [i64; 3] = [0, 1, 8];

/// The two parts of the usual order: all open runs come before all closed ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Open,
    Closed,
}

impl Stage {
    fn of(close: i64) -> Self {
        match close {
            Position::OPEN => Self::Open,
            _ => Self::Closed,
        }
    }
}

/// How runs are read in order.
struct Way {
    index: &'static str,
    /// The close time as the index has it.
    close: &'static str,
    /// Conditions, each of which leaves a range of the index.
    ranges: Vec<String>,
}

impl Renderer<'_> {
    /// The statement of a part of a page: the numbers of its runs, in order. None if there are none.
    ///
    /// Merges ranges that are each in that order: per status (and type, if the filter names one), the runs with the close
    /// time of the last page's end, and those that closed before.
    pub(crate) fn ordered_page(
        &self,
        stage: Stage,
        filter: &Filter,
        after: Option<&Position>,
        page_size: usize,
    ) -> Option<(String, Parameters)> {
        let mut parts = Vec::new();
        conjuncts(filter, &mut parts);
        let after_close = after.map_or(Position::OPEN, |after| after.close_time);
        if stage == Stage::Open && (after_close != Position::OPEN || !may_be_open(&parts)) {
            return None;
        }
        let mut parameters = Parameters::default();
        let condition = self.filter(filter, &mut parameters);
        let bounds = Bounds::of(&parts);
        let started = bounds.started(&mut parameters);
        let way = self.way(stage, &parts, &mut parameters);
        let close = way.close;
        let mut times = Vec::new();
        if stage == Stage::Open || after_close != Position::OPEN {
            let tie = after
                .filter(|_| stage == Stage::of(after_close))
                .map(|after| {
                    let start = parameters.bind(after.start_time);
                    let run_id = parameters.bind(after.run_id.clone());
                    format!(
                        " AND r.start <= {start} AND (r.start < {start} OR r.run_id > {run_id})"
                    )
                });
            let equal = parameters.bind(after_close);
            times.push(format!("{close} = {equal}{}", tie.unwrap_or_default()));
        }
        if stage == Stage::Closed {
            times.push(bounds.closed_before(close, after_close, &mut parameters));
        }
        let mut ranges = Vec::new();
        for range in &way.ranges {
            for time in &times {
                ranges.push(format!(
                    "SELECT {close}, r.start, r.run_id, r.id FROM runs r INDEXED BY {} \
                        WHERE r.ns = {}{range} AND {time}{started} AND {condition}",
                    way.index, self.namespace
                ));
            }
        }
        if ranges.is_empty() {
            return None;
        }
        let ranges = ranges.join(" UNION ALL ");
        let sql = format!("SELECT id FROM ({ranges} ORDER BY 1 DESC, 2 DESC, 3 LIMIT {page_size})");
        Some((sql, parameters))
    }

    /// The index by which runs are read in order, and the ranges of it that are to be merged.
    fn way(&self, stage: Stage, parts: &[&Filter], parameters: &mut Parameters) -> Way {
        let statuses = statuses(parts);
        let named = named_type(parts);
        let of_type = named
            .as_ref()
            .map(|name| format!(" AND r.type = {}", parameters.bind(name.clone())));
        let merged = stage == Stage::Open
            || named.is_some()
            || statuses.len() <= MERGED_MAX
            || parts.iter().all(|part| only_about(part, &indexed()));
        if !merged {
            return Way {
                index: "runs_close",
                close: system_column(SystemField::CloseTime),
                ranges: vec![String::new()],
            };
        }
        let ranges = statuses.iter().map(|status| {
            format!(
                "{} AND r.status = {status}",
                of_type.as_deref().unwrap_or_default()
            )
        });
        Way {
            index: if named.is_some() {
                "runs_type"
            } else {
                "runs_status"
            },
            close: "r.close",
            ranges: ranges.collect(),
        }
    }

    /// The statements whose rows add up to a count, with the value of the group in the first column.
    pub(crate) fn count(
        &self,
        selection: Option<Selection>,
        filter: &Filter,
        group: &str,
    ) -> Vec<(String, Parameters)> {
        let namespace = self.namespace;
        let whole = |bounds: &str, mut parameters: Parameters| {
            let condition = self.filter(filter, &mut parameters);
            let sql = format!(
                "SELECT {group}, count(*) FROM runs r NOT INDEXED \
                    WHERE r.ns = {namespace}{bounds} AND {condition} GROUP BY 1"
            );
            vec![(sql, parameters)]
        };
        if let Some(selection) = selection {
            let selected = format!(" AND r.id IN ({})", selection.sql());
            return whole(&selected, selection.parameters());
        }
        let mut parts = Vec::new();
        conjuncts(filter, &mut parts);
        let mut held = indexed().to_vec();
        held.extend(named_type(&parts).map(|_| Attribute::System(SystemField::WorkflowType)));
        if !parts.iter().all(|part| only_about(part, &held)) {
            return whole("", Parameters::default());
        }
        let bounds = Bounds::of(&parts);
        let stages = [Stage::Open, Stage::Closed].into_iter();
        let stages = stages.filter(|stage| *stage == Stage::Closed || may_be_open(&parts));
        let statements = stages.map(|stage| {
            let mut parameters = Parameters::default();
            let condition = self.filter(filter, &mut parameters);
            let started = bounds.started(&mut parameters);
            let way = self.way(stage, &parts, &mut parameters);
            let time = match stage {
                Stage::Open => format!("{} = {}", way.close, parameters.bind(Position::OPEN)),
                Stage::Closed => bounds.closed_before(way.close, Position::OPEN, &mut parameters),
            };
            let counts = way.ranges.iter().map(|range| {
                format!(
                    "SELECT {group}, count(*) FROM runs r INDEXED BY {} \
                        WHERE r.ns = {namespace}{range} AND {time}{started} AND {condition} GROUP BY 1",
                    way.index
                )
            });
            (counts.collect::<Vec<_>>().join(" UNION ALL "), parameters)
        });
        statements.filter(|(sql, _)| !sql.is_empty()).collect()
    }

    /// The filter that holds for those closed runs for which this part of one does not, if it bounds their close time so
    /// that they are likely to be fewer: it leaves out what is on the shorter side of all close times.
    pub(crate) fn fewer_closed(
        &self,
        connection: &Connection,
        part: &Filter,
    ) -> rusqlite::Result<Option<Filter>> {
        let Filter::Test(attribute, predicate) = part else {
            return Ok(None);
        };
        let Predicate::Compare(comparison, value) = predicate else {
            return Ok(None);
        };
        if *attribute != Attribute::System(SystemField::CloseTime) {
            return Ok(None);
        }
        let close = system_column(SystemField::CloseTime);
        let end = |direction: &str| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {close} FROM runs r INDEXED BY runs_close WHERE r.ns = ?1 AND {close} >= {} \
                    ORDER BY {close} {direction} LIMIT 1",
                i64::MIN
            ))?;
            statement
                .query_row([self.namespace], |row| row.get::<_, i64>(0))
                .optional()
        };
        let is_shorter = match (range(predicate), end("ASC")?.zip(end("DESC")?)) {
            ((Some(from), None), Some((first, last))) => {
                from.saturating_sub(first) < last.saturating_sub(from)
            }
            ((None, Some(until)), Some((first, last))) => {
                last.saturating_sub(until) < until.saturating_sub(first)
            }
            _ => false,
        };
        let rest = Predicate::Compare(opposite(*comparison), value.clone());
        Ok(is_shorter.then(|| Filter::Test(attribute.clone(), rest)))
    }
}

/// That a run is closed.
pub(crate) fn is_closed() -> Filter {
    let status = Attribute::System(SystemField::ExecutionStatus);
    let open = OPEN.map(Value::Int);
    Filter::Not(Box::new(Filter::Test(status, Predicate::In(open.into()))))
}

/// The statuses that the filter leaves possible.
pub(crate) fn statuses(parts: &[&Filter]) -> Vec<usize> {
    let status = Attribute::System(SystemField::ExecutionStatus);
    let about_status: Vec<_> = parts
        .iter()
        .filter(|part| only_about(part, std::slice::from_ref(&status)))
        .collect();
    (0..STATUS_NAMES.len())
        .filter(|number| {
            let record = Record {
                status: i32::try_from(*number).unwrap_or_default(),
                ..Record::default()
            };
            about_status.iter().all(|part| part.matches(&record))
        })
        .collect()
}

/// Whether all tests of the filter are of these attributes.
fn only_about(filter: &Filter, attributes: &[Attribute]) -> bool {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => {
            filters.iter().all(|filter| only_about(filter, attributes))
        }
        Filter::Not(filter) => only_about(filter, attributes),
        Filter::Test(tested, _) => attributes.contains(tested),
    }
}

/// Whether there can be an open run among those of which all of this holds.
fn may_be_open(parts: &[&Filter]) -> bool {
    let close = Attribute::System(SystemField::CloseTime);
    let mut about_close = parts
        .iter()
        .filter(|part| only_about(part, std::slice::from_ref(&close)));
    about_close.all(|part| part.matches(&Record::default()))
}

pub(crate) fn named_type(parts: &[&Filter]) -> Option<String> {
    parts.iter().find_map(|part| match part {
        Filter::Test(
            Attribute::System(SystemField::WorkflowType),
            Predicate::Compare(Comparison::Equal, name),
        ) => keyword(name).cloned(),
        _ => None,
    })
}

/// Between which times all runs of a filter closed and until when they started, in a form that the indexes of lists
/// understand. A run is not closed and not executed before it is started.
struct Bounds {
    closed_from: Option<i64>,
    closed_until: Option<i64>,
    started_until: Option<i64>,
}

impl Bounds {
    fn of(parts: &[&Filter]) -> Self {
        let mut bounds = Self {
            closed_from: None,
            closed_until: None,
            started_until: None,
        };
        for part in parts {
            let Filter::Test(Attribute::System(field), predicate) = part else {
                continue;
            };
            let (low, high) = range(predicate);
            let (from, until) = match field {
                SystemField::StartTime => (low, None),
                SystemField::CloseTime => (low, high),
                SystemField::ExecutionTime => (None, None),
                _ => continue,
            };
            bounds.closed_from = bounds.closed_from.max(from);
            bounds.closed_until = least(bounds.closed_until, until);
            bounds.started_until = least(bounds.started_until, high);
        }
        bounds
    }

    fn started(&self, parameters: &mut Parameters) -> String {
        let until = self.started_until.map(|until| parameters.bind(until));
        until.map_or_else(String::new, |until| format!(" AND r.start <= {until}"))
    }

    /// One range: SQLite takes only one bound of each kind into the index.
    fn closed_before(&self, close: &str, end: i64, parameters: &mut Parameters) -> String {
        let last = end.saturating_sub(1);
        let last = self.closed_until.map_or(last, |until| until.min(last));
        let mut range = format!("{close} <= {}", parameters.bind(last));
        if let Some(from) = self.closed_from {
            range += &format!(" AND {close} >= {}", parameters.bind(from));
        }
        range
    }
}

/// The lesser of two bounds, of which either may be missing.
fn least(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

/// The times between which the predicate holds.
fn range(predicate: &Predicate) -> (Option<i64>, Option<i64>) {
    let time = |value: &Value| match value {
        Value::Datetime(time) | Value::Int(time) => Some(*time),
        _ => None,
    };
    match predicate {
        Predicate::Compare(Comparison::Equal, value) => (time(value), time(value)),
        Predicate::Compare(Comparison::Greater | Comparison::GreaterOrEqual, value) => {
            (time(value), None)
        }
        Predicate::Compare(Comparison::Less | Comparison::LessOrEqual, value) => {
            (None, time(value))
        }
        Predicate::Between(low, high) => (time(low), time(high)),
        _ => (None, None),
    }
}
