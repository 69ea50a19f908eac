//! Operands as values of the attribute they are compared with (semantics 9.2, "Values"). A value of another type is
//! refused, as the reference does since 1.32.

use crate::attribute::{SearchAttributeType, SystemField};
use crate::filter::{Attribute, Comparison, Predicate};
use crate::literal::{STATUS_NAMES, parse_datetime, parse_duration, parse_status};
use crate::page::micros;
use crate::resolve::{QueryError, invalid, unsupported};
use crate::syntax::{Operand, Operator};
use crate::text::tokens;
use crate::value::Value;

/// What precedes the id of a schedule in the workflow id of its scheduler.
const SCHEDULER_PREFIX: &str = "temporal-sys-scheduler:";

/// The left side of a comparison.
pub(crate) struct Subject {
    pub(crate) attribute: Attribute,
    /// As it stands in the query.
    pub(crate) name: String,
    /// Values are ids of schedules, to be turned into workflow ids.
    pub(crate) is_schedule_id: bool,
}

impl Subject {
    /// The test that an operator makes; none if the type does not know the operator.
    pub(crate) fn predicate(
        &self,
        operator: Operator,
        right: &Operand,
    ) -> Result<Option<Predicate>, QueryError> {
        let comparison = match operator {
            Operator::Equal => Comparison::Equal,
            Operator::NotEqual => Comparison::NotEqual,
            Operator::Less => Comparison::Less,
            Operator::LessOrEqual => Comparison::LessOrEqual,
            Operator::Greater => Comparison::Greater,
            Operator::GreaterOrEqual => Comparison::GreaterOrEqual,
            Operator::In | Operator::NotIn => return self.any_of(right),
            Operator::StartsWith | Operator::NotStartsWith => return self.prefix(right),
            Operator::Contains | Operator::NotContains => return self.part(right),
            Operator::Refused(_) => return Ok(None),
        };
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        Ok(match self.attribute.value_type() {
            SearchAttributeType::Text if equality => {
                Some(Predicate::ContainsPhrase(self.phrases(right)?))
            }
            SearchAttributeType::KeywordList if equality => {
                Some(Predicate::In(vec![self.member(right)?]))
            }
            SearchAttributeType::Text | SearchAttributeType::KeywordList => None,
            _ => Some(Predicate::Compare(comparison, self.value(right)?)),
        })
    }

    fn any_of(&self, right: &Operand) -> Result<Option<Predicate>, QueryError> {
        let Operand::List(members) = right else {
            return Err(unexpected_value(right));
        };
        let values: Result<Vec<_>, _> = match self.attribute.value_type() {
            SearchAttributeType::Text => return Ok(None),
            SearchAttributeType::KeywordList => {
                members.iter().map(|value| self.member(value)).collect()
            }
            _ => members.iter().map(|member| self.value(member)).collect(),
        };
        Ok(Some(Predicate::In(values?)))
    }

    /// Both bounds belong to the range.
    pub(crate) fn between(&self, low: &Operand, high: &Operand) -> Result<Predicate, QueryError> {
        let value_type = self.attribute.value_type();
        if matches!(
            value_type,
            SearchAttributeType::Text
                | SearchAttributeType::KeywordList
                | SearchAttributeType::Bool
        ) {
            return Err(invalid(format_args!(
                "cannot do range condition on search attribute '{}' of type {}",
                self.name,
                value_type.name(),
            )));
        }
        Ok(Predicate::Between(self.value(low)?, self.value(high)?))
    }

    fn prefix(&self, right: &Operand) -> Result<Option<Predicate>, QueryError> {
        let value_type = self.attribute.value_type();
        if matches!(
            value_type,
            SearchAttributeType::Text | SearchAttributeType::KeywordList
        ) {
            return Ok(None);
        }
        let Operand::String(text) = right else {
            refuse_names(right)?;
            return Err(invalid(format_args!(
                "right-hand side of 'starts_with' must be a literal string (got: {right})"
            )));
        };
        // Values with a notation of their own are first read in it.
        self.value(right)?;
        let prefix = match value_type {
            SearchAttributeType::Keyword if !self.is_status() => self.text(text),
            _ => return Ok(None),
        };
        Ok(Some(Predicate::StartsWith(prefix)))
    }

    fn part(&self, right: &Operand) -> Result<Option<Predicate>, QueryError> {
        if self.attribute.value_type() != SearchAttributeType::Keyword || self.is_status() {
            return Ok(None);
        }
        match right {
            Operand::String(text) => Ok(Some(Predicate::Contains(text.clone()))),
            _ => {
                refuse_names(right)?;
                Err(invalid(format_args!(
                    "right-hand side of 'contains' must be a literal string (got: {right})"
                )))
            }
        }
    }

    fn is_status(&self) -> bool {
        self.attribute == Attribute::System(SystemField::ExecutionStatus)
    }

    fn text(&self, text: &str) -> String {
        let prefix = if self.is_schedule_id {
            SCHEDULER_PREFIX
        } else {
            ""
        };
        format!("{prefix}{text}")
    }

