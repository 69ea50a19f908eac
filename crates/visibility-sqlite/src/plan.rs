//! Which index answers a filter.
//!
//! A list has two ways. Where a part of the filter selects few runs by an index (a workflow id, a custom keyword, ...),
//! these are fetched, filtered and sorted. Otherwise the runs are read in the order of lists until the page is full,
//! which ends soon when many runs match. Which parts select few is not guessed: the index is asked, up to a limit.

use rusqlite::Connection;
use steadfast_visibility::{
    Attribute, Comparison, Filter, Position, Predicate, Record, STATUS_NAMES, SearchAttributeType,
    SystemField, Value,
};

use crate::render::{Parameters, Renderer, keyword, operator, prefixed, sql};
use crate::write::COMMON_MEMBER;

/// Runs that are fetched and sorted for one page.
const SELECTED_MAX: i64 = 10_000;
/// Parts of a filter that are tried.
const TRIED_MAX: usize = 8;
/// Alternatives of an OR that are looked up one by one.
const ALTERNATIVES_MAX: usize = 32;

/// A SELECT of the numbers of all runs that a part of the filter can match, and perhaps others.
pub(crate) struct Selection {
    sql: String,
    parameters: Parameters,
}

impl Selection {
    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    /// What is bound in it, to be followed by more.
    pub(crate) fn parameters(&self) -> Parameters {
        self.parameters.clone()
    }
}

/// The members of a conjunction, however it is nested.
fn conjuncts<'a>(filter: &'a Filter, into: &mut Vec<&'a Filter>) {
    match filter {
        Filter::And(filters) => filters.iter().for_each(|filter| conjuncts(filter, into)),
        other => into.push(other),
    }
}

