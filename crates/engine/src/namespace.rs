//! A namespace as the shards see it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use steadfast_protocol::enums::NamespaceState;
use steadfast_visibility::SearchAttributeType;

/// What the engine has to know of a namespace. Immutable: a change makes a new one, which later requests carry.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// UUID, hyphenated lower case. It never changes and is never used again.
    pub id: String,
    /// Name, unique among the namespaces that are not deleted.
    pub name: String,
    /// Whether it takes new workflows, lets the open ones end, or is going.
    pub state: NamespaceState,
    /// How long closed runs are kept.
    pub retention: Duration,
    /// Custom search attributes, by name.
    pub search_attributes: BTreeMap<String, SearchAttributeType>,
    /// Checksums of worker binaries that may not poll any more.
    pub bad_binaries: BTreeSet<String>,
}
