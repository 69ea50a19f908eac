//! Payloads and memos that are so large that the log speaks of them, though they are within the limits.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prost::Message;
use steadfast_core::limits::{ID_LENGTH_MAX, Limits};
use steadfast_engine::token::TaskToken;
use steadfast_protocol::command::Command;
use steadfast_protocol::command::command::Attributes;
use steadfast_protocol::common::Payload;

use super::{Checked, Scope};

/// Lines in [`LINES_TIME`] at most: whoever sends large payloads mostly sends many.
const LINES_MAX: u32 = 20;
const LINES_TIME: Duration = Duration::from_secs(1);

/// What of a request the limits of single fields are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes<'a> {
    /// The workflow, where the request names it; a request with the token of a task does by that.
    pub workflow_id: &'a str,
    /// Its run, likewise.
    pub run_id: &'a str,
    /// The largest input, result, details or failure, bytes.
    pub blob: usize,
    /// The largest memo, bytes.
    pub memo: usize,
}

impl<'a> Sizes<'a> {
    /// Of a request that names a workflow.
    pub(crate) fn of(workflow_id: &'a str, run_id: &'a str) -> Self {
        Self {
            workflow_id,
            run_id,
            ..Self::default()
        }
    }

    /// With one more input, result, details or failure.
    pub(crate) fn blob(mut self, field: Option<&impl Message>) -> Self {
        self.blob = self.blob.max(field.map_or(0, Message::encoded_len));
        self
    }

    /// With one more memo.
    pub(crate) fn memo(mut self, field: Option<&impl Message>) -> Self {
        self.memo = self.memo.max(field.map_or(0, Message::encoded_len));
        self
    }

    /// With the fields of a command.
    pub(crate) fn command(self, command: &Command) -> Self {
        match &command.attributes {
            Some(Attributes::ScheduleActivityTaskCommandAttributes(it)) => {
                self.blob(it.input.as_ref())
            }
            Some(Attributes::CompleteWorkflowExecutionCommandAttributes(it)) => {
                self.blob(it.result.as_ref())
            }
            Some(Attributes::FailWorkflowExecutionCommandAttributes(it)) => {
                self.blob(it.failure.as_ref())
            }
            Some(Attributes::CancelWorkflowExecutionCommandAttributes(it)) => {
                self.blob(it.details.as_ref())
            }
            Some(Attributes::RecordMarkerCommandAttributes(it)) => {
                let details = it.details.iter();
                self.bytes(details.map(|(name, it)| name.len() + it.encoded_len()))
            }
            Some(Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(it)) => {
                self.blob(it.input.as_ref()).memo(it.memo.as_ref())
            }
            Some(Attributes::StartChildWorkflowExecutionCommandAttributes(it)) => {
                self.blob(it.input.as_ref()).memo(it.memo.as_ref())
            }
            Some(Attributes::SignalExternalWorkflowExecutionCommandAttributes(it)) => {
                self.blob(it.input.as_ref())
            }
            Some(Attributes::UpsertWorkflowSearchAttributesCommandAttributes(it)) => {
                let given = it.search_attributes.as_ref();
                self.entries(given.map(|given| &given.indexed_fields))
            }
            Some(Attributes::ModifyWorkflowPropertiesCommandAttributes(it)) => self
                .entries(it.upserted_memo.as_ref().map(|memo| &memo.fields))
                .memo(it.upserted_memo.as_ref()),
            _ => self,
        }
    }

    fn entries(self, fields: Option<&BTreeMap<String, Payload>>) -> Self {
        let fields = fields.into_iter().flatten();
        self.bytes(fields.map(|(name, it)| name.len() + it.data.len()))
    }

    fn bytes(mut self, parts: impl Iterator<Item = usize>) -> Self {
        self.blob = self.blob.max(parts.sum());
        self
    }
}

/// Writes the lines, and not too many of them.
#[derive(Default)]
pub(crate) struct SizeLog {
    /// Since when lines are counted, and how many there were.
    lines: Mutex<Option<(Instant, u32)>>,
}

