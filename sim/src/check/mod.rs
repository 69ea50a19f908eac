//! What must always hold: one file for each promise (docs: reliability, P1 to P8).

pub(crate) mod acknowledged;
pub(crate) mod history;
pub(crate) mod once;
pub(crate) mod progress;
pub(crate) mod sdk;
pub(crate) mod timers;
pub(crate) mod visibility;
