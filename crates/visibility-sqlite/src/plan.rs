//! Which index answers a filter.
//!
//! A list has two ways. Where a part of the filter selects few runs by an index (a workflow id, a custom keyword, ...),
//! these are fetched, filtered and sorted. Otherwise the runs are read in the order of lists until the page is full
//! ([`crate::order`]), which ends soon when many runs match. Which parts select few is not guessed: the index is asked, up
//! to a limit.

use std::rc::Rc;

use rusqlite::Connection;
use steadfast_visibility::{
    Attribute, Comparison, Filter, Position, Predicate, STATUS_NAMES, SearchAttributeType,
    SystemField, Value,
};

use crate::blocks;
use crate::order::{named_type, statuses};
use crate::render::{Parameters, Renderer, contained, keyword, operator, prefixed, sql, successor};
use crate::write::COMMON_MEMBER;

/// Runs that are fetched and sorted for one page.
const SELECTED_MAX: i64 = 10_000;
/// Runs that are fetched for one count rather than all.
pub(crate) const COUNTED_MAX: i64 = 50_000;
/// Parts of texts are not looked for if another part of the filter selects no more runs than this.
const SEARCHED_ABOVE: i64 = 1000;
/// Values of an attribute among which a part is looked for, each once, before all entries are looked at. On the way from
/// value to value each takes as long as some ten entries.
const VALUES_MAX: usize = 20_000;
/// An id in the index takes as long as so many in blocks.
const BLOCKS_ARE_FASTER: i64 = 8;
/// Parts of a filter that are tried.
const TRIED_MAX: usize = 8;
/// Alternatives of an OR that are looked up one by one.
const ALTERNATIVES_MAX: usize = 32;

/// A SELECT of the numbers of all runs that a part of the filter can match, and perhaps others.
pub(crate) struct Selection {
    sql: String,
    parameters: Parameters,
    /// Every value of a range, or of all, is looked into.
    searches: bool,
}

/// Where parts of workflow ids are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ids {
    /// In [`blocks`], which have those of all namespaces.
    Blocks,
    /// In the index, which has those of the namespace together.
    Index,
}

impl Selection {
    /// What was found, so that it is not searched for again.
    fn of(found: Vec<rusqlite::types::Value>) -> Self {
        let mut parameters = Parameters::default();
        let found = parameters.bind(Rc::new(found));
        Self {
            sql: format!("SELECT value FROM rarray({found})"),
            parameters,
            searches: false,
        }
    }

    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    /// What is bound in it, to be followed by more.
    pub(crate) fn parameters(&self) -> Parameters {
        self.parameters.clone()
    }
}

/// The members of a conjunction, however it is nested.
pub(crate) fn conjuncts<'a>(filter: &'a Filter, into: &mut Vec<&'a Filter>) {
    match filter {
        Filter::And(filters) => filters.iter().for_each(|filter| conjuncts(filter, into)),
        other => into.push(other),
    }
}

/// Whether the test is one for the blocks. The empty part is none, as all ids have it.
fn in_blocks(attribute: &Attribute, predicate: &Predicate, ids: Ids) -> bool {
    ids == Ids::Blocks
        && *attribute == Attribute::System(SystemField::WorkflowId)
        && matches!(predicate, Predicate::Contains(part) if !part.is_empty())
}

/// Whether the filter looks for a part of a text, here of any.
fn searches(filter: &Filter) -> bool {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => filters.iter().any(searches),
        Filter::Not(filter) => searches(filter),
        Filter::Test(_, predicate) => matches!(predicate, Predicate::Contains(_)),
    }
}

