//! Runs from their start to their close, through the public functions of the core: scripts in, histories out.

mod chains;
mod closing;
mod looking;
mod policies;
mod script;
mod starting;
mod timeouts;
