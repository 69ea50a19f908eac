//! Bugs put in on purpose, at the seams and never in production code: what finds none of them would find nothing.

use clap::ValueEnum;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Planted {
    /// The store says Ok before it writes; the write comes with the next commit.
    EarlyOk,
    /// The store takes batches of deposed owners.
    NoFence,
    /// The clock runs backwards now and then.
    ClockBackwards,
    /// A reload overlooks the last timer of each shard.
    LostTimer,
    /// A reload overlooks the first message of each shard's outbox.
    LostMessage,
    /// The store leaves out rows of pending activities now and then.
    LostRow,
    /// The visibility store loses records now and then.
    LostRecord,
}
