//! How fjall keeps each table. Fixed when a directory is made: fjall stores these choices beside the rows, and a
//! change here reaches new directories only.

use std::sync::Arc;

use fjall::compaction::Leveled;
use fjall::config::{BlockSizePolicy, CompressionPolicy, FilterPolicy};
use fjall::{CompressionType, KeyspaceCreateOptions};
use steadfast_store::Table;

/// The keyspace of the fences.
pub(crate) const FENCES: &str = "fences";

const KIB: u32 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What a table is tuned for.
struct Profile {
    /// Small blocks make a point read cheap, large ones compress better and need a smaller index.
    block_bytes: u32,
    /// Of the blocks of all levels.
    compression: CompressionType,
    /// Who reads.
    reads: Reads,
}

/// The reads that a table is tuned for: what filters it has.
enum Reads {
    /// Point reads of rows that may be absent: filters on all levels.
    Points,
    /// Point reads of rows that exist: no filter on the last level, where nine of ten rows are.
    PresentPoints,
    /// Scans only: no filters.
    Scans,
}

/// The size at which the write buffer of a table is sealed and flushed. Not stored: a change reaches all directories.
pub(crate) fn write_buffer_bytes(table: Table) -> u64 {
    match table {
        Table::Node | Table::Namespaces => 2 * MIB,
        Table::Current => 4 * MIB,
        Table::Runs | Table::History => 16 * MIB,
        // A row that is deleted before it is flushed never reaches a table, so there is time for that.
        Table::Tasks | Table::Outbox | Table::Timers | Table::VisibilityQueue => 8 * MIB,
    }
}

/// The options of a table's keyspace.
pub(crate) fn tuning(table: Table) -> KeyspaceCreateOptions {
    let small = |reads| Profile {
        block_bytes: 4 * KIB,
        compression: CompressionType::None,
        reads,
    };
    options(match table {
        // Every start of a workflow asks for a workflow id that, mostly, is new.
        Table::Node | Table::Namespaces | Table::Current => small(Reads::Points),
        Table::Runs => small(Reads::PresentPoints),
        Table::History => Profile {
            block_bytes: 16 * KIB,
            compression: CompressionType::Lz4,
            reads: Reads::Scans,
        },
        Table::Tasks | Table::Outbox | Table::Timers | Table::VisibilityQueue => {
            small(Reads::Scans)
        }
    })
}

/// The options of the keyspace of fences: a row per shard, read once.
pub(crate) fn tuning_of_fences() -> KeyspaceCreateOptions {
    tuning(Table::Node)
}

fn options(profile: Profile) -> KeyspaceCreateOptions {
    // Small table files keep each compaction short: the one background thread has flushes to do as well.
    let compaction = Leveled::default().with_table_target_size(16 * MIB);
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
