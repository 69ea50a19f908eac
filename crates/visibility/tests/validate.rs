//! Search attributes as clients send them: what is understood, what is refused, and with which words.

#![allow(clippy::unwrap_used, reason = "a test")]

use bytes::Bytes;
use steadfast_protocol::common::{Payload, SearchAttributes};
use steadfast_visibility::{
    CustomAttributes, SearchAttributeType, Value, encode_payload, validate_search_attributes,
};

fn payload(encoding: &'static str, data: &str) -> Payload {
    let metadata = [(
        "encoding".to_owned(),
        Bytes::from_static(encoding.as_bytes()),
    )];
    Payload {
        metadata: metadata.into(),
        data: data.to_owned().into(),
        ..Payload::default()
    }
}

fn validate(fields: Vec<(&str, Payload)>) -> Result<Vec<(String, Option<Value>)>, String> {
    let custom: CustomAttributes = (1..=7)
        .filter_map(SearchAttributeType::from_protocol)
        .map(|value_type| (format!("My{}", value_type.name()), value_type))
        .collect();
    let fields = fields
        .into_iter()
        .map(|(name, payload)| (name.to_owned(), payload));
    let attributes = SearchAttributes {
        indexed_fields: fields.collect(),
    };
    validate_search_attributes("ns", &custom, &attributes).map_err(|error| error.to_string())
}

fn one(name: &str, json: &str) -> Result<Option<Value>, String> {
    validate(vec![(name, payload("json/plain", json))]).map(|mut values| values.remove(0).1)
}

#[test]
fn values() {
    let keyword = |text: &str| Value::Keyword(text.to_owned());
    for (name, json, expected) in [
        ("MyKeyword", "\"x\"", Some(keyword("x"))),
        ("MyKeyword", "[\"x\"]", Some(keyword("x"))),
        ("MyKeyword", "[]", None),
        ("MyKeyword", "null", None),
        ("MyText", "\"a b\"", Some(Value::Text("a b".to_owned()))),
        ("MyInt", "-7", Some(Value::Int(-7))),
        ("MyDouble", "3", Some(Value::Double(3.0))),
        ("MyBool", "true", Some(Value::Bool(true))),
        (
            "MyDatetime",
            "\"2024-06-01T14:00:00.123456789+02:00\"",
            Some(Value::Datetime(1_717_243_200_123_456)),
        ),
        (
            "MyKeywordList",
            "[\"a\", null]",
            Some(Value::KeywordList(vec!["a".to_owned()])),
        ),
        ("TemporalScheduledById", "\"s\"", Some(keyword("s"))),
    ] {
        let value = one(name, json);
        assert_eq!(value, Ok(expected.clone()), "{name} {json}");
        // What was understood is written so that it is understood again.
        if let Some(expected) = expected {
            let again = validate(vec![(name, encode_payload(&expected))]).unwrap();
            assert_eq!(again[0].1.as_ref(), Some(&expected));
        }
    }
    assert_eq!(
        validate(vec![("MyInt", payload("binary/null", ""))]),
        Ok(vec![("MyInt".to_owned(), None)])
    );
}

#[test]
fn refusals() {
    for (name, json, expected) in [
        (
            "MyInt",
            "\"x\"",
            "invalid value for search attribute MyInt of type Int: x",
        ),
        (
            "MyInt",
            "1.0",
            "invalid value for search attribute MyInt of type Int: 1",
        ),
        (
            "MyInt",
            "1704110400.5",
            "invalid value for search attribute MyInt of type Int: 1.7041104005e+09",
        ),
        (
            "MyKeyword",
            "[\"a\",\"b\"]",
            "invalid value for search attribute MyKeyword of type Keyword: [a b]",
        ),
        (
            "MyKeywordList",
            "\"a\"",
            "invalid value for search attribute MyKeywordList of type KeywordList: a",
        ),
        (
            "MyDatetime",
            "\"today\"",
            "invalid value for search attribute MyDatetime of type Datetime: today",
        ),
        (
            "Nothing",
            "1",
            "Namespace ns has no mapping defined for search attribute Nothing",
        ),
        (
            "WorkflowId",
            "\"x\"",
            "WorkflowId attribute can't be set in SearchAttributes",
        ),
        (
            "TemporalWorkerDeployment",
            "\"x\"",
            "TemporalWorkerDeployment attribute can't be set in SearchAttributes",
        ),
    ] {
        assert_eq!(one(name, json), Err(expected.to_owned()));
    }
    let long = format!("\"{}\"", "x".repeat(3000));
    let expected = "search attribute MyKeyword value size 3002 exceeds size limit 2048";
    assert_eq!(one("MyKeyword", &long), Err(expected.to_owned()));
    let other = validate(vec![("MyInt", payload("binary/plain", "1"))]);
    assert_eq!(
        other,
        Err("invalid value for search attribute MyInt of type Int: value from <1>".to_owned())
    );
}
