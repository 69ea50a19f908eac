//! Search attributes: their types, and which of them exist without anyone defining them (semantics 9.4).

use std::collections::BTreeMap;

use steadfast_protocol::enums::IndexedValueType;

/// The custom search attributes of one namespace, by name.
pub type CustomAttributes = BTreeMap<String, SearchAttributeType>;

/// The type of a search attribute's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SearchAttributeType {
    /// Words, found one by one.
    Text,
    /// One string, compared as a whole.
    Keyword,
    /// A signed integer of 64 bits.
    Int,
    /// A floating point number of 64 bits.
    Double,
    /// True or false.
    Bool,
    /// An instant, kept to the microsecond.
    Datetime,
    /// Several strings, each compared as a whole.
    KeywordList,
}

impl SearchAttributeType {
    /// From the protocol's number; nothing for `Unspecified` and numbers outside the enum.
    pub fn from_protocol(number: i32) -> Option<Self> {
        Some(match IndexedValueType::try_from(number).ok()? {
            IndexedValueType::Unspecified => return None,
            IndexedValueType::Text => Self::Text,
            IndexedValueType::Keyword => Self::Keyword,
            IndexedValueType::Int => Self::Int,
            IndexedValueType::Double => Self::Double,
            IndexedValueType::Bool => Self::Bool,
            IndexedValueType::Datetime => Self::Datetime,
            IndexedValueType::KeywordList => Self::KeywordList,
        })
    }

    /// The protocol's type.
    pub fn to_protocol(self) -> IndexedValueType {
        match self {
            Self::Text => IndexedValueType::Text,
            Self::Keyword => IndexedValueType::Keyword,
            Self::Int => IndexedValueType::Int,
            Self::Double => IndexedValueType::Double,
            Self::Bool => IndexedValueType::Bool,
            Self::Datetime => IndexedValueType::Datetime,
            Self::KeywordList => IndexedValueType::KeywordList,
        }
    }

    /// The name that stands in messages and in the metadata `type` of payloads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Keyword => "Keyword",
            Self::Int => "Int",
            Self::Double => "Double",
            Self::Bool => "Bool",
            Self::Datetime => "Datetime",
            Self::KeywordList => "KeywordList",
        }
    }

    /// The type with this [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        (1..=7)
            .filter_map(Self::from_protocol)
            .find(|value_type| value_type.name() == name)
    }
}

/// A system attribute: a field of every record, which nobody sets as an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is the attribute of that name")]
pub enum SystemField {
    WorkflowId,
    RunId,
    WorkflowType,
    TaskQueue,
    ExecutionStatus,
    StartTime,
    ExecutionTime,
    CloseTime,
    ExecutionDuration,
    HistoryLength,
    HistorySizeBytes,
    StateTransitionCount,
    ParentWorkflowId,
    ParentRunId,
    RootWorkflowId,
    RootRunId,
}

impl SystemField {
    /// Every system attribute.
    pub const ALL: [Self; 16] = [
        Self::WorkflowId,
        Self::RunId,
        Self::WorkflowType,
        Self::TaskQueue,
        Self::ExecutionStatus,
        Self::StartTime,
        Self::ExecutionTime,
        Self::CloseTime,
        Self::ExecutionDuration,
        Self::HistoryLength,
        Self::HistorySizeBytes,
        Self::StateTransitionCount,
        Self::ParentWorkflowId,
        Self::ParentRunId,
        Self::RootWorkflowId,
        Self::RootRunId,
    ];

