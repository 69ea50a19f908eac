//! The history of a run: its events in words (`attributes`), in groups (`group`, `grouping`), and in windows, none of
//! which needs the whole of it (`index`); when there is more of it (`news`).

pub mod attributes;
pub mod brief;
pub mod group;
pub mod grouping;
#[cfg(test)]
mod grouping_tests;
pub mod index;
pub mod json;
pub mod moment;
pub mod news;
pub mod search;
