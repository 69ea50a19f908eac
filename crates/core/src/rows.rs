//! Which rows an execution is stored in, and their bytes.

use std::sync::Arc;

use prost::Message;
use steadfast_protocol::history::HistoryEvent;

use crate::execution::{Execution, RunKey};
use crate::record::{Activity, Child, External, Head, Timer};

/// One row of an execution. The head is written by every transition and has no name here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// A pending activity, by Scheduled event.
    Activity(i64),
    /// A pending timer, by Started event.
    Timer(i64),
    /// A pending child, by Initiated event.
    Child(i64),
    /// A pending signal to another execution, by Initiated event.
    ExternalSignal(i64),
    /// A pending cancel request to another execution, by Initiated event.
    ExternalCancel(i64),
    /// A buffered event, by number.
    Buffered(u64),
    /// A signal's request id.
    SignalRequestId(String),
}

const HEAD: u8 = 0;
const ACTIVITY: u8 = 1;
const TIMER: u8 = 2;
const CHILD: u8 = 3;
const EXTERNAL_SIGNAL: u8 = 4;
const EXTERNAL_CANCEL: u8 = 5;
const BUFFERED: u8 = 6;
const SIGNAL_REQUEST_ID: u8 = 7;

impl Row {
    /// Key of the head's row, relative to the run's prefix.
    pub const HEAD_KEY: [u8; 1] = [HEAD];

    /// Appends the row's key, relative to the run's prefix: rows of a kind sort together, by number.
    pub fn write_key(&self, key: &mut Vec<u8>) {
        let (kind, number) = match self {
            Self::Activity(id) => (ACTIVITY, *id as u64),
            Self::Timer(id) => (TIMER, *id as u64),
            Self::Child(id) => (CHILD, *id as u64),
            Self::ExternalSignal(id) => (EXTERNAL_SIGNAL, *id as u64),
            Self::ExternalCancel(id) => (EXTERNAL_CANCEL, *id as u64),
            Self::Buffered(number) => (BUFFERED, *number),
            Self::SignalRequestId(id) => {
                key.push(SIGNAL_REQUEST_ID);
                key.extend_from_slice(id.as_bytes());
                return;
            }
        };
        key.push(kind);
        key.extend_from_slice(&number.to_be_bytes());
    }
}

/// Stored bytes that are not what this version or an older one wrote.
#[derive(Debug, thiserror::Error)]
pub enum CorruptRow {
    /// A row's value.
    #[error("a row of run {run_id} cannot be decoded: {source}")]
    Value {
        /// The run.
        run_id: String,
        /// What is wrong.
        source: prost::DecodeError,
    },
    /// A row's key.
    #[error("run {run_id} has a row with the unknown key {key:02x?}")]
    Key {
        /// The run.
        run_id: String,
        /// The key, relative to the run's prefix.
        key: Vec<u8>,
    },
    /// The head is missing.
    #[error("run {run_id} has rows but no head")]
    NoHead {
        /// The run.
        run_id: String,
    },
}

impl Execution {
    /// The bytes of a row as it stands; `None` if it is gone.
    pub fn encode_row(&self, row: &Row) -> Option<Vec<u8>> {
        match row {
            Row::Activity(id) => self.activities.get(id).map(|item| item.encode_to_vec()),
            Row::Timer(id) => self.timers.get(id).map(|item| item.encode_to_vec()),
            Row::Child(id) => self.children.get(id).map(|item| item.encode_to_vec()),
            Row::ExternalSignal(id) => {
                let item = self.external_signals.get(id);
                item.map(|item| item.encode_to_vec())
            }
            Row::ExternalCancel(id) => {
                let item = self.external_cancels.get(id);
                item.map(|item| item.encode_to_vec())
            }
            Row::Buffered(number) => {
                let mut events = self.buffered.iter();
                let event = events.find(|(row, _)| row == number);
                event.map(|(_, event)| event.encode_to_vec())
            }
            Row::SignalRequestId(id) => self.signal_request_ids.contains(id).then(Vec::new),
        }
    }

    /// Puts an execution together from its stored rows: keys relative to the run's prefix, in order.
    ///
    /// # Errors
    /// [`CorruptRow`] if the rows are not what [`Execution::encode_row`] wrote.
    pub fn decode<'a>(
        key: Arc<RunKey>,
        started: Arc<HistoryEvent>,
        rows: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, CorruptRow> {
        let run_id = key.run_id.clone();
        let value = |source| CorruptRow::Value {
            run_id: run_id.clone(),
            source,
        };
        let mut rows = rows.into_iter();
        let head = match rows.next() {
            Some((key, bytes)) if key == Row::HEAD_KEY => Head::decode(bytes).map_err(value)?,
            _ => return Err(CorruptRow::NoHead { run_id }),
        };
        let mut run = Self::new(key, started, head);
        for (key, bytes) in rows {
            let unknown = || CorruptRow::Key {
                run_id: run_id.clone(),
                key: key.to_vec(),
            };
            let (kind, rest) = key.split_first().ok_or_else(unknown)?;
            let number = || {
                rest.try_into()
                    .map(u64::from_be_bytes)
                    .map_err(|_| unknown())
            };
            match *kind {
                ACTIVITY => run.put_activity(Activity::decode(bytes).map_err(value)?),
                TIMER => run.put_timer(Timer::decode(bytes).map_err(value)?),
                CHILD => run.put_child(Child::decode(bytes).map_err(value)?),
                EXTERNAL_SIGNAL => {
                    run.put_external_signal(External::decode(bytes).map_err(value)?);
                }
                EXTERNAL_CANCEL => {
                    run.put_external_cancel(External::decode(bytes).map_err(value)?);
                }
                BUFFERED => {
                    run.put_buffered(number()?, HistoryEvent::decode(bytes).map_err(value)?);
                }
                SIGNAL_REQUEST_ID => {
                    let id = String::from_utf8(rest.to_vec()).map_err(|_| unknown())?;
                    run.put_signal_request_id(id);
                }
                _ => return Err(unknown()),
            }
        }
        Ok(run)
    }
}
