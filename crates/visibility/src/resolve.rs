//! From syntax to meaning: names become attributes, literals become values of their types (semantics 9.2 to 9.4).

use crate::attribute::{CustomAttributes, SearchAttributeType, SystemField, predefined};
use crate::dialect::{Language, ORDER_BY, parse};
use crate::filter::{Attribute, Comparison, CountQuery, Filter, GroupBy, Predicate, Sort};
use crate::syntax::{Condition, Operand, Operator, Query};
use crate::typed::Subject;
use crate::value::Value;

/// Why a query is refused: an INVALID_ARGUMENT with this text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid query: {0}")]
pub struct QueryError(pub(crate) String);

/// Which kind of runs a query is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Workflows: what lists and counts of workflows ask.
    Workflows,
    /// Schedules: what `ListSchedules` and `CountSchedules` ask. `ScheduleId` is the id of the schedule, fields of
    /// the run behind it cannot be asked for, and only running schedulers are found.
    Schedules,
}

/// Understands the query of a list.
pub fn parse_list(
    query: &str,
    custom: &CustomAttributes,
    scope: Scope,
) -> Result<Filter, QueryError> {
    let query = parse(query, Language::Reference)?;
    refuse_clause(&query)?;
    if !query.group_by.is_empty() {
        return Err(unsupported("'GROUP BY' clause"));
    }
    let resolver = Resolver { custom, scope };
    let filter = resolver.query(query.condition)?;
    Ok(resolver.restrict(filter, false))
}

/// Understands the query of a list that may ask whether an attribute CONTAINS a text, and end with an `ORDER BY` of one
/// attribute. The reference knows no CONTAINS; it refuses an order on its SQL stores, and takes it on Elasticsearch if it
/// is configured to. Here who asks says that these are meant.
pub fn parse_sorted_list(
    query: &str,
    custom: &CustomAttributes,
    scope: Scope,
) -> Result<(Filter, Option<Sort>), QueryError> {
    let mut query = parse(query, Language::Extended)?;
    if query.refused_clause == Some(ORDER_BY) && !query.order_by.is_empty() {
        query.refused_clause = None;
    }
    refuse_clause(&query)?;
    if !query.group_by.is_empty() {
        return Err(unsupported("'GROUP BY' clause"));
    }
    let resolver = Resolver { custom, scope };
    let sort = match &query.order_by[..] {
        [] => None,
        [(by, descending)] => Some(resolver.sort(by, *descending)?),
        _ => {
            return Err(unsupported(
                "'ORDER BY' clause supports only a single field",
            ));
        }
    };
    let filter = resolver.query(query.condition)?;
    Ok((resolver.restrict(filter, false), sort))
}

/// Understands the query of a count.
pub fn parse_count(
    query: &str,
    custom: &CustomAttributes,
    scope: Scope,
) -> Result<CountQuery, QueryError> {
    count(parse(query, Language::Reference)?, custom, scope)
}

/// The same for the conditions of [`parse_sorted_list`].
pub fn parse_extended_count(
    query: &str,
    custom: &CustomAttributes,
    scope: Scope,
) -> Result<CountQuery, QueryError> {
    count(parse(query, Language::Extended)?, custom, scope)
}

fn count(query: Query, custom: &CustomAttributes, scope: Scope) -> Result<CountQuery, QueryError> {
    refuse_clause(&query)?;
    let resolver = Resolver { custom, scope };
    let filter = resolver.query(query.condition)?;
    let group_by = match &query.group_by[..] {
        [] => None,
        [field] => Some(resolver.group_by(field)?),
        _ => {
            return Err(unsupported(
                "'GROUP BY' clause supports only a single field",
            ));
        }
    };
    let divided = group_by == Some(GroupBy::NamespaceDivision);
    Ok(CountQuery {
        filter: resolver.restrict(filter, divided),
        group_by,
    })
}

