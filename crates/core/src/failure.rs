//! Failures that the server states, judges or cuts.

use steadfast_protocol::failure::Failure;

/// Whether an activity or a workflow that failed so may be tried again.
pub fn is_retryable(_failure: &Failure, _non_retryable_types: &[String]) -> bool {
    true
}
/// Bytes of `failure`.
pub fn size(failure: &Failure) -> usize {
    prost::Message::encoded_len(failure)
}
