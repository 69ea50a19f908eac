//! Payloads and failures as people read them: nothing rounded, nothing reordered, nothing guessed.
//!
//! `view` makes one payload readable, `failure` a chain of failures; `codec` asks a remote codec before either is
//! shown; `markdown` is for texts by the authors of workflows.

pub mod codec;
pub mod failure;
mod hex;
pub mod json;
pub mod markdown;
mod size;
mod view;

pub use size::size;
pub(crate) use view::shorten;
pub use view::{PayloadView, Shape};
