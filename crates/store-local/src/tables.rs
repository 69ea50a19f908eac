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
    /// The size at which the write buffer is sealed and flushed. Up to 4 of them are in memory.
    write_buffer_bytes: u64,
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

/// The options of a table's keyspace.
pub(crate) fn tuning(table: Table) -> KeyspaceCreateOptions {
    let small = |reads| Profile {
        write_buffer_bytes: 2 * MIB,
        block_bytes: 4 * KIB,
        compression: CompressionType::None,
        reads,
    };
    let queue = || Profile {
        write_buffer_bytes: 8 * MIB,
        ..small(Reads::Scans)
    };
    options(match table {
        Table::Node | Table::Namespaces => small(Reads::Points),
        // Every start of a workflow asks for an id that, mostly, is new.
        Table::Current => Profile {
            write_buffer_bytes: 4 * MIB,
            ..small(Reads::Points)
        },
        Table::Runs => Profile {
            write_buffer_bytes: 16 * MIB,
            ..small(Reads::PresentPoints)
        },
        Table::History => Profile {
            write_buffer_bytes: 16 * MIB,
            block_bytes: 16 * KIB,
            compression: CompressionType::Lz4,
            reads: Reads::Scans,
        },
        Table::Tasks | Table::Outbox | Table::Timers | Table::VisibilityQueue => queue(),
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
        .max_memtable_size(profile.write_buffer_bytes)
        .data_block_size_policy(BlockSizePolicy::all(profile.block_bytes))
        .data_block_compression_policy(CompressionPolicy::all(profile.compression))
        .compaction_strategy(Arc::new(compaction));
    match profile.reads {
        Reads::Points => options,
        Reads::PresentPoints => options.expect_point_read_hits(true),
        Reads::Scans => options.filter_policy(FilterPolicy::disabled()),
    }
}
