//! Commands, activities, timers, children: small worlds of one run, and the histories that come out.

#![allow(
    clippy::unwrap_used,
    deprecated,
    reason = "a test that cannot go on fails; deprecated fields are still honoured"
)]

mod activities;
mod bad;
mod closes;
mod histories;
mod others;
mod world;
