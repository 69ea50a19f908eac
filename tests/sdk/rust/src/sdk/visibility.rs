//! Memo, search attributes, lists and counts.

use crate::{
    messages::Collect,
    place::{Place, cases, eventually, listed, same},
};
use anyhow::{Result, ensure};
use std::collections::HashMap;
use temporalio_client::{
    Client,
    errors::{ClientError, WorkflowStartError},
    tonic::{Code, IntoRequest},
};
use temporalio_common::{
    MemoValues,
    protos::temporal::api::{
        enums::v1::IndexedValueType,
        operatorservice::v1::{AddSearchAttributesRequest, ListSearchAttributesRequest},
    },
    search_attributes::{SearchAttributeKey, SearchAttributes, Timestamp},
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{MemoValue, SyncWorkflowContext, WorkflowContext, WorkflowResult};

const KEYWORD: SearchAttributeKey<String> = SearchAttributeKey::keyword("SdkKeyword");
const TEXT: SearchAttributeKey<String> = SearchAttributeKey::text("SdkText");
const INT: SearchAttributeKey<i64> = SearchAttributeKey::int("SdkInt");
const DOUBLE: SearchAttributeKey<f64> = SearchAttributeKey::float("SdkDouble");
const BOOL: SearchAttributeKey<bool> = SearchAttributeKey::bool("SdkBool");
const DATETIME: SearchAttributeKey<Timestamp> = SearchAttributeKey::datetime("SdkDatetime");
const LIST: SearchAttributeKey<Vec<String>> = SearchAttributeKey::keyword_list("SdkList");
/// 2026-05-17T12:00:00Z
const NOON: i64 = 1_779_019_200;

/// Adds the attributes that are missing, and waits until they can be used.
pub async fn add_search_attributes(client: &Client) -> Result<()> {
    let namespace = client.options().namespace.clone();
    let request = ListSearchAttributesRequest {
        namespace: namespace.clone(),
    };
    let known = client
        .connection()
        .operator_service()
        .list_search_attributes(request.into_request())
        .await?
        .into_inner()
        .custom_attributes;
    let missing: HashMap<String, i32> = [
        (KEYWORD.name(), IndexedValueType::Keyword),
        (TEXT.name(), IndexedValueType::Text),
        (INT.name(), IndexedValueType::Int),
        (DOUBLE.name(), IndexedValueType::Double),
        (BOOL.name(), IndexedValueType::Bool),
        (DATETIME.name(), IndexedValueType::Datetime),
        (LIST.name(), IndexedValueType::KeywordList),
    ]
    .into_iter()
    .filter(|(name, _)| !known.contains_key(*name))
    .map(|(name, kind)| (name.to_owned(), kind as i32))
    .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let request = AddSearchAttributesRequest {
        namespace,
        search_attributes: missing,
        ..Default::default()
    };
    client
        .connection()
        .operator_service()
        .add_search_attributes(request.into_request())
        .await?;
    eventually(async || {
        client
            .count_workflows("SdkKeyword IS NULL AND SdkList IS NULL", Default::default())
            .await?;
        Ok(Some(()))
    })
    .await
}

/// Changes its memo and its search attributes, then waits for the end.
#[workflow]
#[derive(Default)]
pub struct Upserter {
    finished: bool,
}

#[workflow_methods]
impl Upserter {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        ctx.upsert_memo([
            ("changed", Some(MemoValue::new("new".to_owned()))),
            ("removed", None),
            ("added", Some(MemoValue::new(vec![1, 2]))),
        ])?;
        // Nothing is unset: the SDK sends an empty payload for that, which the reference server refuses.
        ctx.upsert_search_attributes([INT.value_set(43), BOOL.value_set(true)]);
        ctx.wait_condition(|state| state.finished).await?;
        Ok(())
    }

    #[signal]
    pub fn finish(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.finished = true;
    }
}

cases![memo_and_search_attributes: uncached, list_filters_of_every_type, queries_that_are_refused];

async fn memo_and_search_attributes(place: &Place) -> Result<()> {
    let mut options = place.options("upsert");
    let mut memo = MemoValues::new();
    memo.insert("kept", 1)
        .insert("changed", "old".to_owned())
        .insert("removed", true);
    options.memo = Some(memo);
    options.search_attributes = Some(SearchAttributes::new([
        KEYWORD.value_set("k".to_owned()),
        TEXT.value_set("some words".to_owned()),
        INT.value_set(42),
        DOUBLE.value_set(1.5),
        DATETIME.value_set(Timestamp::new(NOON, 0)),
        LIST.value_set(vec!["a".to_owned(), "b".to_owned()]),
    ]));
    let id = options.workflow_id.clone();
    let handle = place
        .client
        .start_workflow(Upserter::run, (), options)
        .await?;
    eventually(async || {
        let described = handle.describe(Default::default()).await?;
        let memo = described.memo();
        same!(
            memo.keys().collect::<Vec<_>>(),
            ["added", "changed", "kept"]
        );
        same!(memo.get::<String>("changed")?, Some("new".to_owned()));
        same!(memo.get::<Vec<i32>>("added")?, Some(vec![1, 2]));
        let found = described.search_attributes();
        same!(
            (found.get(&INT), found.get(&BOOL), found.get(&KEYWORD)),
            (Some(43), Some(true), Some("k".to_owned()))
        );
        same!(
            (found.get(&TEXT), found.get(&DOUBLE)),
            (Some("some words".to_owned()), Some(1.5))
        );
        same!(found.get(&LIST), Some(vec!["a".to_owned(), "b".to_owned()]));
        same!(found.get(&DATETIME).map(|time| time.seconds()), Some(NOON));
        Ok(Some(()))
    })
    .await?;
    let query =
        format!("WorkflowId = '{id}' AND SdkInt = 43 AND SdkBool = true AND SdkKeyword = 'k'");
    wait_listed(place, &query, &[id]).await?;
    handle
        .signal(Upserter::finish, (), Default::default())
        .await?;
    handle.get_result(Default::default()).await?;
    Ok(())
}

