//! When a filter holds for a record: the meaning of filters, which every store must reproduce.

use std::cmp::Ordering;

use crate::attribute::SystemField;
use crate::filter::{Attribute, Comparison, Filter, Predicate, Sort};
use crate::page::{SortKey, micros};
use crate::record::Record;
use crate::text::{contains_phrase, tokens};
use crate::value::Value;

impl Filter {
    /// Whether the filter finds the run.
    pub fn matches(&self, record: &Record) -> bool {
        self.holds(record) == Some(true)
    }

    /// Nothing if that cannot be said, because an attribute is absent.
    fn holds(&self, record: &Record) -> Option<bool> {
        match self {
            Self::And(filters) => decided_by(false, filters, record),
            Self::Or(filters) => decided_by(true, filters, record),
            Self::Not(filter) => filter.holds(record).map(|holds| !holds),
            Self::Test(attribute, Predicate::IsNull) => Some(lookup(record, attribute).is_none()),
            Self::Test(attribute, predicate) => {
                lookup(record, attribute).map(|value| predicate.holds(&value))
            }
        }
    }
}

impl Sort {
    /// The value by which a run is sorted, if it has one.
    pub fn key(&self, record: &Record) -> Option<SortKey> {
        match lookup(record, &self.attribute)? {
            Found::String(text) => Some(SortKey::String(text.to_owned())),
            Found::Int(number) => Some(SortKey::Int(number)),
            Found::Double(number) => Some(SortKey::Double(number)),
            Found::List(_) | Found::Text(_) => None,
        }
    }
}

/// One member that has the deciding value decides; otherwise one that is unknown leaves the whole unknown.
fn decided_by(deciding: bool, filters: &[Filter], record: &Record) -> Option<bool> {
    let mut result = Some(!deciding);
    for filter in filters {
        match filter.holds(record) {
            Some(holds) if holds == deciding => return Some(deciding),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

/// The value of an attribute of a record, borrowed.
enum Found<'a> {
    String(&'a str),
    Int(i64),
    Double(f64),
    List(&'a [String]),
    Text(&'a str),
}

fn lookup<'a>(record: &'a Record, attribute: &Attribute) -> Option<Found<'a>> {
    match attribute {
        Attribute::System(field) => system(record, *field),
        Attribute::Named(name, value_type) => {
            let (_, value) = record
                .search_attributes
                .iter()
                .find(|(set, _)| set == name)?;
            // A value of another type comes from an attribute that was removed and defined anew.
            (value.value_type() == *value_type).then(|| named(value))
        }
    }
}

fn system(record: &Record, field: SystemField) -> Option<Found<'_>> {
    Some(match field {
        SystemField::WorkflowId => Found::String(&record.workflow_id),
        SystemField::RunId => Found::String(&record.run_id),
        SystemField::WorkflowType => Found::String(&record.workflow_type),
        SystemField::TaskQueue => Found::String(&record.task_queue),
        SystemField::ExecutionStatus => Found::Int(record.status.into()),
        SystemField::StartTime => Found::Int(micros(record.start_time)),
        SystemField::ExecutionTime => Found::Int(micros(record.execution_time)),
        SystemField::CloseTime => Found::Int(micros(record.close_time?)),
        SystemField::ExecutionDuration => Found::Int(record.execution_duration?),
        SystemField::HistoryLength => Found::Int(record.history_length?),
        SystemField::HistorySizeBytes => Found::Int(record.history_size_bytes?),
        SystemField::StateTransitionCount => Found::Int(record.state_transition_count?),
        SystemField::ParentWorkflowId => Found::String(&record.parent.as_ref()?.0),
        SystemField::ParentRunId => Found::String(&record.parent.as_ref()?.1),
        SystemField::RootWorkflowId => Found::String(
            record
                .root
                .as_ref()
                .map_or(&record.workflow_id, |root| &root.0),
        ),
        SystemField::RootRunId => {
            Found::String(record.root.as_ref().map_or(&record.run_id, |root| &root.1))
        }
    })
}

fn named(value: &Value) -> Found<'_> {
    match value {
        Value::Text(text) => Found::Text(text),
        Value::Keyword(text) => Found::String(text),
        Value::Int(number) | Value::Datetime(number) => Found::Int(*number),
        Value::Double(number) => Found::Double(*number),
        Value::Bool(value) => Found::Int((*value).into()),
        Value::KeywordList(members) => Found::List(members),
    }
}

impl Predicate {
    fn holds(&self, found: &Found<'_>) -> bool {
        match self {
            Self::Compare(comparison, value) => found
                .compare(value)
                .is_some_and(|ordering| comparison.accepts(ordering)),
            Self::In(values) => values.iter().any(|value| match found {
                Found::List(members) => {
                    matches!(value, Value::Keyword(wanted) if members.contains(wanted))
                }
                _ => found.compare(value) == Some(Ordering::Equal),
            }),
            Self::Between(low, high) => {
                found.compare(low).is_some_and(Ordering::is_ge)
                    && found.compare(high).is_some_and(Ordering::is_le)
            }
            Self::StartsWith(prefix) => match found {
                Found::String(text) => text.starts_with(prefix),
                Found::Int(number) => number.to_string().starts_with(prefix),
                _ => false,
            },
            Self::Contains(part) => matches!(found, Found::String(text) if text.contains(part)),
            Self::ContainsPhrase(phrases) => match found {
                Found::Text(text) => {
                    let words = tokens(text);
                    phrases.iter().any(|phrase| contains_phrase(&words, phrase))
                }
                _ => false,
            },
            Self::IsNull => false,
        }
    }
}

impl Comparison {
    fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

impl Found<'_> {
    /// Nothing if the two cannot be compared.
    fn compare(&self, value: &Value) -> Option<Ordering> {
        match (self, value) {
            (Self::String(found), Value::Keyword(text)) => {
                Some(found.as_bytes().cmp(text.as_bytes()))
            }
            (Self::Int(found), Value::Int(number) | Value::Datetime(number)) => {
                Some(found.cmp(number))
            }
            (Self::Int(found), Value::Double(number)) => Some(compare_exactly(*found, *number)),
            (Self::Double(found), Value::Int(number)) => {
                Some(compare_exactly(*number, *found).reverse())
            }
            (Self::Double(found), Value::Double(number)) => found.partial_cmp(number),
            _ => None,
        }
    }
}

/// Compares as numbers, without rounding either; the second is not NaN.
fn compare_exactly(int: i64, double: f64) -> Ordering {
    // 2^63, the first double above all integers.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if double >= BEYOND {
        return Ordering::Less;
    }
    if double < -BEYOND {
        return Ordering::Greater;
    }
    let whole = double.trunc();
    int.cmp(&(whole as i64))
        .then_with(|| whole.partial_cmp(&double).unwrap_or(Ordering::Equal))
}
