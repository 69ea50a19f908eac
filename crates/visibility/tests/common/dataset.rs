//! The runs that the queries of the text files are about.

use bytes::Bytes;
use steadfast_visibility::{
    Change, CustomAttributes, Record, SearchAttributeType, Value, VisibilityStore,
};

pub(crate) const NAMESPACE: &str = "7c1f7b1c-6d0f-4f0d-9a4e-2f6f1c6e0a11";

/// 2026-01-01T00:00:00Z.
const BEGIN: i64 = 1_767_225_600_000_000_000;
const SECOND: i64 = 1_000_000_000;

pub(crate) fn custom_attributes() -> CustomAttributes {
    [
        ("KwA", SearchAttributeType::Keyword),
        ("Kw-B", SearchAttributeType::Keyword),
        ("TxtA", SearchAttributeType::Text),
        ("IntA", SearchAttributeType::Int),
        ("DblA", SearchAttributeType::Double),
        ("BoolA", SearchAttributeType::Bool),
        ("DtA", SearchAttributeType::Datetime),
        ("KlA", SearchAttributeType::KeywordList),
    ]
    .map(|(name, value_type)| (name.to_owned(), value_type))
    .into()
}

pub(crate) fn keyword(text: &str) -> Value {
    Value::Keyword(text.to_owned())
}

pub(crate) fn list(members: &[&str]) -> Value {
    Value::KeywordList(members.iter().map(|member| (*member).to_owned()).collect())
}

/// A run, open without a duration.
pub(crate) fn run(
    name: &str,
    second: i64,
    status: i32,
    duration: Option<i64>,
    attributes: Vec<(&str, Value)>,
) -> Record {
    let start_time = BEGIN + second * SECOND + second * 1000;
    Record {
        namespace_id: NAMESPACE.to_owned(),
        workflow_id: name.to_owned(),
        run_id: format!("run-{name}"),
        workflow_type: "wfA".to_owned(),
        task_queue: "tq".to_owned(),
        status,
        start_time,
        execution_time: start_time,
        close_time: duration.map(|duration| start_time + duration / 1000 * 1000),
        execution_duration: duration,
        history_length: duration.map(|_| 5),
        history_size_bytes: duration.map(|_| 700),
        state_transition_count: duration.map(|_| 3),
        memo: Bytes::from_static(b"memo"),
        search_attributes: attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        version: 1,
        ..Record::default()
    }
}

pub(crate) fn records() -> Vec<Record> {
    let versioned = |mut attributes: Vec<(&'static str, Value)>| {
        attributes.push(("BuildIds", list(&["unversioned"])));
        attributes
    };
    let w1 = versioned(vec![
        ("KwA", keyword("alpha")),
        ("Kw-B", keyword("kb")),
        ("TxtA", Value::Text("the quick brown fox".to_owned())),
        ("IntA", Value::Int(1)),
        ("DblA", Value::Double(1.5)),
        ("BoolA", Value::Bool(true)),
        ("DtA", Value::Datetime(1_704_110_400_000_000)),
        ("KlA", list(&["a", "b"])),
    ]);
    let w2 = versioned(vec![
        ("KwA", keyword("beta")),
        ("TxtA", Value::Text("lazy dog Fox".to_owned())),
        ("IntA", Value::Int(2)),
        ("DblA", Value::Double(2.5)),
        ("BoolA", Value::Bool(false)),
        ("DtA", Value::Datetime(1_717_243_200_123_456)),
        ("KlA", list(&["b", "c d"])),
    ]);
    let w3 = versioned(vec![
        ("KwA", keyword("al%p_ha")),
        ("TxtA", Value::Text("naïve café".to_owned())),
        ("IntA", Value::Int(-3)),
        ("DblA", Value::Double(3.0)),
        ("BoolA", Value::Bool(true)),
        ("DtA", Value::Datetime(1_735_732_800_000_000)),
        ("KlA", list(&["ünï", "O'Neil"])),
    ]);
    let scheduler = vec![
        ("TemporalNamespaceDivision", keyword("TemporalScheduler")),
        ("TemporalSchedulePaused", Value::Bool(false)),
    ];
    vec![
        run("w1", 1, 2, Some(20_000_123), w1),
        run("w2", 2, 3, Some(30_000_000), w2),
        run("w3", 3, 1, None, w3),
        run(
            "w4",
            4,
            1,
            None,
            versioned(vec![("KwA", keyword(r#"O'Neil "q" \back"#))]),
        ),
        run("w5", 5, 1, None, versioned(vec![])),
        run(
            "w6",
            6,
            4,
            Some(SECOND + 20_000_000),
            versioned(vec![("IntA", Value::Int(6))]),
        ),
        run(
            "w7",
            7,
            5,
            Some(SECOND + 30_000_000),
            versioned(vec![("IntA", Value::Int(7)), ("KwA", keyword("Ünïcödé"))]),
        ),
        run(
            "w8",
            8,
            7,
            Some(2 * SECOND),
            versioned(vec![("IntA", Value::Int(8))]),
        ),
        run(
            "s",
            9,
            1,
            None,
            vec![("TemporalScheduledById", keyword("sch1"))],
        ),
        Record {
            workflow_id: "temporal-sys-scheduler:sch1".to_owned(),
            run_id: "run-scheduler".to_owned(),
            ..run("scheduler", 0, 1, None, scheduler)
        },
    ]
}

/// Puts them into an empty store.
pub(crate) fn fill(store: &dyn VisibilityStore) {
    store
        .apply(
            &records()
                .into_iter()
                .map(Change::Upsert)
                .collect::<Vec<_>>(),
            None,
        )
        .unwrap();
}
