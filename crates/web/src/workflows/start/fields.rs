//! The fields of the start form, as typed.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::params::Params;

/// Inputs in one form.
const INPUTS_MAX: usize = 50;

/// What may become of a run with the same id that is closed, in the order of the API.
pub(super) const REUSES: [(&str, &str); 4] = [
    ("1", "Start again, however the last run closed"),
    ("2", "Start again only if the last run failed"),
    ("3", "Never start again"),
    ("4", "Start again, and terminate the one that runs"),
];

/// What may become of a run with the same id that is open, in the order of the API.
pub(super) const CONFLICTS: [(&str, &str); 3] = [
    ("1", "Refuse"),
    ("2", "Use the one that runs"),
    ("3", "Terminate the one that runs"),
];

/// One argument of the workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Input {
    /// JSON, or hexadecimal digits where the payload is no JSON.
    pub(super) text: String,
    /// What is known of a payload that was taken over: an encoded payload without data, hexadecimal.
    pub(super) origin: String,
}

/// The fields as typed, and what is wrong with them.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    texts: BTreeMap<String, String>,
    pub(super) inputs: Vec<Input>,
    errors: BTreeMap<String, String>,
}

impl Fields {
    /// For a new workflow; some fields may stand in the URL.
    pub(super) fn empty(params: &Params) -> Self {
        let mut fields = Self {
            inputs: vec![Input::default()],
            ..Self::default()
        };
        fields.set("id", &Uuid::new_v4().to_string());
        for (field, name) in [
            ("type", "workflowType"),
            ("queue", "taskQueue"),
            ("input", "input"),
        ] {
            match (field, params.get(name)) {
                ("input", Some(value)) => fields.inputs[0].text = value.to_owned(),
                (field, Some(value)) => fields.set(field, value),
                (_, None) => {}
            }
        }
        fields.set("request", &Uuid::new_v4().to_string());
        fields
    }

    /// As the form has them.
    pub(super) fn typed(form: &Params) -> Self {
        let origins: Vec<_> = form.all("origin").collect();
        let inputs = form.all("input").enumerate().take(INPUTS_MAX);
        let inputs = inputs.map(|(place, text)| Input {
            text: text.to_owned(),
            origin: origins.get(place).copied().unwrap_or_default().to_owned(),
        });
        Self {
            inputs: inputs.collect(),
            texts: form
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            errors: BTreeMap::new(),
        }
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.texts.insert(name.to_owned(), value.to_owned());
    }

    /// What stands in a field, without blanks around it.
    pub(super) fn text(&self, name: &str) -> &str {
        self.texts.get(name).map_or("", |text| text.trim())
    }

    /// What stands in the field of a search attribute.
    pub(super) fn attribute(&self, name: &str) -> &str {
        self.text(&format!("attribute.{name}"))
    }

    pub(super) fn object(&mut self, name: &str, message: impl Into<String>) {
        self.errors.insert(name.to_owned(), message.into());
    }

    /// What is wrong with a field.
    pub(super) fn error(&self, name: &str) -> Option<&str> {
        self.errors.get(name).map(String::as_str)
    }

    pub(super) fn input_error(&self, place: &usize) -> Option<&str> {
        self.error(&format!("input.{place}"))
    }

    pub(super) fn attribute_error(&self, name: &str) -> Option<&str> {
        self.error(&format!("attribute.{name}"))
    }

    pub(super) fn is_good(&self) -> bool {
        self.errors.is_empty()
    }
}
