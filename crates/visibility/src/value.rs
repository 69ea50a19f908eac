//! Typed values of search attributes.

use crate::attribute::SearchAttributeType;

/// The value of a search attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Words.
    Text(String),
    /// One string.
    Keyword(String),
    /// An integer.
    Int(i64),
    /// A number; never NaN.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// Microseconds since 1970, which hold all years from 1 to 9999.
    Datetime(i64),
    /// Several strings.
    KeywordList(Vec<String>),
}

impl Value {
    /// The type of the value.
    pub fn value_type(&self) -> SearchAttributeType {
        match self {
            Self::Text(_) => SearchAttributeType::Text,
            Self::Keyword(_) => SearchAttributeType::Keyword,
            Self::Int(_) => SearchAttributeType::Int,
            Self::Double(_) => SearchAttributeType::Double,
            Self::Bool(_) => SearchAttributeType::Bool,
            Self::Datetime(_) => SearchAttributeType::Datetime,
            Self::KeywordList(_) => SearchAttributeType::KeywordList,
        }
    }
}
