//! The check of search attributes that clients and workflows set (semantics 9.6).

use steadfast_protocol::common::{Payload, SearchAttributes};

use crate::attribute::{CustomAttributes, SearchAttributeType, SystemField, predefined};
use crate::payload::decode_payload;
use crate::value::Value;

/// Attributes of one request.
pub const ATTRIBUTE_COUNT_MAX: usize = 100;
/// Bytes of one encoded value.
pub const ATTRIBUTE_SIZE_MAX: usize = 2048;
/// Bytes of all names and encoded values of one request.
pub const ATTRIBUTES_SIZE_MAX: usize = 40 * 1024;

/// Why search attributes are refused: an INVALID_ARGUMENT, or the failure of a workflow task with the cause
/// BAD_SEARCH_ATTRIBUTES.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AttributeError(String);

/// Checks and decodes the attributes of one request; those without a value are to be unset. The order of the checks is
/// the reference's: names, number, who may set them, types, sizes.
pub fn validate_search_attributes(
    namespace: &str,
    custom: &CustomAttributes,
    attributes: &SearchAttributes,
) -> Result<Vec<(String, Option<Value>)>, AttributeError> {
    let fields = &attributes.indexed_fields;
    for name in fields.keys() {
        let known = SystemField::from_name(name).is_some()
            || predefined(name).is_some()
            || custom.contains_key(name);
        if !known {
            let reason =
                format!("Namespace {namespace} has no mapping defined for search attribute {name}");
            return Err(AttributeError(reason));
        }
    }
    if fields.len() > ATTRIBUTE_COUNT_MAX {
        let count = fields.len();
        let reason =
            format!("number of search attributes {count} exceeds limit {ATTRIBUTE_COUNT_MAX}");
        return Err(AttributeError(reason));
    }

    let mut values = Vec::with_capacity(fields.len());
    for (name, payload) in fields {
        let Some(value_type) = settable_type(custom, name) else {
            return Err(AttributeError(format!(
                "{name} attribute can't be set in SearchAttributes"
            )));
        };
        let value = decode_payload(payload, value_type).map_err(|printed| {
            let type_name = value_type.name();
            AttributeError(format!(
                "invalid value for search attribute {name} of type {type_name}: {printed}"
            ))
        })?;
        values.push((name.clone(), value));
    }

    let mut total = 0;
    for (name, payload) in fields {
        let size = payload.data.len();
        if size > ATTRIBUTE_SIZE_MAX {
            let reason = format!(
                "search attribute {name} value size {size} exceeds size limit {ATTRIBUTE_SIZE_MAX}"
            );
            return Err(AttributeError(reason));
        }
        total += name.len() + size;
    }
    if total > ATTRIBUTES_SIZE_MAX {
        let reason = format!(
            "total size of search attributes {total} exceeds size limit {ATTRIBUTES_SIZE_MAX}"
        );
        return Err(AttributeError(reason));
    }
    Ok(values)
}

/// The value that an attribute was set to; `None` where it was unset, is not registered any more, or has another type now.
pub fn current_value(custom: &CustomAttributes, name: &str, payload: &Payload) -> Option<Value> {
    decode_payload(payload, settable_type(custom, name)?)
        .ok()
        .flatten()
}

/// The type of an attribute that clients and workflows may set.
fn settable_type(custom: &CustomAttributes, name: &str) -> Option<SearchAttributeType> {
    match predefined(name) {
        Some(attribute) => attribute.settable.then_some(attribute.value_type),
        None => custom
            .get(name)
            .copied()
            .filter(|_| SystemField::from_name(name).is_none()),
    }
}