impl Renderer<'_> {
    /// The condition that selects few runs of a page, if there is one.
    pub(crate) fn selection(
        &self,
        connection: &Connection,
        filter: &Filter,
    ) -> rusqlite::Result<Option<Selection>> {
        let selection = self.selection_below(connection, filter, SELECTED_MAX)?;
        Ok(selection.map(|(_, selection)| selection))
    }

    /// The condition that selects the fewest runs, if they are fewer than that; and how many they are.
    pub(crate) fn selection_below(
        &self,
        connection: &Connection,
        filter: &Filter,
        most: i64,
    ) -> rusqlite::Result<Option<(i64, Selection)>> {
        let mut parts = Vec::new();
        conjuncts(filter, &mut parts);
        let ids = self.ids(connection, filter)?;
        best(connection, self.selections(&parts, ids).into_iter(), most)
    }

    /// The same for a list in another order, in which the status or the type may select few runs, too.
    pub(crate) fn selection_for_sort(
        &self,
        connection: &Connection,
        filter: &Filter,
    ) -> rusqlite::Result<Option<Selection>> {
        let mut parts = Vec::new();
        conjuncts(filter, &mut parts);
        let selections = self.listed(&parts).into_iter();
        let ids = self.ids(connection, filter)?;
        let selections = selections.chain(self.selections(&parts, ids));
        let selection = best(connection, selections, SELECTED_MAX)?;
        Ok(selection.map(|(_, selection)| selection))
    }

    /// Where parts of workflow ids are looked for, if the filter does that.
    fn ids(&self, connection: &Connection, filter: &Filter) -> rusqlite::Result<Ids> {
        if !searches(filter) {
            return Ok(Ids::Index);
        }
        let mut statement = connection.prepare_cached(
            "SELECT (SELECT coalesce(sum(runs), 0) FROM counters WHERE ns = ?1), coalesce(max(id), 0) FROM runs",
        )?;
        let (own, all) = statement.query_row([self.namespace], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
        Ok(match own.saturating_mul(BLOCKS_ARE_FASTER) >= all {
            true => Ids::Blocks,
            false => Ids::Index,
        })
    }

    /// What parts that must all hold select: each by itself, but tests of the same value together. Searches come last.
    fn selections(&self, parts: &[&Filter], ids: Ids) -> Vec<Selection> {
        let mut tests: Vec<(&Attribute, Vec<&Predicate>)> = Vec::new();
        let mut selections = Vec::new();
        for part in parts {
            let Filter::Test(attribute, predicate) = part else {
                selections.extend(self.selected_by(part, ids));
                continue;
            };
            if in_blocks(attribute, predicate, ids) {
                selections.extend(self.selected_by(part, ids));
                continue;
            }
            let mut known = tests.iter_mut();
            match known.find(|(known, _)| *known == attribute && has_one_value(attribute)) {
                Some((_, predicates)) => predicates.push(predicate),
                None => tests.push((attribute, vec![predicate])),
            }
        }
        selections.extend(tests.into_iter().filter_map(|(attribute, predicates)| {
            let mut parameters = Parameters::default();
            let sql = self.select_tests(attribute, &predicates, ids, &mut parameters)?;
            Some(Selection {
                sql,
                parameters,
                searches: predicates
                    .iter()
                    .any(|predicate| matches!(predicate, Predicate::Contains(_))),
            })
        }));
        selections.sort_by_key(|selection| selection.searches);
        selections
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
            searches: false,
        })
    }

    fn selected_by(&self, part: &Filter, ids: Ids) -> Option<Selection> {
        let mut parameters = Parameters::default();
        let sql = self.select(part, ids, &mut parameters)?;
        Some(Selection {
            sql,
            parameters,
            searches: searches(part),
        })
    }

    fn select(&self, part: &Filter, ids: Ids, parameters: &mut Parameters) -> Option<String> {
        match part {
            Filter::Test(attribute, predicate) => {
                self.select_tests(attribute, &[predicate], ids, parameters)
            }
            Filter::Or(alternatives) if (1..=ALTERNATIVES_MAX).contains(&alternatives.len()) => {
                let selects: Option<Vec<_>> = alternatives
                    .iter()
                    .map(|filter| self.select(filter, ids, parameters))
                    .collect();
                Some(format!("SELECT id FROM ({})", selects?.join(" UNION ALL ")))
            }
            Filter::And(filters) => filters.iter().find_map(|filter| {
                let bound = parameters.len();
                let select = self.select(filter, ids, parameters);
                if select.is_none() {
                    // What was bound before it turned out that this part selects nothing.
                    parameters.truncate(bound);
                }
                select
            }),
            // That there is a value is the one negation that an index of few runs answers.
            Filter::Not(inner) => match &**inner {
                Filter::Test(attribute, Predicate::IsNull) => {
                    let column = match attribute {
                        Attribute::System(SystemField::ParentWorkflowId) => "parent_workflow_id",
                        named if *named == Attribute::namespace_division() => "division",
                        _ => return None,
                    };
                    Some(self.select_runs(&format!("{column} IS NOT NULL")))
                }
                _ => None,
            },
            Filter::Or(_) => None,
        }
    }

    /// Runs with a value for which all tests hold that are about a range.
    fn select_tests(
        &self,
        attribute: &Attribute,
        predicates: &[&Predicate],
        ids: Ids,
        parameters: &mut Parameters,
    ) -> Option<String> {
        if let [Predicate::Contains(part)] = predicates
            && in_blocks(attribute, predicates[0], ids)
        {
            return Some(blocks::select(part, parameters));
        }
        let mut ranges = |range: &dyn Fn(&Predicate, &mut Parameters) -> Option<String>| {
            let ranges = predicates.iter();
            let ranges: Vec<_> = ranges
                .filter_map(|predicate| range(predicate, parameters))
                .collect();
            (!ranges.is_empty()).then(|| ranges.join(" AND "))
        };
        let column = match attribute {
            Attribute::System(SystemField::RunId) => "run_id",
            Attribute::System(SystemField::WorkflowId) => "workflow_id",
            Attribute::System(SystemField::ParentWorkflowId) => "parent_workflow_id",
            Attribute::System(SystemField::RootWorkflowId) => "root_workflow_id",
            Attribute::System(SystemField::StartTime) => "start",
            Attribute::System(SystemField::TaskQueue) => "queue",
            // Runs of one type are read in the order of lists.
            Attribute::System(SystemField::WorkflowType)
                if matches!(predicates, [Predicate::StartsWith(_)]) =>
            {
                "type"
            }
            Attribute::System(_) => return None,
            division if *division == Attribute::namespace_division() => "division",
            named => {
                // An attribute without a number has no values, so nothing is selected.
                let id = self.attribute_id(named).unwrap_or(-1);
                if let [Predicate::Contains(part)] = predicates {
                    return Some(select_values_with(id, part, parameters));
                }
                let range =
                    ranges(&|predicate, parameters| value_range(named, predicate, parameters))?;
                return Some(format!(
                    "SELECT run AS id FROM attribute_values WHERE attribute = {id} AND {range}"
                ));
            }
        };
        let mut of = |column: &str| {
            ranges(&|predicate, parameters| scalar_range(column, predicate, parameters))
        };
        let select = self.select_runs(&of(column)?);
        Some(if column == "root_workflow_id" {
            // The root of a run without an own one is the run itself.
            let own = self.select_runs(&of("workflow_id")?);
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

    /// The statement of a page of the selected runs: their numbers, in order.
    pub(crate) fn selected_page(
        &self,
        selection: Selection,
        filter: &Filter,
        after: Option<&Position>,
        page_size: usize,
    ) -> (String, Parameters) {
        let Selection {
            sql: select,
            mut parameters,
            ..
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

    /// The filter that holds for those runs for which this part of one does not, where an index may find these; none if
    /// there is none.
    pub(crate) fn left_out_by(part: &Filter) -> Option<Filter> {
        let Filter::Test(attribute, predicate) = part else {
            return None;
        };
        let compare = |comparison, value: Value| {
            Filter::Test(attribute.clone(), Predicate::Compare(comparison, value))
        };
        match (attribute, predicate) {
            (Attribute::System(SystemField::ParentWorkflowId), Predicate::IsNull) => {
                Some(Filter::Not(Box::new(part.clone())))
            }
            // No run is without these.
            (
                Attribute::System(
                    SystemField::WorkflowId | SystemField::StartTime | SystemField::TaskQueue,
                ),
                predicate,
            ) => match predicate {
                Predicate::Compare(comparison, value) => {
                    Some(compare(opposite(*comparison), value.clone()))
                }
                Predicate::Between(low, high) => Some(Filter::Or(vec![
                    compare(Comparison::Less, low.clone()),
                    compare(Comparison::Greater, high.clone()),
                ])),
                Predicate::StartsWith(prefix) => {
                    let below = compare(Comparison::Less, Value::Keyword(prefix.clone()));
                    let above = successor(prefix)
                        .map(|above| compare(Comparison::GreaterOrEqual, Value::Keyword(above)));
                    Some(Filter::Or([below].into_iter().chain(above).collect()))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// The runs with a value that has the part. Many runs may share a value, so this goes from value to value.
fn select_values_with(attribute: i64, part: &str, parameters: &mut Parameters) -> String {
    let of = |values: &str| format!("{values}.attribute = {attribute}");
    let has_part = contained("v.value", part, parameters);
    format!(
        "SELECT id FROM (WITH RECURSIVE known(value) AS MATERIALIZED (\
            SELECT min(v.value) FROM attribute_values v WHERE {of} \
            UNION ALL SELECT (SELECT v.value FROM attribute_values v \
                WHERE {of} AND v.value > known.value ORDER BY v.value LIMIT 1) \
            FROM known WHERE known.value IS NOT NULL LIMIT {VALUES_MAX}) \
        SELECT r.run AS id FROM known v CROSS JOIN attribute_values r ON {own} AND r.value = v.value WHERE {has_part} \
        UNION ALL SELECT v.run FROM attribute_values v WHERE {of} \
            AND v.value > (SELECT max(value) FROM known HAVING count(value) = {VALUES_MAX}) AND {has_part})",
        of = of("v"),
        own = of("r"),
    )
}

/// Whether a run has at most one value of it to be tested.
fn has_one_value(attribute: &Attribute) -> bool {
    !matches!(
        attribute.value_type(),
        SearchAttributeType::KeywordList | SearchAttributeType::Text
    )
}

/// The selection of the fewest runs, if they are fewer than `most`; and how many.
fn best(
    connection: &Connection,
    selections: impl Iterator<Item = Selection>,
    most: i64,
) -> rusqlite::Result<Option<(i64, Selection)>> {
    let mut best: Option<(i64, Selection)> = None;
    for selection in selections.take(TRIED_MAX) {
        let enough = best.as_ref().map_or(most, |(count, _)| *count);
        if selection.searches && enough <= SEARCHED_ABOVE {
            continue;
        }
        let parameters = selection.parameters.values();
        // Entries are passed faster than they are read, and most filters select far more than few.
        if !selection.searches {
            let last = enough.saturating_sub(1);
            let sql = format!("{} LIMIT 1 OFFSET {last}", selection.sql);
            if connection.prepare_cached(&sql)?.exists(&*parameters)? {
                continue;
            }
        }
        let sql = format!("SELECT id FROM ({} LIMIT {enough})", selection.sql);
        let mut statement = connection.prepare_cached(&sql)?;
        let found = statement.query_map(&*parameters, |row| row.get(0))?;
        let found: Vec<rusqlite::types::Value> = found.collect::<rusqlite::Result<_>>()?;
        let count = i64::try_from(found.len()).unwrap_or(i64::MAX);
        if count < enough {
            best = Some((count, Selection::of(found)));
        }
    }
    Ok(best)
}

/// A range of an index on a column; none if the predicate selects no range of it.
fn scalar_range(
    column: &str,
    predicate: &Predicate,
    parameters: &mut Parameters,
) -> Option<String> {
    Some(match predicate {
        Predicate::Compare(Comparison::NotEqual, _)
        | Predicate::IsNull
        | Predicate::ContainsPhrase(_) => return None,
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
        // No range, but a search of the index alone; those of parents and roots hold few runs.
        Predicate::Contains(_) if column.starts_with("parent") || column.starts_with("root") => {
            return None;
        }
        Predicate::Contains(part) => contained(column, part, parameters),
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

/// The comparison that holds where the other does not.
pub(crate) fn opposite(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal => Comparison::NotEqual,
        Comparison::NotEqual => Comparison::Equal,
        Comparison::Less => Comparison::GreaterOrEqual,
        Comparison::LessOrEqual => Comparison::Greater,
        Comparison::Greater => Comparison::LessOrEqual,
        Comparison::GreaterOrEqual => Comparison::Less,
    }
}
