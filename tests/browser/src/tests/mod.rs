//! The tests, by what they are about.

mod access;
mod codec;
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
        access::tests(),
        shell::tests(),
        hostile::tests(),
        links::tests(),
        live::tests(),
        codec::tests(),
        forms::tests(),
    ];
    parts.into_iter().flatten().collect()
}
