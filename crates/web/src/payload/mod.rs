//! Payloads and failures as people read them: nothing rounded, nothing reordered, nothing guessed.
//!
//! `view` makes one payload readable, `failure` a chain of failures; `codec` asks a remote codec before either is
//! shown.

pub mod codec;
pub mod failure;
mod hex;
pub mod json;
mod size;
mod view;

pub use size::size;
pub(crate) use view::shorten;
pub use view::{PayloadView, Shape};
