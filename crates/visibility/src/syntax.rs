//! What a query says, before its names and values mean anything.

use std::fmt;

/// A condition.
#[derive(Debug)]
pub(crate) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Comparison(Operand, Operator, Operand),
    Range {
        subject: Operand,
        negated: bool,
        low: Operand,
        high: Operand,
    },
    Null {
        subject: Operand,
        negated: bool,
    },
    /// `IS TRUE` and its like.
    IsOther,
    /// Something that is no condition.
    Term(Operand),
}

/// One side of a comparison.
#[derive(Debug)]
pub(crate) enum Operand {
    Column(String),
    String(String),
    /// Digits with an optional sign.
    Int(String),
    /// The same with a point or an exponent.
    Float(String),
    Bool(bool),
    List(Vec<Operand>),
    Function,
    /// A literal that the reference cannot read either, e.g. `0x01`.
    Unreadable(String),
    /// Anything else, by the name that the reference's messages have for it.
    Other(&'static str),
}

/// Operators between two operands; the later ones exist only to be refused by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
    StartsWith,
    NotStartsWith,
    Contains,
    NotContains,
    Refused(&'static str),
}

/// A whole query.
#[derive(Debug, Default)]
pub(crate) struct Query {
    /// None in a query that is empty, or only a `GROUP BY`.
    pub(crate) condition: Option<Condition>,
    pub(crate) group_by: Vec<Operand>,
    /// What an `ORDER BY` at the end names, each with whether it descends; empty if that cannot be read either.
    pub(crate) order_by: Vec<(Operand, bool)>,
    /// A clause that is refused: an `ORDER BY` unless it was asked for, the others always.
    pub(crate) refused_clause: Option<&'static str>,
}

impl Operator {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::NotIn => "not in",
            Self::StartsWith => "starts_with",
            Self::NotStartsWith => "not starts_with",
            Self::Contains => "contains",
            Self::NotContains => "not contains",
            Self::Refused(name) => name,
        }
    }
}

impl Operand {
    /// The name of the reference's syntax node, which stands in some messages.
    pub(crate) fn node(&self) -> &'static str {
        match self {
            Self::Column(_) => "*sqlparser.ColName",
            Self::String(_) | Self::Int(_) | Self::Float(_) | Self::Unreadable(_) => {
                "*sqlparser.SQLVal"
            }
            Self::Bool(_) => "sqlparser.BoolVal",
            Self::List(_) => "sqlparser.ValTuple",
            Self::Function => "*sqlparser.FuncExpr",
            Self::Other(node) => node,
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(name) if plain(name) => f.write_str(name),
            Self::Column(name) => write!(f, "`{name}`"),
            Self::String(text) => {
                f.write_str("'")?;
                for character in text.chars() {
                    match character {
                        '\'' | '\\' | '"' => write!(f, "\\{character}")?,
                        '\n' => f.write_str("\\n")?,
                        '\r' => f.write_str("\\r")?,
                        '\t' => f.write_str("\\t")?,
                        '\0' => f.write_str("\\0")?,
                        _ => write!(f, "{character}")?,
                    }
                }
                f.write_str("'")
            }
            Self::Int(text) | Self::Float(text) | Self::Unreadable(text) => f.write_str(text),
            Self::Bool(value) => write!(f, "{value}"),
            Self::List(members) => {
                f.write_str("(")?;
                for (index, member) in members.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}{member}")?;
                }
                f.write_str(")")
            }
            Self::Function => f.write_str("function"),
            Self::Other(node) => f.write_str(node),
        }
    }
}

/// Whether a name needs no backticks.
fn plain(name: &str) -> bool {
    let part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    name.chars().all(part) && !name.starts_with(|character: char| character.is_ascii_digit())
}
