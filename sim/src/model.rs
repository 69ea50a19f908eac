//! The reference model: what clients and workers were told, and so must be and stay true. It knows nothing of how the
//! server works.

use std::collections::{BTreeMap, BTreeSet};

use steadfast_core::Refusal;

/// What was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Run of each acknowledged start request.
    pub starts: BTreeMap<String, String>,
    /// Workflow id of each acknowledged signal, by request id.
    pub signals: BTreeMap<String, String>,
    /// Terminations, by the mark they carry: workflow id.
    pub terminations: BTreeMap<String, String>,
    /// Answers to activity attempts: run, Scheduled event, attempt; with the result where there is one.
    pub answers: BTreeMap<(String, i64, i32), Option<String>>,
    /// Activity attempts that were handed out.
    pub attempts: BTreeSet<(String, i64, i32)>,
    /// Completed workflow tasks: run and Started event.
    pub tasks: BTreeSet<(String, i64)>,
    /// Calls that were carried out, and calls in all.
    pub calls: (u64, u64),
}

impl Model {
    /// Counts a client's call that is over.
    pub(crate) fn count<R>(&mut self, reply: &Result<R, Refusal>) {
        self.calls.1 += 1;
        let answered = reply
            .as_ref()
            .err()
            .is_none_or(|refusal| !crate::calls::is_transient(refusal));
        self.calls.0 += u64::from(answered);
    }
}
