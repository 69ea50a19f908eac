//! The house rules, as tests: what ARCHITECTURE.md says of crates, dependencies and absences is compared with the
//! tree. Nothing here is built into anything.
//!
//! - `dependencies`: who sees whom, and why each external crate is there
//! - `absences`: what must not occur in which sources
//! - `files`: what must not lie in the tree, how long a file may be, whether documents are right about paths
//!
//! A rule that has to be broken is changed here and explained in ARCHITECTURE.md, in one commit.

#[cfg(test)]
mod absences;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod files;
#[cfg(test)]
mod tree;
