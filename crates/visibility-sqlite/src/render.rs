//! Filters as SQL conditions on the table `runs`, called `r`. Every value is bound.

use std::rc::Rc;

use rusqlite::ToSql;
use rusqlite::types::Value as Sql;
use steadfast_visibility::{
    Attribute, Comparison, Filter, Position, Predicate, SearchAttributeType, SystemField, Value,
};

use crate::catalog::Catalog;
use crate::codec::encode_strings;
use crate::functions::spaced;

/// Values of an IN that are written one by one; more are bound as one table.
const LISTED_MAX: usize = 8;

/// The parameters of a statement.
#[derive(Clone, Default)]
pub(crate) struct Parameters {
    values: Vec<Rc<dyn ToSql>>,
}

impl Parameters {
    /// Binds a value, and says how the statement refers to it.
    pub(crate) fn bind(&mut self, value: impl ToSql + 'static) -> String {
        self.values.push(Rc::new(value));
        format!("?{}", self.values.len())
    }

    pub(crate) fn values(&self) -> Vec<&dyn ToSql> {
        self.values.iter().map(|value| &**value).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Forgets all but the first.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.values.truncate(length);
    }

    /// `(?, ?)`, or a subquery for many.
    pub(crate) fn bind_list(&mut self, values: &[Value]) -> String {
        if values.len() <= LISTED_MAX {
            let bound: Vec<_> = values.iter().map(|value| self.bind(sql(value))).collect();
            return format!("({})", bound.join(", "));
        }
        let values: Vec<Sql> = values.iter().map(sql).collect();
        format!("(SELECT value FROM rarray({}))", self.bind(Rc::new(values)))
    }
}

/// A scalar as SQLite stores it.
pub(crate) fn sql(value: &Value) -> Sql {
    match value {
        Value::Text(text) | Value::Keyword(text) => Sql::Text(text.clone()),
        Value::Int(number) | Value::Datetime(number) => Sql::Integer(*number),
        Value::Double(number) => Sql::Real(*number),
        Value::Bool(value) => Sql::Integer((*value).into()),
        Value::KeywordList(_) => Sql::Null,
    }
}

/// What a filter is rendered for.
pub(crate) struct Renderer<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) namespace: i64,
}

/// The number of a namespace that has no runs yet.
const UNKNOWN: i64 = -1;

impl<'a> Renderer<'a> {
    pub(crate) fn of(catalog: &'a Catalog, namespace_id: &str) -> Self {
        Self {
            catalog,
            namespace: catalog.namespace(namespace_id).unwrap_or(UNKNOWN),
        }
    }

    /// The condition, in parentheses.
    pub(crate) fn filter(&self, filter: &Filter, parameters: &mut Parameters) -> String {
        match filter {
            Filter::And(filters) => self.joined(filters, " AND ", "1", parameters),
            Filter::Or(filters) => self.joined(filters, " OR ", "0", parameters),
            Filter::Not(inner) => match &**inner {
                // Also true of what is unknown.
                Filter::Not(inner) => self.filter(inner, parameters),
                inner => format!("(NOT {})", self.filter(inner, parameters)),
            },
            Filter::Test(attribute, predicate) => {
                format!("({})", self.test(attribute, predicate, parameters))
            }
        }
    }

    /// SQLite bounds the depth of expressions, so a long chain becomes a balanced tree.
    fn joined(
        &self,
        filters: &[Filter],
        operator: &str,
        empty: &str,
        parameters: &mut Parameters,
    ) -> String {
        match filters {
            [] => empty.to_owned(),
            [filter] => self.filter(filter, parameters),
            filters => {
                let (left, right) = filters.split_at(filters.len() / 2);
                let left = self.joined(left, operator, empty, parameters);
                let right = self.joined(right, operator, empty, parameters);
                format!("({left}{operator}{right})")
            }
        }
    }