fn refuse_clause(query: &Query) -> Result<(), QueryError> {
    query
        .refused_clause
        .map_or(Ok(()), |clause| Err(unsupported(clause)))
}

pub(crate) fn unsupported(what: impl std::fmt::Display) -> QueryError {
    QueryError(format!("operation is not supported: {what}"))
}

pub(crate) fn invalid(what: impl std::fmt::Display) -> QueryError {
    QueryError(format!("invalid expression: {what}"))
}

struct Resolver<'a> {
    custom: &'a CustomAttributes,
    scope: Scope,
}

impl Resolver<'_> {
    fn query(&self, condition: Option<Condition>) -> Result<Filter, QueryError> {
        condition.map_or(Ok(Filter::all()), |condition| self.condition(condition))
    }

    /// The server's own runs are found only by queries that name what divides them from the others (semantics 9.3).
    fn restrict(&self, filter: Filter, divided: bool) -> Filter {
        let division = Attribute::namespace_division();
        match self.scope {
            Scope::Workflows if divided || filter.mentions(&division) => filter,
            Scope::Workflows => filter.and(Filter::Test(division, Predicate::IsNull)),
            Scope::Schedules => {
                let scheduler = Value::Keyword("TemporalScheduler".to_owned());
                let running = Value::Int(1);
                let status = Attribute::System(SystemField::ExecutionStatus);
                filter
                    .and(Filter::Test(
                        division,
                        Predicate::Compare(Comparison::Equal, scheduler),
                    ))
                    .and(Filter::Test(
                        status,
                        Predicate::Compare(Comparison::Equal, running),
                    ))
            }
        }
    }

    fn group_by(&self, field: &Operand) -> Result<GroupBy, QueryError> {
        let Subject {
            attribute, name, ..
        } = self.subject(field)?;
        if attribute == Attribute::System(SystemField::ExecutionStatus) {
            Ok(GroupBy::ExecutionStatus)
        } else if attribute == Attribute::namespace_division() {
            Ok(GroupBy::NamespaceDivision)
        } else {
            Err(unsupported(format_args!(
                "'GROUP BY' clause is not supported for search attribute {name}"
            )))
        }
    }

    fn sort(&self, by: &Operand, descending: bool) -> Result<Sort, QueryError> {
        let Subject {
            attribute, name, ..
        } = self.subject(by)?;
        match attribute.value_type() {
            SearchAttributeType::Text | SearchAttributeType::KeywordList => Err(unsupported(
                format_args!("'ORDER BY' clause is not supported for search attribute {name}"),
            )),
            _ => Ok(Sort {
                attribute,
                descending,
            }),
        }
    }

    /// Recursive, so its frames are kept small: what is not nested is left to `term`.
    fn condition(&self, condition: Condition) -> Result<Filter, QueryError> {
        match condition {
            Condition::And(conditions) => self.all(conditions).map(Filter::And),
            Condition::Or(conditions) => self.all(conditions).map(Filter::Or),
            Condition::Not(condition) => Ok(Filter::Not(Box::new(self.condition(*condition)?))),
            term => self.term(term),
        }
    }

    fn all(&self, conditions: Vec<Condition>) -> Result<Vec<Filter>, QueryError> {
        let mut filters = Vec::with_capacity(conditions.len());
        for condition in conditions {
            filters.push(self.condition(condition)?);
        }
        Ok(filters)
    }

    fn term(&self, term: Condition) -> Result<Filter, QueryError> {
        match term {
            Condition::And(_) | Condition::Or(_) | Condition::Not(_) => self.condition(term),
            Condition::Comparison(subject, operator, right) => {
                self.comparison(&subject, operator, &right)
            }
            Condition::Range {
                subject,
                negated,
                low,
                high,
            } => {
                let subject = self.subject(&subject)?;
                let predicate = subject.between(&low, &high)?;
                Ok(negate(Filter::Test(subject.attribute, predicate), negated))
            }
            Condition::Null { subject, negated } => {
                let subject = self.subject(&subject)?;
                Ok(negate(
                    Filter::Test(subject.attribute, Predicate::IsNull),
                    negated,
                ))
            }
            Condition::IsOther => Err(invalid(
                "'IS' operator can only be used with 'NULL' or 'NOT NULL'",
            )),
            Condition::Term(Operand::Column(_)) => Err(invalid("incomplete expression")),
            Condition::Term(Operand::Function) => Err(unsupported("function expression")),
            Condition::Term(other) => Err(unsupported(format_args!(
                "expression of type {}",
                other.node()
            ))),
        }
    }

    /// What is compared.
    fn subject(&self, operand: &Operand) -> Result<Subject, QueryError> {
        let Operand::Column(name) = operand else {
            return Err(invalid(format_args!(
                "must be a column name but was {}",
                operand.node()
            )));
        };
        let Some(attribute) = self.attribute(name) else {
            return Err(invalid(format_args!(
                "column name '{name}' is not a valid search attribute"
            )));
        };
        if self.scope == Scope::Schedules && hides_schedules(&attribute, name) {
            let reason = format!("invalid query filter for schedules: cannot filter on \"{name}\"");
            return Err(QueryError(reason));
        }
        Ok(Subject {
            attribute,
            name: name.clone(),
            is_schedule_id: self.scope == Scope::Schedules && name == "ScheduleId",
        })
    }

    /// Custom names come first, except where a system or predefined attribute has the name; then the exact name, the
    /// name with `Temporal` put before or taken away, and the alias of schedules.
    fn attribute(&self, name: &str) -> Option<Attribute> {
        let own = |name: &str| {
            let system = SystemField::from_name(name).map(Attribute::System);
            system.or_else(|| {
                predefined(name).map(|found| Attribute::Named(name.to_owned(), found.value_type))
            })
        };
        let custom = || Some(Attribute::Named(name.to_owned(), *self.custom.get(name)?));
        own(name)
            .or_else(custom)
            .or_else(|| name.strip_prefix("Temporal").and_then(own))
            .or_else(|| own(&format!("Temporal{name}")))
            .or_else(|| {
                (name == "ScheduleId").then_some(Attribute::System(SystemField::WorkflowId))
            })
    }

    fn comparison(
        &self,
        left: &Operand,
        operator: Operator,
        right: &Operand,
    ) -> Result<Filter, QueryError> {
        let subject = self.subject(left)?;
        let printed = || format!("`{left} {} {right}`", operator.name());
        if let Operator::Refused(operator) = operator {
            return Err(invalid(format_args!(
                "invalid operator '{operator}' in {}",
                printed()
            )));
        }
        let value_type = subject.attribute.value_type();
        let Some(predicate) = subject.predicate(operator, right)? else {
            return Err(invalid(format_args!(
                "operator '{}' not supported for {} type search attribute in {}",
                operator.name(),
                value_type.name(),
                printed(),
            )));
        };
        let contained = matches!(
            value_type,
            SearchAttributeType::Text | SearchAttributeType::KeywordList
        );
        let negated = match operator {
            Operator::NotIn | Operator::NotStartsWith | Operator::NotContains => true,
            Operator::NotEqual => contained,
            _ => false,
        };
        Ok(negate(Filter::Test(subject.attribute, predicate), negated))
    }
}

/// Schedules are asked for by their id, by what was set on them, and by whether they are paused.
fn hides_schedules(attribute: &Attribute, name: &str) -> bool {
    match attribute {
        Attribute::System(_) => name != "ScheduleId",
        Attribute::Named(attribute, _) => {
            predefined(attribute).is_some() && attribute != "TemporalSchedulePaused"
        }
    }
}

fn negate(filter: Filter, negated: bool) -> Filter {
    if negated {
        Filter::Not(Box::new(filter))
    } else {
        filter
    }
}
