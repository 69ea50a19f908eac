//! The namespace as the state machines see it.

use bytes::Bytes;
use steadfast_core::context;
use steadfast_core::context::Context;
use steadfast_core::time::Time;
use steadfast_protocol::common::SearchAttributes;
use steadfast_visibility::{predefined, validate_search_attributes};

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
        let mut typed = attributes.clone();
        for (name, payload) in &mut typed.indexed_fields {
            let predefined = predefined(name).map(|attribute| attribute.value_type);
            let custom = self.namespace.search_attributes.get(name).copied();
            if let Some(kind) = predefined.or(custom) {
                let kind = kind.name().as_bytes();
                payload
                    .metadata
                    .insert("type".to_owned(), Bytes::from_static(kind));
            }
        }
        typed
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
