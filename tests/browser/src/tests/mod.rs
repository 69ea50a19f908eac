//! The tests, by what they are about.

mod shell;

use crate::suite::Test;

/// All tests, in the order in which they run.
pub fn all() -> impl Iterator<Item = &'static Test> {
    [shell::TESTS].into_iter().flatten()
}
