//! Values of search attributes as payloads: JSON with the metadata `encoding` and `type`.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value as Json;
use steadfast_protocol::common::{Payload, SearchAttributes};

use crate::attribute::SearchAttributeType;
use crate::literal::parse_datetime;
use crate::value::Value;

const JSON: &[u8] = b"json/plain";
const NULL: &[u8] = b"binary/null";

/// Decodes a payload as a value of this type (semantics 9.6). `Ok(None)` unsets the attribute: a null, or an empty array.
/// The error is the offending value as text, the way the reference prints it.
pub fn decode_payload(
    payload: &Payload,
    value_type: SearchAttributeType,
) -> Result<Option<Value>, String> {
    let encoding = payload
        .metadata
        .get("encoding")
        .map(|encoding| &encoding[..]);
    if encoding == Some(NULL) {
        return Ok(None);
    }
    let json = match encoding {
        Some(JSON) => serde_json::from_slice::<Json>(&payload.data).ok(),
        _ => None,
    };
    let Some(json) = json else {
        return Err(format!(
            "value from <{}>",
            String::from_utf8_lossy(&payload.data)
        ));
    };
    from_json(&json, value_type).ok_or_else(|| printed(&json))
}

/// The outer option is none if the value does not fit, the inner one if it is a null.
fn from_json(json: &Json, value_type: SearchAttributeType) -> Option<Option<Value>> {
    if json.is_null() {
        return Some(None);
    }
    if value_type == SearchAttributeType::KeywordList {
        // A null among the members is dropped: clients of the reference rely on its being tolerated.
        let members = json.as_array()?.iter().filter(|member| !member.is_null());
        let members: Option<Vec<_>> = members
            .map(|member| member.as_str().map(str::to_owned))
            .collect();
        let members = members?;
        return Some((!members.is_empty()).then_some(Value::KeywordList(members)));
    }
    match json {
        Json::Array(members) if members.is_empty() => Some(None),
        Json::Array(members) if members.len() == 1 && !members[0].is_array() => {
            from_json(&members[0], value_type)
        }
        _ => scalar(json, value_type).map(Some),
    }
}

fn scalar(json: &Json, value_type: SearchAttributeType) -> Option<Value> {
    Some(match value_type {
        SearchAttributeType::Text => Value::Text(json.as_str()?.to_owned()),
        SearchAttributeType::Keyword => Value::Keyword(json.as_str()?.to_owned()),
        SearchAttributeType::Int => Value::Int(json.as_i64()?),
        SearchAttributeType::Double => Value::Double(json.as_f64()?),
        SearchAttributeType::Bool => Value::Bool(json.as_bool()?),
        SearchAttributeType::Datetime => Value::Datetime(parse_datetime(json.as_str()?)?),
        SearchAttributeType::KeywordList => return None,
    })
}

/// As Go prints a decoded JSON value: `[a b]`, `1.7041104e+09`, `map[a:1]`, `<nil>`.
fn printed(json: &Json) -> String {
    match json {
        Json::Null => "<nil>".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => number.as_f64().map_or_else(
            || number.to_string(),
            |number| printed_number(number, -4..6),
        ),
        Json::String(text) => text.clone(),
        Json::Array(members) => {
            let members: Vec<_> = members.iter().map(printed).collect();
            format!("[{}]", members.join(" "))
        }
        Json::Object(members) => {
            let sorted: BTreeMap<_, _> = members.iter().collect();
            let members: Vec<_> = sorted
                .iter()
                .map(|(name, value)| format!("{name}:{}", printed(value)))
                .collect();
            format!("map[{}]", members.join(" "))
        }
    }
}

/// The shortest digits; with an exponent if it lies outside of these. Go's `%v` uses one soon, its JSON late.
fn printed_number(number: f64, plain: std::ops::Range<i32>) -> String {
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !plain.contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => number.to_string(),
    }
}

/// The payload of a value.
pub fn encode_payload(value: &Value) -> Payload {
    let data = match value {
        Value::Text(text) | Value::Keyword(text) => json_string(text),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => printed_number(*number, -6..21),
        Value::Bool(value) => value.to_string(),
        Value::Datetime(micros) => json_string(&datetime_text(*micros)),
        Value::KeywordList(members) => {
            let members: Vec<_> = members.iter().map(|member| json_string(member)).collect();
            format!("[{}]", members.join(","))
        }
    };
    json_payload(data, value.value_type())
}

/// The attributes of a record as the protocol shows them.
pub fn encode_attributes(attributes: &[(String, Value)]) -> SearchAttributes {
    let fields = attributes
        .iter()
        .map(|(name, value)| (name.clone(), encode_payload(value)));
    SearchAttributes {
        indexed_fields: fields.collect(),
    }
}

/// The value of a group of a count (see [`Count::groups`](crate::Count::groups)).
pub fn group_payload(group: &str) -> Payload {
    json_payload(json_string(group), SearchAttributeType::Keyword)
}

fn json_payload(data: String, value_type: SearchAttributeType) -> Payload {
    let metadata = [("encoding", JSON), ("type", value_type.name().as_bytes())];
    Payload {
        metadata: metadata
            .map(|(name, value)| (name.to_owned(), Bytes::from_static(value)))
            .into(),
        data: data.into(),
        ..Payload::default()
    }
}

fn json_string(text: &str) -> String {
    Json::from(text).to_string()
}

/// RFC 3339 in UTC, with only as many digits as needed.
pub(crate) fn datetime_text(micros: i64) -> String {
    match Timestamp::from_microsecond(micros) {
        Ok(instant) => instant.to_string(),
        // Outside of the years that can be written at all.
        Err(_) if micros < 0 => Timestamp::MIN.to_string(),
        Err(_) => Timestamp::MAX.to_string(),
    }
}
