//! Tokens that travel through clients: opaque to them, checked on return.

use bytes::Bytes;
use prost::Message;
use steadfast_core::time::Time;
use steadfast_core::workflow_task::TaskRef;
use xxhash_rust::xxh3::xxh3_64;

/// What kind of task a token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum TokenKind {
    /// None of ours.
    Unspecified = 0,
    /// A started workflow task.
    WorkflowTask = 1,
    /// A started activity.
    Activity = 2,
    /// A direct query.
    Query = 3,
}

/// Names a task that was handed out. Must outlive a restart: activities are completed hours later.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TaskToken {
    /// `TokenKind`.
    #[prost(enumeration = "TokenKind", tag = "1")]
    pub kind: i32,
    /// UUID of the namespace.
    #[prost(string, tag = "2")]
    pub namespace_id: String,
    /// Workflow id of the run.
    #[prost(string, tag = "3")]
    pub workflow_id: String,
    /// Run id of the run.
    #[prost(string, tag = "4")]
    pub run_id: String,
    /// Scheduled event of the task.
    #[prost(int64, tag = "5")]
    pub scheduled_event_id: i64,
    /// Started event of a workflow task.
    #[prost(int64, tag = "6")]
    pub started_event_id: i64,
    /// Attempt of the task.
    #[prost(int32, tag = "7")]
    pub attempt: i32,
    /// When the attempt started, ns.
    #[prost(int64, tag = "8")]
    pub started_time: i64,
    /// Names a direct query.
    #[prost(string, tag = "9")]
    pub query_id: String,
}

impl TaskToken {
    /// The token from the bytes a client sent; `None` if we did not make them.
    pub fn decode_checked(bytes: &[u8]) -> Option<Self> {
        open(bytes)
    }

    /// The namespace that a token is about; `None` if we did not make it.
    pub fn namespace_of(bytes: &[u8]) -> Option<String> {
        open(bytes).map(|TaskTokenNamespace { namespace_id }| namespace_id)
    }

    /// The bytes for a client.
    pub fn seal(&self) -> Bytes {
        seal(self)
    }

    /// The workflow task it names.
    pub(crate) fn workflow_task(&self) -> TaskRef {
        TaskRef {
            scheduled_event_id: self.scheduled_event_id,
            started_event_id: self.started_event_id,
            started_time: Time(self.started_time),
            attempt: self.attempt,
        }
    }
}

/// What tells where a task token belongs; the rest of it is skipped.
#[derive(Clone, PartialEq, prost::Message)]
struct TaskTokenNamespace {
    #[prost(string, tag = "2")]
    namespace_id: String,
}

impl Sealed for TaskTokenNamespace {
    const KIND: &'static [u8] = TaskToken::KIND;
}

/// Where a reader of a history goes on.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HistoryToken {
    /// Run that is read.
    #[prost(string, tag = "1")]
    pub run_id: String,
    /// Next event to be read; for a reverse read the last one that was.
    #[prost(int64, tag = "2")]
    pub next_event_id: i64,
    /// Event after the last one of a task's history; 0 to read all there is.
    #[prost(int64, tag = "3")]
    pub end_event_id: i64,
}

impl HistoryToken {
    pub(crate) fn decode_checked(bytes: &[u8]) -> Option<Self> {
        open(bytes)
    }

    pub(crate) fn seal(&self) -> Bytes {
        seal(self)
    }
}

/// A message that travels as a token.
trait Sealed: Message + Default {
    /// Tells the kinds of tokens apart. Part of what clients hold, so never changed.
    const KIND: &'static [u8];
}

impl Sealed for TaskToken {
    const KIND: &'static [u8] = b"task";
}

impl Sealed for HistoryToken {
    const KIND: &'static [u8] = b"history";
}

/// Eight bytes before the message tell our tokens from garbage and from each other.
fn seal<M: Sealed>(message: &M) -> Bytes {
    let mut bytes = Vec::with_capacity(8 + message.encoded_len());
    bytes.extend_from_slice(&[0; 8]);
    message.encode_raw(&mut bytes);
    let sum = checksum::<M>(&bytes[8..]);
    bytes[..8].copy_from_slice(&sum.to_be_bytes());
    bytes.into()
}

fn open<M: Sealed>(bytes: &[u8]) -> Option<M> {
    let (sum, body) = bytes.split_first_chunk::<8>()?;
    if u64::from_be_bytes(*sum) != checksum::<M>(body) {
        return None;
    }
    M::decode(body).ok()
}

fn checksum<M: Sealed>(body: &[u8]) -> u64 {
    xxh3_64(body) ^ xxh3_64(M::KIND)
}
