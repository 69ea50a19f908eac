//! What happened, as a number that two equal runs share, and as lines where somebody wants to read them.

use std::cell::RefCell;
use std::fmt::Display;

use xxhash_rust::xxh3::Xxh3;

/// The trace of one run.
#[derive(Default)]
pub(crate) struct Trace {
    hash: RefCell<Xxh3>,
    printed: bool,
}

impl Trace {
    /// An empty trace; `printed` shows each line.
    pub(crate) fn new(printed: bool) -> Self {
        Self {
            printed,
            ..Self::default()
        }
    }

    /// Adds a line.
    pub(crate) fn line(&self, time: i64, line: impl Display) {
        let line = line.to_string();
        let mut hash = self.hash.borrow_mut();
        hash.update(&time.to_be_bytes());
        hash.update(line.as_bytes());
        if self.printed {
            let millis = time / 1_000_000;
            #[allow(clippy::print_stdout, reason = "asked for")]
            {
                println!(
                    "{:>8}.{:03} {line}",
                    millis / 1000 % 1_000_000,
                    millis % 1000
                );
            }
        }
    }

    /// The number of all that happened so far.
    pub(crate) fn hash(&self) -> u64 {
        self.hash.borrow().digest()
    }
}