impl Renderer<'_> {
    /// The condition that selects few runs, if there is one, as a SELECT of their numbers.
    pub(crate) fn selection(
        &self,
        connection: &Connection,
        filter: &Filter,
    ) -> rusqlite::Result<Option<Selection>> {
        let mut parts = Vec::new();
        conjuncts(filter, &mut parts);
        let selections = parts.into_iter().filter_map(|part| self.selected_by(part));
        best(connection, selections)
    }

    /// The same for a list in another order, in which the status or the type may select few runs, too.
    pub(crate) fn selection_for_sort(
        &self,
        connection: &Connection,
        filter: &Filter,
    ) -> rusqlite::Result<Option<Selection>> {
        let mut parts = Vec::new();
        conjuncts(filter, &mut parts);
        let listed = self.listed(&parts);
        let selections = parts.iter().filter_map(|part| self.selected_by(part));
        best(connection, listed.into_iter().chain(selections))
    }

    /// The runs of the statuses and the type that the filter names, if it names any.
    fn listed(&self, parts: &[&Filter]) -> Option<Selection> {
        let mut parameters = Parameters::default();
        let (statuses, of_type) = (statuses(parts), named_type(parts));
        if statuses.len() == STATUS_NAMES.len() && of_type.is_none() {
            return None;
        }
        let of_type = of_type.map(|name| format!("type = {} AND ", parameters.bind(name)));
        let statuses: Vec<_> = statuses.iter().map(ToString::to_string).collect();
        let condition = format!(
            "{}status IN ({})",
            of_type.unwrap_or_default(),
            statuses.join(", ")
        );
        Some(Selection {
            sql: self.select_runs(&condition),
            parameters,
        })
    }

    fn selected_by(&self, part: &Filter) -> Option<Selection> {
        let mut parameters = Parameters::default();
        let sql = self.select(part, &mut parameters)?;
        Some(Selection { sql, parameters })
    }

    fn select(&self, part: &Filter, parameters: &mut Parameters) -> Option<String> {
        match part {
            Filter::Test(attribute, predicate) => {
                self.select_test(attribute, predicate, parameters)
            }
            Filter::Or(alternatives) if (1..=ALTERNATIVES_MAX).contains(&alternatives.len()) => {
                let selects: Option<Vec<_>> = alternatives
                    .iter()
                    .map(|filter| self.select(filter, parameters))
                    .collect();
                Some(format!("SELECT id FROM ({})", selects?.join(" UNION ALL ")))
            }
            Filter::And(filters) => filters.iter().find_map(|filter| {
                let bound = parameters.len();
                let select = self.select(filter, parameters);
                if select.is_none() {
                    // What was bound before it turned out that this part selects nothing.
                    parameters.truncate(bound);
                }
                select
            }),
            // `division IS NOT NULL` is the one negation that an index of few runs answers.
            Filter::Not(inner) => match &**inner {
                Filter::Test(attribute, Predicate::IsNull)
                    if *attribute == Attribute::namespace_division() =>
                {
                    Some(self.select_runs("division IS NOT NULL"))
                }
                _ => None,
            },
            Filter::Or(_) => None,
        }
    }

    fn select_test(
        &self,
        attribute: &Attribute,
        predicate: &Predicate,
        parameters: &mut Parameters,
    ) -> Option<String> {
        let column = match attribute {
            Attribute::System(SystemField::RunId) => "run_id",
            Attribute::System(SystemField::WorkflowId) => "workflow_id",
            Attribute::System(SystemField::ParentWorkflowId) => "parent_workflow_id",
            Attribute::System(SystemField::RootWorkflowId) => "root_workflow_id",
            Attribute::System(SystemField::StartTime) => "start",
            Attribute::System(_) => return None,
            division if *division == Attribute::namespace_division() => "division",
            named => {
                // An attribute without a number has no values, so nothing is selected.
                let id = self.attribute_id(named).unwrap_or(-1);
                let range = value_range(named, predicate, parameters)?;
                return Some(format!(
                    "SELECT run AS id FROM attribute_values WHERE attribute = {id} AND {range}"
                ));
            }
        };
        let range = scalar_range(column, predicate, parameters)?;
        let select = self.select_runs(&range);
        Some(if column == "root_workflow_id" {
            // The root of a run without an own one is the run itself.
            let own = self.select_runs(&scalar_range("workflow_id", predicate, parameters)?);
            format!("SELECT id FROM ({select} UNION ALL {own})")
        } else {
            select
        })
    }

    fn select_runs(&self, condition: &str) -> String {
        format!(
            "SELECT id FROM runs WHERE ns = {} AND {condition}",
            self.namespace
        )
    }

    /// The statement of a page: the numbers of its runs, in order.
    pub(crate) fn page(
        &self,
        selection: Option<Selection>,
        filter: &Filter,
        after: Option<&Position>,
        page_size: usize,
    ) -> (String, Parameters) {
        match selection {
            Some(selection) => self.selected_page(selection, filter, after, page_size),
            None => self.ordered_page(filter, after, page_size),
        }
    }

    fn selected_page(
        &self,
        selection: Selection,
        filter: &Filter,
        after: Option<&Position>,
        page_size: usize,
    ) -> (String, Parameters) {
        let Selection {
            sql: select,
            mut parameters,
        } = selection;
        let condition = self.filter(filter, &mut parameters);
        let after = after.map(|after| {
            let close = parameters.bind(after.close_time);
            let start = parameters.bind(after.start_time);
            let run_id = parameters.bind(after.run_id.clone());
            format!(
                " AND (r.close < {close} OR (r.close = {close} AND (r.start < {start} \
                    OR (r.start = {start} AND r.run_id > {run_id}))))"
            )
        });
        let sql = format!(
            "SELECT r.id FROM runs r NOT INDEXED WHERE r.id IN ({select}) AND r.ns = {} AND {condition}{} \
                ORDER BY r.close DESC, r.start DESC, r.run_id LIMIT {page_size}",
            self.namespace,
            after.unwrap_or_default(),
        );
        (sql, parameters)
    }

    /// Merges ranges that are each in the order of lists: per status (and type, if the filter names one), the runs with
    /// the close time of the last page's end (at first: the open ones), and those that closed before.
    fn ordered_page(
        &self,
        filter: &Filter,
        after: Option<&Position>,
        page_size: usize,
    ) -> (String, Parameters) {
        let mut parts = Vec::new();
        conjuncts(filter, &mut parts);
        let mut parameters = Parameters::default();
        let condition = self.filter(filter, &mut parameters);
        let close = parameters.bind(after.map_or(Position::OPEN, |after| after.close_time));
        let bounds = close_bounds(&parts, &mut parameters);
        let tie = after.map(|after| {
            let start = parameters.bind(after.start_time);
            let run_id = parameters.bind(after.run_id.clone());
            format!(" AND r.start <= {start} AND (r.start < {start} OR r.run_id > {run_id})")
        });
        let types = named_type(&parts).map(|name| parameters.bind(name));
        let (index, of_type) = match types {
            Some(name) => ("runs_type", format!(" AND r.type = {name}")),
            None => ("runs_status", String::new()),
        };

        let mut ranges = Vec::new();
        for status in statuses(&parts) {
            for range in [
                format!("r.close = {close}{}", tie.as_deref().unwrap_or_default()),
                format!("r.close < {close}"),
            ] {
                ranges.push(format!(
                    "SELECT r.close, r.start, r.run_id, r.id FROM runs r INDEXED BY {index} \
                        WHERE r.ns = {}{of_type} AND r.status = {status} AND {range}{bounds} AND {condition}",
                    self.namespace
                ));
            }
        }
        if ranges.is_empty() {
            return ("SELECT 0 WHERE 0".to_owned(), Parameters::default());
        }
        let ranges = ranges.join(" UNION ALL ");
        let sql = format!("SELECT id FROM ({ranges} ORDER BY 1 DESC, 2 DESC, 3 LIMIT {page_size})");
        (sql, parameters)
    }

    /// The statement of a count, with the value of the group in the first column.
    pub(crate) fn count(
        &self,
        selection: Option<Selection>,
        filter: &Filter,
        group: &str,
    ) -> (String, Parameters) {
        let (selected, mut parameters) = match selection {
            Some(Selection { sql, parameters }) => (
                format!(" NOT INDEXED WHERE r.id IN ({sql}) AND"),
                parameters,
            ),
            None => (" WHERE".to_owned(), Parameters::default()),
        };
        let condition = self.filter(filter, &mut parameters);
        let namespace = self.namespace;
        let sql = format!(
            "SELECT {group}, count(*) FROM runs r{selected} r.ns = {namespace} AND {condition} GROUP BY 1"
        );
        (sql, parameters)
    }
}