    /// A scalar of the attribute's type.
    fn value(&self, operand: &Operand) -> Result<Value, QueryError> {
        refuse_names(operand)?;
        if let Operand::List(_) | Operand::Other(_) = operand {
            return Err(unexpected_value(operand));
        }
        match (&self.attribute, self.attribute.value_type()) {
            (Attribute::System(SystemField::ExecutionStatus), _) => self.status(operand),
            (Attribute::System(SystemField::ExecutionDuration), _) => self.duration(operand),
            (_, SearchAttributeType::Datetime) => self.datetime(operand),
            (_, SearchAttributeType::Int | SearchAttributeType::Double) => self.number(operand),
            (_, SearchAttributeType::Bool) => match operand {
                Operand::Bool(value) => Ok(Value::Int((*value).into())),
                other => Err(self.of_another_type(other)),
            },
            _ => match operand {
                Operand::String(text) => Ok(Value::Keyword(self.text(text))),
                other => Err(self.of_another_type(other)),
            },
        }
    }

    fn number(&self, operand: &Operand) -> Result<Value, QueryError> {
        let (Operand::Int(text) | Operand::Float(text)) = operand else {
            return Err(self.of_another_type(operand));
        };
        let double = || text.parse().map(Value::Double);
        text.parse()
            .map(Value::Int)
            .or_else(|_| double())
            .map_err(|_| self.of_another_type(operand))
    }

    fn status(&self, operand: &Operand) -> Result<Value, QueryError> {
        match operand {
            Operand::String(name) => match parse_status(name) {
                Some(status) => Ok(Value::Int(status.into())),
                None => Err(invalid(format_args!(
                    "invalid ExecutionStatus value '{name}'"
                ))),
            },
            Operand::Int(number) => {
                let status = number.parse().ok();
                let status = status.filter(|it| (0..STATUS_NAMES.len() as i64).contains(it));
                status
                    .map(Value::Int)
                    .ok_or_else(|| invalid(format_args!("invalid ExecutionStatus value {number}")))
            }
            Operand::Float(_) => Err(self.unexpected_type("float64")),
            operand => Err(self.of_another_type(operand)),
        }
    }

    fn duration(&self, operand: &Operand) -> Result<Value, QueryError> {
        let text = match operand {
            Operand::String(text) => text,
            Operand::Float(_) => return Err(self.unexpected_type("float64")),
            operand => return self.number(operand),
        };
        match parse_duration(text) {
            Ok(nanos) => Ok(Value::Int(nanos)),
            Err(reason) => {
                let name = SystemField::ExecutionDuration.name();
                Err(QueryError(format!(
                    "invalid value for search attribute {name}: {text} ({reason})"
                )))
            }
        }
    }

    fn datetime(&self, operand: &Operand) -> Result<Value, QueryError> {
        match operand {
            Operand::String(text) => match parse_datetime(text) {
                Some(micros) => Ok(Value::Datetime(micros)),
                None => Err(invalid(format_args!("unable to parse datetime '{text}'"))),
            },
            Operand::Int(digits) => {
                // Beyond the range of 64 bits no instant is left to be told apart.
                let bound = if digits.starts_with('-') {
                    i64::MIN
                } else {
                    i64::MAX
                };
                let nanos = digits.parse().unwrap_or(bound);
                Ok(Value::Datetime(micros(nanos)))
            }
            Operand::Float(_) => Err(self.unexpected_type("float64")),
            _ => Err(self.unexpected_type("bool")),
        }
    }

    /// A member of a `KeywordList`.
    fn member(&self, operand: &Operand) -> Result<Value, QueryError> {
        self.string(operand)
            .map(|text| Value::Keyword(text.to_owned()))
    }

    /// The value of a `Text` is split at blanks; what holds several words after that is a phrase.
    fn phrases(&self, operand: &Operand) -> Result<Vec<Vec<String>>, QueryError> {
        let text = self.string(operand)?;
        if text.split_whitespace().next().is_none() {
            return Err(invalid(format_args!(
                "unexpected value for Text type search attribute (no tokens found in '{text}')"
            )));
        }
        Ok(text
            .split_whitespace()
            .map(tokens)
            .filter(|phrase| !phrase.is_empty())
            .collect())
    }

    fn string<'a>(&self, operand: &'a Operand) -> Result<&'a str, QueryError> {
        refuse_names(operand)?;
        match operand {
            Operand::String(text) => Ok(text),
            Operand::List(_) | Operand::Other(_) => Err(unexpected_value(operand)),
            other => Err(self.of_another_type(other)),
        }
    }

    fn of_another_type(&self, operand: &Operand) -> QueryError {
        let (shown, found) = match operand {
            Operand::String(text) => (format!("{text:?}"), "string"),
            Operand::Bool(_) => (operand.to_string(), "bool"),
            Operand::Float(_) => (operand.to_string(), "float64"),
            _ => (operand.to_string(), "int64"),
        };
        invalid(format_args!(
            "invalid value type for search attribute {} of type {}: {shown} (type: {found})",
            self.name,
            self.attribute.value_type().name(),
        ))
    }

    fn unexpected_type(&self, found: &str) -> QueryError {
        invalid(format_args!(
            "unexpected value type {found} for search attribute {}",
            self.name
        ))
    }
}

/// Names and functions are no values, nor is what cannot be read.
fn refuse_names(operand: &Operand) -> Result<(), QueryError> {
    match operand {
        Operand::Column(name) => Err(unsupported(format_args!(
            "column name on the right side of comparison expression (did you forget to quote '{name}'?)"
        ))),
        Operand::Function => Err(unsupported("nested func")),
        Operand::Unreadable(text) => Err(invalid(format_args!("unable to parse {text}"))),
        _ => Ok(()),
    }
}

fn unexpected_value(operand: &Operand) -> QueryError {
    refuse_names(operand)
        .err()
        .unwrap_or_else(|| invalid(format_args!("unexpected value type {}", operand.node())))
}
