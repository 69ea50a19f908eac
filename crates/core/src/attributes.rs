//! Memo, search attributes and priority of a run.

use std::collections::BTreeMap;
use std::fmt::Write;

use prost::Message;
use steadfast_protocol::common::{Memo, Payload, Priority, SearchAttributes};

use crate::context::Namespace;
use crate::execution::Execution;
use crate::limits;

/// Search attribute that names the worker builds which completed workflow tasks of a run.
const BUILD_IDS: &str = "BuildIds";
/// Stands in it for all workers that do not use versioning.
const UNVERSIONED: &str = "unversioned";

/// Search attribute that names the worker deployment which completed the last workflow task of a run.
const DEPLOYMENT: &str = "TemporalWorkerDeployment";

/// Search attribute that says why the workflow task of a run fails again and again.
const REPORTED_PROBLEMS: &str = "TemporalReportedProblems";

/// Lets list filters find a run whose workflow task keeps failing. Whether that is new.
pub(crate) fn report_problem(run: &mut Execution) -> bool {
    let value = keyword_list(&run.head.problem);
    let attributes = &mut run.head.search_attributes;
    let before = attributes.insert(REPORTED_PROBLEMS.to_owned(), value);
    attributes.get(REPORTED_PROBLEMS) != before.as_ref()
}

/// A workflow task succeeded: the run has no problem any more. Whether it had one.
pub(crate) fn forget_problem(run: &mut Execution) -> bool {
    run.head.problem.clear();
    run.head
        .search_attributes
        .remove(REPORTED_PROBLEMS)
        .is_some()
}

/// Notes in the search attribute `BuildIds` that a worker of this build completed a workflow task. The build id may be
/// empty; the oldest notes go when there are too many.
pub(crate) fn note_build_id(run: &mut Execution, build_id: &str) {
    let noted = &mut run.head.build_ids;
    let before = noted.len();
    if noted.is_empty() {
        noted.push(UNVERSIONED.to_owned());
    }
    if !build_id.is_empty() && !noted.iter().any(|entry| is_build(entry, build_id)) {
        if noted.len() == limits::BUILD_IDS_MAX {
            noted.remove(1);
        }
        noted.push(format!("{UNVERSIONED}:{build_id}"));
    } else if noted.len() == before {
        return;
    }
    let mut value = keyword_list(noted);
    while value.data.len() > limits::SEARCH_ATTRIBUTE_SIZE_MAX && noted.len() > 1 {
        noted.remove(1);
        value = keyword_list(noted);
    }
    run.head
        .search_attributes
        .insert(BUILD_IDS.to_owned(), value);
}

fn is_build(entry: &str, build_id: &str) -> bool {
    let rest = entry.strip_prefix(UNVERSIONED);
    rest.and_then(|rest| rest.strip_prefix(':')) == Some(build_id)
}

/// Notes that a worker of this deployment completed the last workflow task; the name may be empty. Whether lists show
/// the run differently from now on.
pub(crate) fn note_deployment(run: &mut Execution, name: &str) -> bool {
    let name = if name.len() > limits::ID_LENGTH_MAX {
        ""
    } else {
        name
    };
    if run.head.worker_deployment == name {
        return false;
    }
    run.head.worker_deployment = name.to_owned();
    let shown = &mut run.head.search_attributes;
    if name.is_empty() {
        shown.remove(DEPLOYMENT);
    } else {
        let mut value = json_string(name);
        let kind = b"Keyword".to_vec();
        value.metadata.insert("type".to_owned(), kind.into());
        shown.insert(DEPLOYMENT.to_owned(), value);
    }
    true
}

/// A search attribute of type KeywordList.
fn keyword_list(entries: &[String]) -> Payload {
    let mut json = String::from("[");
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        write_json_string(&mut json, entry);
    }
    json.push(']');
    let mut payload = json_payload(json);
    let kind = b"KeywordList".to_vec();
    payload.metadata.insert("type".to_owned(), kind.into());
    payload
}

/// A payload that holds `text` as a JSON string.
pub(crate) fn json_string(text: &str) -> Payload {
    let mut json = String::new();
    write_json_string(&mut json, text);
    json_payload(json)
}

fn json_payload(json: String) -> Payload {
    let encoding = b"json/plain".to_vec();
    Payload {
        metadata: BTreeMap::from([("encoding".to_owned(), encoding.into())]),
        data: json.into_bytes().into(),
        ..Default::default()
    }
}

fn write_json_string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            control if (control as u32) < 0x20 => {
                write!(json, "\\u{:04x}", control as u32).expect("a string takes what is written");
            }
            other => json.push(other),
        }
    }
    json.push('"');
}

/// Takes upserted search attributes over: `kept` are those of `upserted` that have a value; the others are removed.
pub(crate) fn upsert_search_attributes(
    run: &mut Execution,
    upserted: &SearchAttributes,
    kept: SearchAttributes,
) {
    for name in upserted.indexed_fields.keys() {
        if !kept.indexed_fields.contains_key(name) {
            run.head.search_attributes.remove(name);
        }
    }
    run.head.search_attributes.extend(kept.indexed_fields);
}

/// The memo after `upserted` is merged into it: what says "unset" is removed.
pub(crate) fn merged_memo(
    memo: &BTreeMap<String, Payload>,
    upserted: &BTreeMap<String, Payload>,
) -> BTreeMap<String, Payload> {
    let mut merged = memo.clone();
    for (name, value) in upserted {
        if is_unset(value) {
            merged.remove(name);
        } else {
            merged.insert(name.clone(), value.clone());
        }
    }
    merged
}

/// The memo without the entries that say "unset"; `None` if nothing is left.
pub(crate) fn kept_memo(memo: &Memo) -> Option<Memo> {
    let fields = merged_memo(&BTreeMap::new(), &memo.fields);
    (!fields.is_empty()).then_some(Memo { fields })
}

/// The search attributes without those that say "unset", with their types; `None` if nothing is left.
pub(crate) fn kept_search_attributes(
    namespace: &dyn Namespace,
    attributes: &SearchAttributes,
) -> Option<SearchAttributes> {
    let kept = namespace.kept_search_attributes(attributes);
    (!kept.indexed_fields.is_empty()).then_some(kept)
}

/// Whether an entry of a memo stands for no value: nothing, or an empty value of JSON. Encodings are not looked at: SDKs
/// have several for null.
fn is_unset(value: &Payload) -> bool {
    matches!(&value.data[..], b"" | b"null" | b"[]")
}

/// Bytes of names and payloads.
pub(crate) fn fields_size(fields: &BTreeMap<String, Payload>) -> usize {
    let field = |(name, value): (&String, &Payload)| name.len() + value.encoded_len();
    fields.iter().map(field).sum()
}

/// The priority of an activity or a child: its own fields where they are set, else those of its workflow.
pub(crate) fn merged_priority(
    own: Option<&Priority>,
    inherited: Option<&Priority>,
) -> Option<Priority> {
    let (Some(own), Some(inherited)) = (own, inherited) else {
        return own.or(inherited).cloned();
    };
    let mut merged = own.clone();
    if merged.priority_key == 0 {
        merged.priority_key = inherited.priority_key;
    }
    if merged.fairness_key.is_empty() {
        merged.fairness_key = inherited.fairness_key.clone();
    }
    if merged.fairness_weight == 0.0 {
        merged.fairness_weight = inherited.fairness_weight;
    }
    Some(merged)
}