/// The selection of the fewest runs, if there is one that is worth it.
fn best(
    connection: &Connection,
    selections: impl Iterator<Item = Selection>,
) -> rusqlite::Result<Option<Selection>> {
    let mut best: Option<(i64, Selection)> = None;
    for selection in selections.take(TRIED_MAX) {
        let enough = best.as_ref().map_or(SELECTED_MAX, |(count, _)| *count);
        let sql = format!("SELECT count(*) FROM ({} LIMIT {enough})", selection.sql);
        let mut statement = connection.prepare_cached(&sql)?;
        let count: i64 = statement.query_row(&*selection.parameters.values(), |row| row.get(0))?;
        if count < enough {
            best = Some((count, selection));
        }
    }
    Ok(best.map(|(_, selection)| selection))
}

/// A range of an index on a column; none if the predicate selects no range of it.
fn scalar_range(
    column: &str,
    predicate: &Predicate,
    parameters: &mut Parameters,
) -> Option<String> {
    Some(match predicate {
        Predicate::Compare(Comparison::NotEqual, _) | Predicate::Always(_) | Predicate::IsNull => {
            return None;
        }
        Predicate::ContainsPhrase(_) => return None,
        Predicate::Compare(comparison, value) => {
            format!(
                "{column} {} {}",
                operator(*comparison),
                parameters.bind(sql(value))
            )
        }
        Predicate::In(values) => format!("{column} IN {}", parameters.bind_list(values)),
        Predicate::Between(low, high) => {
            let (low, high) = (parameters.bind(sql(low)), parameters.bind(sql(high)));
            format!("{column} BETWEEN {low} AND {high}")
        }
        Predicate::StartsWith(prefix) => prefixed(column, prefix, parameters),
    })
}

/// The same for the values of an attribute: members of a list and words of a text are values, too.
fn value_range(
    attribute: &Attribute,
    predicate: &Predicate,
    parameters: &mut Parameters,
) -> Option<String> {
    match (attribute.value_type(), predicate) {
        // Digits are no range of numbers.
        (SearchAttributeType::Int, Predicate::StartsWith(_)) => None,
        (SearchAttributeType::KeywordList, Predicate::In(values))
            if values
                .iter()
                .filter_map(keyword)
                .any(|member| member == COMMON_MEMBER) =>
        {
            None
        }
        (_, Predicate::ContainsPhrase(phrases)) => {
            let first: Option<Vec<_>> = phrases
                .iter()
                .map(|phrase| phrase.first().cloned().map(Value::Keyword))
                .collect();
            Some(format!("value IN {}", parameters.bind_list(&first?)))
        }
        _ => scalar_range("value", predicate, parameters),
    }
}

/// The statuses that the filter leaves possible.
fn statuses(parts: &[&Filter]) -> Vec<usize> {
    let status = Attribute::System(SystemField::ExecutionStatus);
    let about_status: Vec<_> = parts
        .iter()
        .filter(|part| only_about(part, &status))
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

/// Whether all tests of the filter are of this attribute.
fn only_about(filter: &Filter, attribute: &Attribute) -> bool {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => {
            filters.iter().all(|filter| only_about(filter, attribute))
        }
        Filter::Not(filter) => only_about(filter, attribute),
        Filter::Test(tested, _) => tested == attribute,
    }
}

fn named_type(parts: &[&Filter]) -> Option<String> {
    parts.iter().find_map(|part| match part {
        Filter::Test(
            Attribute::System(SystemField::WorkflowType),
            Predicate::Compare(Comparison::Equal, name),
        ) => keyword(name).cloned(),
        _ => None,
    })
}

/// What the filter says of close times, in a form that the indexes of lists understand. A run is not closed before it
/// is started, so that a lower bound of start times is one of close times, too.
fn close_bounds(parts: &[&Filter], parameters: &mut Parameters) -> String {
    let mut bounds = String::new();
    for part in parts {
        let Filter::Test(Attribute::System(field), predicate) = part else {
            continue;
        };
        let (low, high) = match predicate {
            Predicate::Compare(Comparison::Equal, value) => (Some(value), Some(value)),
            Predicate::Compare(Comparison::Greater | Comparison::GreaterOrEqual, value) => {
                (Some(value), None)
            }
            Predicate::Compare(Comparison::Less | Comparison::LessOrEqual, value) => {
                (None, Some(value))
            }
            Predicate::Between(low, high) => (Some(low), Some(high)),
            _ => continue,
        };
        let (low, high) = match field {
            SystemField::StartTime => (low, None),
            SystemField::CloseTime => (low, high),
            _ => continue,
        };
        if let Some(low) = low {
            bounds += &format!(" AND r.close >= {}", parameters.bind(sql(low)));
        }
        if let Some(high) = high {
            bounds += &format!(" AND r.close <= {}", parameters.bind(sql(high)));
        }
    }
    bounds
}