/// The list is eventually what it should be; and the count agrees.
async fn wait_listed(place: &Place, query: &str, expected: &[String]) -> Result<()> {
    let mut expected = expected.to_vec();
    expected.sort();
    eventually(async || {
        let found = listed(&place.client, query).await?;
        ensure!(
            found == expected,
            "{query}: expected {expected:?}, got {found:?}"
        );
        same!(
            place
                .client
                .count_workflows(query, Default::default())
                .await?
                .count(),
            expected.len()
        );
        Ok(Some(()))
    })
    .await
}

async fn list_filters_of_every_type(place: &Place) -> Result<()> {
    let mark = place.new_id("mark");
    let mut ids = Vec::new();
    for n in 0..4_i32 {
        let mut options = place.options("listed");
        options.search_attributes = Some(SearchAttributes::new([
            KEYWORD.value_set(mark.clone()),
            TEXT.value_set(format!("quick word{n} fox")),
            INT.value_set(n.into()),
            DOUBLE.value_set(f64::from(n) + 0.5),
            BOOL.value_set(n % 2 == 0),
            DATETIME.value_set(Timestamp::new(NOON + i64::from(n) * 3600, 0)),
            LIST.value_set(vec!["all".to_owned(), format!("only{n}")]),
        ]));
        ids.push(options.workflow_id.clone());
        place
            .client
            .start_workflow(Collect::run, (), options)
            .await?;
    }
    for (condition, which) in [
        ("SdkInt >= 0", vec![0, 1, 2, 3]),
        ("SdkInt = 2", vec![2]),
        ("SdkInt != 2", vec![0, 1, 3]),
        ("SdkInt BETWEEN 1 AND 2", vec![1, 2]),
        ("SdkInt IN (0, 3, 9)", vec![0, 3]),
        ("SdkDouble > 1.5", vec![2, 3]),
        ("SdkBool = true", vec![0, 2]),
        ("SdkBool = false OR SdkInt = 0", vec![0, 1, 3]),
        ("SdkText = 'word3'", vec![3]),
        ("SdkDatetime > '2026-05-17T13:30:00Z'", vec![2, 3]),
        ("SdkList = 'only1'", vec![1]),
        ("SdkList IN ('only0', 'only3')", vec![0, 3]),
        ("NOT (SdkInt = 1 OR SdkList = 'only2')", vec![0, 3]),
        (
            "WorkflowType = 'Collect' AND ExecutionStatus = 'Running' AND CloseTime IS NULL",
            vec![0, 1, 2, 3],
        ),
        ("WorkflowType = 'Timers'", vec![]),
        ("WorkflowId STARTS_WITH 'listed-'", vec![0, 1, 2, 3]),
    ] {
        let expected: Vec<String> = which.into_iter().map(|n: usize| ids[n].clone()).collect();
        wait_listed(
            place,
            &format!("SdkKeyword = '{mark}' AND ({condition})"),
            &expected,
        )
        .await?;
    }
    place
        .handle::<Collect>(&ids[0], None)
        .terminate(Default::default())
        .await?;
    let query = format!("SdkKeyword = '{mark}' GROUP BY ExecutionStatus");
    eventually(async || {
        let counted = place
            .client
            .count_workflows(query.as_str(), Default::default())
            .await?;
        let mut groups: Vec<(Option<String>, usize)> = counted
            .groups()
            .iter()
            .map(|group| (group.get(0), group.count()))
            .collect();
        groups.sort();
        same!(
            groups,
            [
                (Some("Running".to_owned()), 3),
                (Some("Terminated".to_owned()), 1)
            ]
        );
        Ok(Some(()))
    })
    .await?;
    for id in &ids[1..] {
        place
            .handle::<Collect>(id, None)
            .terminate(Default::default())
            .await?;
    }
    Ok(())
}

async fn queries_that_are_refused(place: &Place) -> Result<()> {
    for query in ["NoSuchAttribute = 1", "SdkInt >"] {
        match place
            .client
            .count_workflows(query, Default::default())
            .await
        {
            Err(ClientError::Rpc(status)) => {
                same!(status.code(), Code::InvalidArgument);
            }
            other => anyhow::bail!("{query} led to {other:?}"),
        }
    }
    let mut options = place.options("unknown-attribute");
    let unknown = SearchAttributeKey::keyword("NoSuchAttribute");
    options.search_attributes = Some(SearchAttributes::new([unknown.value_set("x".to_owned())]));
    match place.client.start_workflow(Collect::run, (), options).await {
        Err(WorkflowStartError::Rpc(status)) => {
            same!(status.code(), Code::InvalidArgument);
        }
        other => anyhow::bail!("the start led to {:?}", other.err()),
    }
    Ok(())
}
