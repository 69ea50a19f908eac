//! The namespace as the state machines see it.

use std::collections::BTreeMap;

use bytes::Bytes;
use steadfast_core::context;
use steadfast_core::context::Context;
use steadfast_core::time::Time;
use steadfast_protocol::common::SearchAttributes;
use steadfast_visibility::{SearchAttributeType, predefined, validate_search_attributes};

use crate::node::Node;
use crate::{Namespace, Namespaces};

/// A namespace, among the others.
pub(crate) struct View<'a> {
    namespace: &'a Namespace,
    others: &'a Namespaces,
}

impl<'a> View<'a> {
    pub(crate) fn new(node: &'a Node, namespace: &'a Namespace) -> Self {
        Self {
            namespace,
            others: node.namespaces(),
        }
    }

    /// The surroundings of a transition at `now`.
    pub(crate) fn context(&'a self, node: &'a Node, now: Time) -> Context<'a> {
        Context {
            now,
            namespace: self,
            ids: node.ids(),
            limits: node.limits(),
        }
    }
}

impl context::Namespace for View<'_> {
    fn id(&self) -> &str {
        &self.namespace.id
    }

    fn name(&self) -> &str {
        &self.namespace.name
    }

    fn retention(&self) -> i64 {
        i64::try_from(self.namespace.retention.as_nanos()).unwrap_or(i64::MAX)
    }

    fn check_search_attributes(&self, attributes: &SearchAttributes) -> Result<(), String> {
        let Namespace {
            name,
            search_attributes,
            ..
        } = self.namespace;
        validate_search_attributes(name, search_attributes, attributes)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn kept_search_attributes(&self, attributes: &SearchAttributes) -> SearchAttributes {
        let Namespace {
            name,
            search_attributes,
            ..
        } = self.namespace;
        let values = validate_search_attributes(name, search_attributes, attributes);
        let mut typed = self.typed_search_attributes(attributes);
        for (name, value) in values.unwrap_or_default() {
            if value.is_none() {
                typed.indexed_fields.remove(&name);
            }
        }
        typed
    }

    fn typed_search_attributes(&self, attributes: &SearchAttributes) -> SearchAttributes {
        typed(&self.namespace.search_attributes, attributes)
    }

    fn id_of(&self, name: &str) -> Option<String> {
        if name == self.namespace.name {
            return Some(self.namespace.id.clone());
        }
        self.others
            .by_name(name)
            .map(|namespace| namespace.id.clone())
    }
}

/// The attributes with their types for who reads them. A type that a client names stays, be it another than the
/// attribute's own.
fn typed(
    custom: &BTreeMap<String, SearchAttributeType>,
    attributes: &SearchAttributes,
) -> SearchAttributes {
    let mut typed = attributes.clone();
    for (name, payload) in &mut typed.indexed_fields {
        let predefined = predefined(name).map(|attribute| attribute.value_type);
        if let Some(kind) = predefined.or(custom.get(name).copied()) {
            let kind = Bytes::from_static(kind.name().as_bytes());
            payload.metadata.entry("type".to_owned()).or_insert(kind);
        }
    }
    typed
}

#[cfg(test)]
mod tests {
    use steadfast_protocol::common::Payload;

    use super::*;

    #[test]
    fn a_type_is_added_where_none_is_named() {
        let custom = [("Size".to_owned(), SearchAttributeType::Int)].into();
        for (name, given, expected) in [
            ("Size", None, Some("Int")),
            ("Size", Some("Keyword"), Some("Keyword")),
            ("TemporalChangeVersion", None, Some("KeywordList")),
            ("Unknown", None, None),
        ] {
            let named = |kind: &'static str| ("type".to_owned(), Bytes::from(kind));
            let payload = Payload {
                metadata: given.map(named).into_iter().collect(),
                ..Payload::default()
            };
            let attributes = SearchAttributes {
                indexed_fields: [(name.to_owned(), payload)].into(),
            };
            let typed = typed(&custom, &attributes);
            let found = typed.indexed_fields[name].metadata.get("type").cloned();
            assert_eq!(found, expected.map(Bytes::from), "{name} {given:?}");
        }
    }
}