impl SizeLog {
    /// A line for what of the request is large; the namespace is that of the call.
    pub(crate) fn look_at<R: Checked>(&self, request: &R, namespace: &str, limits: &Limits) {
        let sizes = request.sizes();
        for (bytes, logged_from, limit) in [
            (sizes.blob, limits.blob_size_logged, "limit.blobSize.warn"),
            (sizes.memo, limits.memo_size_logged, "limit.memoSize.warn"),
        ] {
            // An id that is too long is what the request is refused for.
            if bytes <= logged_from
                || sizes.workflow_id.len() > ID_LENGTH_MAX
                || sizes.run_id.len() > ID_LENGTH_MAX
                || !self.may_write(Instant::now())
            {
                continue;
            }
            let named = match request.scope() {
                Scope::Task { token, .. } => TaskToken::decode_checked(token),
                Scope::Namespace(_) => None,
            };
            let (workflow_id, run_id) = match &named {
                Some(token) => (token.workflow_id.as_str(), token.run_id.as_str()),
                None => (sizes.workflow_id, sizes.run_id),
            };
            tracing::warn!(
                namespace,
                workflow_id,
                run_id,
                bytes,
                limit,
                request = request_name::<R>(),
                "Blob data size exceeds the warning limit."
            );
        }
    }

    fn may_write(&self, now: Instant) -> bool {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = lines
            .filter(|(since, _)| now.saturating_duration_since(*since) < LINES_TIME)
            .unwrap_or((now, 0));
        *lines = Some((since, count + 1));
        count < LINES_MAX
    }
}

/// `StartWorkflowExecutionRequest`, say.
fn request_name<R>() -> &'static str {
    let path = std::any::type_name::<R>();
    path.rsplit("::").next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use steadfast_protocol::command::{
        CompleteWorkflowExecutionCommandAttributes, ModifyWorkflowPropertiesCommandAttributes,
        RecordMarkerCommandAttributes, UpsertWorkflowSearchAttributesCommandAttributes,
    };
    use steadfast_protocol::common::{Memo, Payloads, SearchAttributes};

    fn payload(bytes: usize) -> Payload {
        Payload {
            data: vec![b'x'; bytes].into(),
            ..Payload::default()
        }
    }

    fn of(attributes: Attributes) -> (usize, usize) {
        let command = Command {
            attributes: Some(attributes),
            ..Command::default()
        };
        let sizes = Sizes::default().command(&command);
        (sizes.blob, sizes.memo)
    }

    #[test]
    fn the_largest_field_counts() {
        let payloads = Payloads {
            payloads: vec![payload(100)],
        };
        let whole = payloads.encoded_len();
        let sizes = Sizes::default()
            .blob(Some(&payloads))
            .blob(Some(&payload(3)))
            .blob(None::<&Payloads>);
        assert_eq!((sizes.blob, sizes.memo), (whole, 0));
        let completed = CompleteWorkflowExecutionCommandAttributes {
            result: Some(payloads.clone()),
        };
        assert_eq!(
            of(Attributes::CompleteWorkflowExecutionCommandAttributes(
                completed
            )),
            (whole, 0)
        );
        let marker = RecordMarkerCommandAttributes {
            details: [
                ("one".to_owned(), payloads.clone()),
                ("two".to_owned(), payloads),
            ]
            .into(),
            ..Default::default()
        };
        assert_eq!(
            of(Attributes::RecordMarkerCommandAttributes(marker)),
            (2 * (3 + whole), 0)
        );
    }

    #[test]
    fn maps_count_by_their_names_and_data() {
        let fields: BTreeMap<_, _> = [("a".to_owned(), payload(9))].into();
        let upsert = UpsertWorkflowSearchAttributesCommandAttributes {
            search_attributes: Some(SearchAttributes {
                indexed_fields: fields.clone(),
            }),
        };
        let upsert = Attributes::UpsertWorkflowSearchAttributesCommandAttributes(upsert);
        assert_eq!(of(upsert), (10, 0));
        let memo = Memo { fields };
        let whole = memo.encoded_len();
        let modify = ModifyWorkflowPropertiesCommandAttributes {
            upserted_memo: Some(memo),
        };
        let modify = Attributes::ModifyWorkflowPropertiesCommandAttributes(modify);
        assert_eq!(of(modify), (10, whole));
    }

    #[test]
    fn only_so_many_lines_are_written() {
        let log = SizeLog::default();
        let start = Instant::now();
        let written = (0..100).filter(|_| log.may_write(start)).count();
        assert_eq!(written, LINES_MAX as usize);
        assert!(log.may_write(start + LINES_TIME));
    }
}