    /// Its name in queries.
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkflowId => "WorkflowId",
            Self::RunId => "RunId",
            Self::WorkflowType => "WorkflowType",
            Self::TaskQueue => "TaskQueue",
            Self::ExecutionStatus => "ExecutionStatus",
            Self::StartTime => "StartTime",
            Self::ExecutionTime => "ExecutionTime",
            Self::CloseTime => "CloseTime",
            Self::ExecutionDuration => "ExecutionDuration",
            Self::HistoryLength => "HistoryLength",
            Self::HistorySizeBytes => "HistorySizeBytes",
            Self::StateTransitionCount => "StateTransitionCount",
            Self::ParentWorkflowId => "ParentWorkflowId",
            Self::ParentRunId => "ParentRunId",
            Self::RootWorkflowId => "RootWorkflowId",
            Self::RootRunId => "RootRunId",
        }
    }

    /// The type it is listed with.
    pub fn value_type(self) -> SearchAttributeType {
        match self {
            Self::WorkflowId
            | Self::RunId
            | Self::WorkflowType
            | Self::TaskQueue
            | Self::ExecutionStatus
            | Self::ParentWorkflowId
            | Self::ParentRunId
            | Self::RootWorkflowId
            | Self::RootRunId => SearchAttributeType::Keyword,
            Self::StartTime | Self::ExecutionTime | Self::CloseTime => {
                SearchAttributeType::Datetime
            }
            Self::ExecutionDuration
            | Self::HistoryLength
            | Self::HistorySizeBytes
            | Self::StateTransitionCount => SearchAttributeType::Int,
        }
    }

    /// The field with this exact name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}

/// An attribute that every namespace has, with a value only where somebody set one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Predefined {
    /// Its name in queries.
    pub name: &'static str,
    /// The type of its values.
    pub value_type: SearchAttributeType,
    /// Whether a client may set it; the others are the server's.
    pub settable: bool,
}

/// The predefined attributes.
pub const PREDEFINED: [Predefined; 17] = {
    use SearchAttributeType::{Bool, Datetime, Int, Keyword, KeywordList};
    const fn open(name: &'static str, value_type: SearchAttributeType) -> Predefined {
        Predefined {
            name,
            value_type,
            settable: true,
        }
    }
    const fn server_only(name: &'static str, value_type: SearchAttributeType) -> Predefined {
        Predefined {
            name,
            value_type,
            settable: false,
        }
    }
    [
        open("TemporalChangeVersion", KeywordList),
        open("BinaryChecksums", KeywordList),
        open("BuildIds", KeywordList),
        open("BatcherNamespace", Keyword),
        open("BatcherUser", Keyword),
        open("TemporalScheduledStartTime", Datetime),
        open("TemporalScheduledById", Keyword),
        open("TemporalSchedulePaused", Bool),
        open(NAMESPACE_DIVISION, Keyword),
        open("TemporalPauseInfo", KeywordList),
        open("TemporalReportedProblems", KeywordList),
        server_only("TemporalWorkerDeployment", Keyword),
        server_only("TemporalWorkerDeploymentVersion", Keyword),
        server_only("TemporalWorkflowVersioningBehavior", Keyword),
        server_only("TemporalUsedWorkerDeploymentVersions", KeywordList),
        server_only("TemporalExternalPayloadCount", Int),
        server_only("TemporalExternalPayloadSizeBytes", Int),
    ]
};

/// Marks the server's own runs (schedules, batches, ...), which plain queries leave out (semantics 9.3).
pub(crate) const NAMESPACE_DIVISION: &str = "TemporalNamespaceDivision";

/// The predefined attribute with this exact name.
pub fn predefined(name: &str) -> Option<&'static Predefined> {
    PREDEFINED.iter().find(|attribute| attribute.name == name)
}

/// System and predefined attributes with their types, as `ListSearchAttributes` shows them.
pub fn system_attributes() -> impl Iterator<Item = (&'static str, SearchAttributeType)> {
    let system = SystemField::ALL
        .into_iter()
        .map(|field| (field.name(), field.value_type()));
    system.chain(
        PREDEFINED
            .iter()
            .map(|attribute| (attribute.name, attribute.value_type)),
    )
}

/// Whether the name belongs to a system or predefined attribute.
pub fn is_system_or_predefined(name: &str) -> bool {
    SystemField::from_name(name).is_some() || predefined(name).is_some()
}

/// Whether no custom attribute may have this name (semantics 9.5).
pub fn is_reserved(name: &str) -> bool {
    is_system_or_predefined(name)
        || matches!(
            name,
            "NamespaceId" | "Memo" | "MemoEncoding" | "VisibilityTaskKey"
        )
        || name.starts_with("Temporal")
}
