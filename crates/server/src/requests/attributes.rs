//! Search attributes that a request sets (server-semantics 9.6).

use steadfast_core::Refusal;
use steadfast_engine::Namespace;
use steadfast_protocol::common::SearchAttributes;
use steadfast_visibility::validate_search_attributes;

/// They exist in the namespace, may be set, have the right types and sizes.
pub(crate) fn check(
    namespace: &Namespace,
    attributes: Option<&SearchAttributes>,
) -> Result<(), Refusal> {
    let Some(attributes) = attributes.filter(|set| !set.indexed_fields.is_empty()) else {
        return Ok(());
    };
    validate_search_attributes(&namespace.name, &namespace.search_attributes, attributes)
        .map(drop)
        .map_err(|error| Refusal::InvalidArgument(error.to_string()))
}
