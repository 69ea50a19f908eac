//! The plan of a query: a typed tree that knows nothing of SQL.
//!
//! Its logic is three-valued, as in SQL: a test of an attribute that a run does not have is neither true nor false,
//! nor is its negation, so that neither finds the run (semantics 9.2, "Absent values").

use crate::attribute::{NAMESPACE_DIVISION, SearchAttributeType, SystemField};
use crate::value::Value;

/// A condition on runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All hold; an empty one always holds.
    And(Vec<Filter>),
    /// At least one holds; an empty one never holds.
    Or(Vec<Filter>),
    /// The inner one does not hold.
    Not(Box<Filter>),
    /// A test of one attribute.
    Test(Attribute, Predicate),
}

/// What is tested.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// A field of every run.
    System(SystemField),
    /// A predefined or custom attribute.
    Named(String, SearchAttributeType),
}

/// A test of a value that is there. The values fit the attribute's type; numbers may be `Int` or `Double` for either
/// of these types, `ExecutionStatus` is an `Int`, `Bool` an `Int` of 0 or 1, and `KeywordList` and `Text` take
/// only their own predicates.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// Comparison with one value.
    Compare(Comparison, Value),
    /// Equal to one of the values; for a `KeywordList` (values are `Keyword`): contains one of them.
    In(Vec<Value>),
    /// Within the bounds, both included.
    Between(Value, Value),
    /// The string begins with this; for an `Int`, its decimal digits do.
    StartsWith(String),
    /// This is a part of the string.
    Contains(String),
    /// The text contains at least one of these phrases: sequences of [`tokens`](crate::tokens).
    ContainsPhrase(Vec<Vec<String>>),
    /// There is no value. The only predicate that answers for absent ones.
    IsNull,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// An order of a list other than the usual one: by the value of one attribute. Runs without a value come last, either
/// way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sort {
    /// By whose value; neither a `Text` nor a `KeywordList`.
    pub attribute: Attribute,
    /// Greater values first.
    pub descending: bool,
}

/// A query of `CountWorkflowExecutions`.
#[derive(Clone, Debug, PartialEq)]
pub struct CountQuery {
    /// What is counted.
    pub filter: Filter,
    /// How the count is divided.
    pub group_by: Option<GroupBy>,
}

/// The attributes by which counts can be divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// By status.
    ExecutionStatus,
    /// By `TemporalNamespaceDivision`; runs without one are a group, too.
    NamespaceDivision,
}

impl Filter {
    /// Holds for every run, those of the server included.
    pub fn all() -> Self {
        Self::And(Vec::new())
    }

    /// Whether this attribute is tested anywhere.
    pub fn mentions(&self, attribute: &Attribute) -> bool {
        match self {
            Self::And(filters) | Self::Or(filters) => {
                filters.iter().any(|filter| filter.mentions(attribute))
            }
            Self::Not(filter) => filter.mentions(attribute),
            Self::Test(tested, _) => tested == attribute,
        }
    }

    /// Both hold.
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::And(mut filters) => {
                filters.push(other);
                Self::And(filters)
            }
            filter => Self::And(vec![filter, other]),
        }
    }
}

impl Attribute {
    /// The attribute that divides the server's own runs from the others.
    pub fn namespace_division() -> Self {
        Self::Named(NAMESPACE_DIVISION.to_owned(), SearchAttributeType::Keyword)
    }

    /// Its name in queries.
    pub fn name(&self) -> &str {
        match self {
            Self::System(field) => field.name(),
            Self::Named(name, _) => name,
        }
    }

    /// The type of its values.
    pub fn value_type(&self) -> SearchAttributeType {
        match self {
            Self::System(field) => field.value_type(),
            Self::Named(_, value_type) => *value_type,
        }
    }
}
