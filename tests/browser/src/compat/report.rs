//! What was seen on all pages, as text: stable, one fact a line, so that two reports can be compared line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use super::mask;
use super::watch::Seen;

/// Lines of a page's text that are kept.
const TEXT_LINES_MAX: usize = 400;

/// All pages in the order in which they were visited, then the fields of all answers.
#[derive(Default)]
pub(crate) struct Report {
    pages: String,
    fields: BTreeMap<String, BTreeSet<String>>,
}

impl Report {
    /// Adds a page: what it called, what went wrong, and what it shows.
    pub(crate) fn add(&mut self, name: &str, seen: Seen, shown: &str) {
        let _ = writeln!(self.pages, "page {name}");
        for call in &seen.calls {
            let _ = writeln!(self.pages, "  call {} -> {}", call.what, call.status);
        }
        for complaint in &seen.complaints {
            let _ = writeln!(self.pages, "  wrong {complaint}");
        }
        let lines = shown.lines().map(str::trim).filter(|line| !line.is_empty());
        for line in lines.take(TEXT_LINES_MAX) {
            let _ = writeln!(self.pages, "  text {}", mask::text(line));
        }
        for (call, answer) in seen.answers {
            note_fields(self.fields.entry(call).or_default(), "", &answer);
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut text = self.pages.clone();
        for (call, fields) in &self.fields {
            let _ = writeln!(text, "answer {call}");
            for field in fields {
                let _ = writeln!(text, "  field {field}");
            }
        }
        text
    }
}

/// The paths of all fields, with the values of enums: `executions[].status = WORKFLOW_EXECUTION_STATUS_RUNNING`.
fn note_fields(fields: &mut BTreeSet<String>, path: &str, value: &Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let name = mask::text(name);
                let path = if path.is_empty() {
                    name
                } else {
                    format!("{path}.{name}")
                };
                note_fields(fields, &path, value);
            }
        }
        Value::Array(items) => {
            let path = format!("{path}[]");
            for item in items {
                note_fields(fields, &path, item);
            }
        }
        Value::String(text) if is_enum_value(text) => {
            fields.insert(format!("{path} = {text}"));
        }
        _ => {
            fields.insert(path.to_owned());
        }
    }
}

fn is_enum_value(text: &str) -> bool {
    text.len() > 8
        && text.contains('_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}
