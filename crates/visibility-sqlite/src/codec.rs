//! The attributes of a run as one blob: what lists show, and what filters look into.
//!
//! Each attribute: its number (8 bytes), a byte for the type, the length of the value (4 bytes), the value.

use std::iter;

use steadfast_visibility::Value;

const TEXT: u8 = 1;
const KEYWORD: u8 = 2;
const INT: u8 = 3;
const DOUBLE: u8 = 4;
const BOOL: u8 = 5;
const DATETIME: u8 = 6;
const KEYWORD_LIST: u8 = 7;

/// Appends an attribute.
pub(crate) fn encode(blob: &mut Vec<u8>, id: i64, value: &Value) {
    blob.extend(id.to_le_bytes());
    match value {
        Value::Text(text) => append(blob, TEXT, text.as_bytes()),
        Value::Keyword(text) => append(blob, KEYWORD, text.as_bytes()),
        Value::Int(number) => append(blob, INT, &number.to_le_bytes()),
        Value::Double(number) => append(blob, DOUBLE, &number.to_le_bytes()),
        Value::Bool(value) => append(blob, BOOL, &[(*value).into()]),
        Value::Datetime(micros) => append(blob, DATETIME, &micros.to_le_bytes()),
        Value::KeywordList(members) => append(blob, KEYWORD_LIST, &encode_strings(members)),
    }
}

fn append(blob: &mut Vec<u8>, tag: u8, value: &[u8]) {
    blob.push(tag);
    append_bytes(blob, value);
}

fn append_bytes(blob: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("payloads are far below 4 GiB");
    blob.extend(length.to_le_bytes());
    blob.extend(bytes);
}

/// Strings one after the other.
pub(crate) fn encode_strings(strings: &[String]) -> Vec<u8> {
    let mut blob = Vec::new();
    for string in strings {
        append_bytes(&mut blob, string.as_bytes());
    }
    blob
}

/// The strings of [`encode_strings`].
pub(crate) fn decode_strings(mut blob: &[u8]) -> impl Iterator<Item = &str> {
    iter::from_fn(move || {
        let (string, rest) = split_bytes(blob)?;
        blob = rest;
        str::from_utf8(string).ok()
    })
}

fn split_bytes(blob: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = blob.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

/// A value as it lies in the blob.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stored<'a> {
    Text(&'a str),
    Keyword(&'a str),
    Int(i64),
    Double(f64),
    Bool(bool),
    Datetime(i64),
    /// Encoded strings.
    List(&'a [u8]),
}

/// All attributes of a blob, with their numbers.
pub(crate) fn decode(mut blob: &[u8]) -> impl Iterator<Item = (i64, Stored<'_>)> {
    iter::from_fn(move || {
        let (id, rest) = blob.split_first_chunk()?;
        let (tag, rest) = rest.split_first()?;
        let (value, rest) = split_bytes(rest)?;
        blob = rest;
        Some((i64::from_le_bytes(*id), stored(*tag, value)?))
    })
}

/// One attribute of a blob.
pub(crate) fn find(blob: &[u8], id: i64) -> Option<Stored<'_>> {
    decode(blob)
        .find(|(found, _)| *found == id)
        .map(|(_, value)| value)
}

fn stored(tag: u8, value: &[u8]) -> Option<Stored<'_>> {
    Some(match tag {
        TEXT => Stored::Text(str::from_utf8(value).ok()?),
        KEYWORD => Stored::Keyword(str::from_utf8(value).ok()?),
        INT => Stored::Int(i64::from_le_bytes(value.try_into().ok()?)),
        DOUBLE => Stored::Double(f64::from_le_bytes(value.try_into().ok()?)),
        BOOL => Stored::Bool(value == [1]),
        DATETIME => Stored::Datetime(i64::from_le_bytes(value.try_into().ok()?)),
        KEYWORD_LIST => Stored::List(value),
        _ => return None,
    })
}

impl Stored<'_> {
    pub(crate) fn to_value(self) -> Value {
        match self {
            Self::Text(text) => Value::Text(text.to_owned()),
            Self::Keyword(text) => Value::Keyword(text.to_owned()),
            Self::Int(number) => Value::Int(number),
            Self::Double(number) => Value::Double(number),
            Self::Bool(value) => Value::Bool(value),
            Self::Datetime(micros) => Value::Datetime(micros),
            Self::List(members) => {
                Value::KeywordList(decode_strings(members).map(str::to_owned).collect())
            }
        }
    }
}
