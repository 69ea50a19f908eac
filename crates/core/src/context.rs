//! What a transition is given from outside: time, identities, the namespace.

use steadfast_protocol::common::SearchAttributes;

use crate::limits::Limits;
use crate::time::Time;

/// The surroundings of one transition. Two transitions from the same state with the same input and an equal context
/// end in the same state.
pub struct Context<'a> {
    /// The instant of the transition; event times and due times come from it.
    pub now: Time,
    /// The namespace of the run.
    pub namespace: &'a dyn Namespace,
    /// Where new ids come from.
    pub ids: &'a dyn Ids,
    /// How far a run may grow.
    pub limits: &'a Limits,
}

/// A source of ids that differ from all others.
pub trait Ids {
    /// A new UUID, hyphenated lower case.
    fn uuid(&self) -> String;
}

/// What the state machines have to know of a namespace.
pub trait Namespace {
    /// UUID of the namespace.
    fn id(&self) -> &str;
    /// Name of the namespace.
    fn name(&self) -> &str;
    /// How long closed runs are kept, nanoseconds.
    fn retention(&self) -> i64;
    /// Whether these search attributes exist and have the right types.
    ///
    /// # Errors
    /// The sentence for the caller (server-semantics 9.6).
    fn check_search_attributes(&self, attributes: &SearchAttributes) -> Result<(), String>;
    /// The search attributes as they are to be kept: those that say "unset" left out, types added.
    fn kept_search_attributes(&self, attributes: &SearchAttributes) -> SearchAttributes;
    /// The search attributes with their types added, those that say "unset" among them: how an upsert is recorded.
    fn typed_search_attributes(&self, attributes: &SearchAttributes) -> SearchAttributes {
        let mut typed = attributes.clone();
        let kept = self.kept_search_attributes(attributes);
        typed.indexed_fields.extend(kept.indexed_fields);
        typed
    }
    /// The id of the namespace of that name, for commands that name another one.
    fn id_of(&self, name: &str) -> Option<String>;
}
