//! How fjall keeps the tables. Fixed when a directory is made: fjall stores these choices beside the rows, and a change
//! here reaches new directories only.

use std::sync::Arc;

use fjall::compaction::Leveled;
use fjall::config::{BlockSizePolicy, CompressionPolicy, FilterPolicy};
use fjall::{CompressionType, KeyspaceCreateOptions};
use steadfast_store::Table;

/// A keyspace of fjall. Tables that are read and rewritten alike share one: each costs some 26 syncs to be made, and a
/// write buffer, a background flush and a few files of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Keyspace {
    /// Rows asked for one by one, many of which are not there; the fences too.
    Points,
    /// Rows of runs, rewritten at each step.
    Runs,
    /// Events, written once.
    History,
    /// Rows that live shortly, in the order in which they are taken.
    Queues,
}

impl Keyspace {
    /// All of them, each at its discriminant.
    pub(crate) const ALL: [Self; 4] = [Self::Points, Self::Runs, Self::History, Self::Queues];

    /// Where the rows of a table are.
    pub(crate) fn of(table: Table) -> Self {
        match table {
            Table::Node | Table::Namespaces | Table::Current => Self::Points,
            Table::Runs => Self::Runs,
            Table::History => Self::History,
            Table::Tasks | Table::Outbox | Table::Timers | Table::VisibilityQueue => Self::Queues,
        }
    }

    /// Whether it has rows of more than one table, so that their keys have to say of which.
    pub(crate) fn is_shared(self) -> bool {
        match self {
            Self::Points | Self::Queues => true,
            Self::Runs | Self::History => false,
        }
    }

    /// Its name in fjall.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Points => "points",
            Self::Runs => "runs",
            Self::History => "history",
            Self::Queues => "queues",
        }
    }

    /// The size at which its write buffer is sealed and flushed. Not stored: a change reaches all directories.
    pub(crate) fn write_buffer_bytes(self) -> u64 {
        match self {
            Self::Points => 4 * MIB,
            // The larger they are, the less is merged: a row that is rewritten or deleted before it is flushed never
            // reaches a table. And the longer takes a start after a crash.
            Self::Runs | Self::History => 12 * MIB,
            Self::Queues => 8 * MIB,
        }
    }

    /// The options it is made with.
    pub(crate) fn tuning(self) -> KeyspaceCreateOptions {
        let small = |reads| Profile {
            block_bytes: 4 * KIB,
            compression: CompressionType::None,
            reads,
        };
        options(match self {
            // Every start of a workflow asks for a workflow id that, mostly, is new.
            Self::Points => small(Reads::Points),
            Self::Runs => small(Reads::PresentPoints),
            Self::History => Profile {
                block_bytes: 16 * KIB,
                compression: CompressionType::Lz4,
                reads: Reads::Scans,
            },
            Self::Queues => small(Reads::Scans),
        })
    }
}

const KIB: u32 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What a keyspace is tuned for.
struct Profile {
    /// Small blocks make a point read cheap, large ones compress better and need a smaller index.
    block_bytes: u32,
    /// Of the blocks of all levels.
    compression: CompressionType,
    /// Who reads.
    reads: Reads,
}

/// The reads that it is tuned for: what filters it has.
enum Reads {
    /// Point reads of rows that may be absent: filters on all levels.
    Points,
    /// Point reads of rows that exist: no filter on the last level, where nine of ten rows are.
    PresentPoints,
    /// Scans only: no filters.
    Scans,
}

fn options(profile: Profile) -> KeyspaceCreateOptions {
    // The first level below the flushed tables holds eight of this size and is rewritten whenever as many were flushed,
    // which are smaller. Small table files also keep each compaction short: the one background thread has flushes to do
    // as well.
    let compaction = Leveled::default()
        .with_table_target_size(4 * MIB)
        .with_l0_threshold(8);
    let options = KeyspaceCreateOptions::default()
        .manual_journal_persist(true)
        // The store seals buffers itself: see `LocalStore::make_room`.
        .max_memtable_size(u64::MAX)
        .data_block_size_policy(BlockSizePolicy::all(profile.block_bytes))
        .data_block_compression_policy(CompressionPolicy::all(profile.compression))
        .compaction_strategy(Arc::new(compaction));
    match profile.reads {
        Reads::Points => options,
        Reads::PresentPoints => options.expect_point_read_hits(true),
        Reads::Scans => options.filter_policy(FilterPolicy::disabled()),
    }
}
