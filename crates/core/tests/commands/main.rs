//! Commands, activities, timers, children: small worlds of one run, and the histories that come out.

mod activities;
mod bad;
mod histories;
mod others;
mod world;
