//! The tests, by what they are about.

mod forms;
mod hostile;
mod links;
mod live;
mod pages;
mod shell;

use crate::suite::Test;

/// All tests, in the order in which they run: those that change what others look at come last.
pub fn all() -> Vec<Test> {
    let parts = [
        pages::tests(),
        shell::tests(),
        hostile::tests(),
        links::tests(),
        live::tests(),
        forms::tests(),
    ];
    parts.into_iter().flatten().collect()
}