    fn test(
        &self,
        attribute: &Attribute,
        predicate: &Predicate,
        parameters: &mut Parameters,
    ) -> String {
        let value = self.value(attribute);
        match predicate {
            Predicate::IsNull => format!("{value} IS NULL"),
            Predicate::Compare(comparison, with) => {
                format!(
                    "{value} {} {}",
                    operator(*comparison),
                    parameters.bind(sql(with))
                )
            }
            Predicate::In(values) if attribute.value_type() == SearchAttributeType::KeywordList => {
                let strings: Vec<_> = values.iter().filter_map(keyword).cloned().collect();
                self.looked_into("attribute_has_any", attribute, &strings, parameters)
            }
            // SQLite takes `NULL IN ()` for false.
            Predicate::In(values) if values.is_empty() => {
                format!("CASE WHEN {value} IS NULL THEN NULL ELSE 0 END")
            }
            Predicate::In(values) => format!("{value} IN {}", parameters.bind_list(values)),
            Predicate::Between(low, high) => {
                let (low, high) = (parameters.bind(sql(low)), parameters.bind(sql(high)));
                format!("{value} BETWEEN {low} AND {high}")
            }
            Predicate::StartsWith(prefix) => {
                let value = match attribute.value_type() {
                    SearchAttributeType::Int => format!("CAST({value} AS TEXT)"),
                    _ => value,
                };
                prefixed(&value, prefix, parameters)
            }
            Predicate::Contains(part) => contained(&value, part, parameters),
            Predicate::ContainsPhrase(phrases) => {
                let phrases: Vec<_> = phrases.iter().map(|phrase| spaced(phrase)).collect();
                self.looked_into("attribute_has_phrase", attribute, &phrases, parameters)
            }
        }
    }

    fn looked_into(
        &self,
        function: &str,
        attribute: &Attribute,
        strings: &[String],
        parameters: &mut Parameters,
    ) -> String {
        match self.attribute_id(attribute) {
            Some(id) => format!(
                "{function}(r.attributes, {id}, {})",
                parameters.bind(encode_strings(strings))
            ),
            None => "NULL".to_owned(),
        }
    }

    pub(crate) fn attribute_id(&self, attribute: &Attribute) -> Option<i64> {
        match attribute {
            Attribute::System(_) => None,
            Attribute::Named(name, value_type) => {
                self.catalog.attribute(self.namespace, name, *value_type)
            }
        }
    }

    fn value(&self, attribute: &Attribute) -> String {
        let column = match attribute {
            Attribute::System(field) => system_column(*field),
            division if *division == Attribute::namespace_division() => "r.division",
            // No run has ever had a value of an attribute without a number.
            named => {
                return match self.attribute_id(named) {
                    Some(id) => format!("attribute(r.attributes, {id})"),
                    None => "NULL".to_owned(),
                };
            }
        };
        column.to_owned()
    }
}

pub(crate) fn system_column(field: SystemField) -> &'static str {
    const { assert!(Position::OPEN == 9_223_372_036_854_775_807) };
    match field {
        SystemField::WorkflowId => "r.workflow_id",
        SystemField::RunId => "r.run_id",
        SystemField::WorkflowType => "r.type",
        SystemField::TaskQueue => "r.queue",
        SystemField::ExecutionStatus => "r.status",
        SystemField::StartTime => "r.start",
        SystemField::ExecutionTime => "r.execution",
        SystemField::CloseTime => "nullif(r.close, 9223372036854775807)",
        SystemField::ExecutionDuration => "r.duration",
        SystemField::HistoryLength => "r.history_length",
        SystemField::HistorySizeBytes => "r.history_size",
        SystemField::StateTransitionCount => "r.transitions",
        SystemField::ParentWorkflowId => "r.parent_workflow_id",
        SystemField::ParentRunId => "r.parent_run_id",
        SystemField::RootWorkflowId => "coalesce(r.root_workflow_id, r.workflow_id)",
        SystemField::RootRunId => "coalesce(r.root_run_id, r.run_id)",
    }
}

pub(crate) fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

/// A prefix as a range, which indexes understand.
pub(crate) fn prefixed(value: &str, prefix: &str, parameters: &mut Parameters) -> String {
    let from = parameters.bind(prefix.to_owned());
    match successor(prefix) {
        Some(successor) => format!(
            "{value} >= {from} AND {value} < {}",
            parameters.bind(successor)
        ),
        None => format!("{value} >= {from}"),
    }
}

/// Whether a string has this part.
pub(crate) fn contained(value: &str, part: &str, parameters: &mut Parameters) -> String {
    format!("instr({value}, {}) > 0", parameters.bind(part.to_owned()))
}

/// The smallest string above all that begin with this one; none if there is no such string.
pub(crate) fn successor(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // The surrogates between these two are no characters; the order of the others is that of their UTF-8.
        let next = if last == '\u{d7ff}' {
            Some('\u{e000}')
        } else {
            char::from_u32(u32::from(last) + 1)
        };
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

pub(crate) fn keyword(value: &Value) -> Option<&String> {
    match value {
        Value::Keyword(text) => Some(text),
        _ => None,
    }
}
