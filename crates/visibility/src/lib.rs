//! Visibility: what can be asked about many runs at once, and how a store of them must answer.
//!
//! Pure: no IO, no clock, no database. Here live the search attributes and their typed values, the list-filter
//! language of `ListWorkflowExecutions` and its like, the typed [`Filter`] it becomes, the rules by which a filter
//! holds for a [`Record`], and the trait [`VisibilityStore`] with a plain implementation in memory,
//! [`MemoryVisibility`], which says what every other one must answer.
//!
//! The way of a query: `dialect` (text to syntax) → `resolve` (names, types, literals) → [`Filter`] → a store renders
//! it, or [`Filter::matches`] evaluates it.

mod attribute;
mod dialect;
mod evaluate;
mod filter;
mod literal;
mod memory;
mod page;
mod payload;
mod record;
mod resolve;
mod store;
mod syntax;
mod text;
mod tree;
mod typed;
mod validate;
mod value;

pub use attribute::{
    CustomAttributes, PREDEFINED, Predefined, SearchAttributeType, SystemField, is_reserved,
    is_system_or_predefined, predefined, system_attributes,
};
pub use filter::{Attribute, Comparison, CountQuery, Filter, GroupBy, Predicate, Sort};
pub use literal::{STATUS_NAMES, status_name};
pub use memory::MemoryVisibility;
pub use page::{Position, SortKey, SortedPosition};
pub use payload::{decode_payload, encode_attributes, encode_payload, group_payload};
pub use record::{Change, Record};
pub use resolve::{
    QueryError, Scope, parse_count, parse_extended_count, parse_list, parse_sorted_list,
};
pub use store::{Caller, Count, List, Page, StoreError, VisibilityStore};
pub use text::{fold, tokens};
pub use validate::{
    ATTRIBUTE_COUNT_MAX, ATTRIBUTE_SIZE_MAX, ATTRIBUTES_SIZE_MAX, AttributeError, current_value,
    validate_search_attributes,
};
pub use value::Value;
