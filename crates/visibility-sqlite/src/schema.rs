//! Tables and indexes, and how files are opened.
//!
//! Durability: write-ahead log, synchronised only at checkpoints. After a crash of the process nothing is missing; after
//! one of the machine the last transactions may be, the marker with them, and the file is still consistent.

use std::path::Path;
use std::{fs, io};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use steadfast_visibility::StoreError;

use crate::blocks::Blocks;
use crate::{condemnation, failed, functions, suffixed};

/// Changes with every change of the tables or of what is in them.
const VERSION: i64 = 3;
/// The version before, which had no `workflow_ids`; these are made when such a file is opened.
const WITHOUT_WORKFLOW_IDS: i64 = 2;

/// Kibibytes of page cache of the writer.
const WRITER_CACHE: i64 = 8 * 1024;
/// Kibibytes of page cache of each reader.
const READER_CACHE: i64 = 2 * 1024;
/// Pages of the log before it is written back into the file.
const CHECKPOINT_PAGES: i64 = 4000;
/// Statements that a connection keeps compiled.
const STATEMENTS_MAX: usize = 64;

/// `runs.close` is the greatest integer for open runs, so that they sort first. Both indexes of lists begin with what is
/// equal in all rows of interest and continue in the order of lists; with the status in them, a list of some
/// statuses merges one range per status. The division in them makes them enough for counts by time. The closed runs of
/// all statuses are read by `runs_close`, in which open ones have no value, since a merge would have to find a run of
/// each status first. The partial indexes cost nothing for plain runs.
///
/// `attribute_values` has a row per scalar, member of a list, or word of a text; the attributes themselves
/// stand in the blob of the run. Attributes are numbered per namespace, name and type.
///
/// `workflow_ids` are those of `runs` once more, see [`crate::blocks`].
///
/// `counters` holds how many runs there are of each namespace, status, type and division; the division is "" for none,
/// else it follows a colon.
const TABLES: &str = "
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    ns INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    workflow_id TEXT NOT NULL,
    type TEXT NOT NULL,
    status INTEGER NOT NULL,
    close INTEGER NOT NULL,
    start INTEGER NOT NULL,
    execution INTEGER NOT NULL,
    division TEXT,
    queue TEXT NOT NULL,
    duration INTEGER,
    history_length INTEGER,
    history_size INTEGER,
    transitions INTEGER,
    parent_workflow_id TEXT,
    parent_run_id TEXT,
    root_workflow_id TEXT,
    root_run_id TEXT,
    version INTEGER NOT NULL,
    attributes BLOB,
    memo BLOB
);
CREATE UNIQUE INDEX runs_run ON runs (ns, run_id);
CREATE INDEX runs_workflow ON runs (ns, workflow_id);
CREATE INDEX runs_status ON runs (ns, status, close DESC, start DESC, division);
CREATE INDEX runs_type ON runs (ns, type, status, close DESC, start DESC, division);
CREATE INDEX runs_start ON runs (ns, start);
CREATE INDEX runs_close ON runs (ns, nullif(close, 9223372036854775807));
CREATE INDEX runs_queue ON runs (ns, queue);
CREATE INDEX runs_division ON runs (ns, division) WHERE division IS NOT NULL;
CREATE INDEX runs_parent ON runs (ns, parent_workflow_id) WHERE parent_workflow_id IS NOT NULL;
CREATE INDEX runs_root ON runs (ns, root_workflow_id) WHERE root_workflow_id IS NOT NULL;

CREATE TABLE attribute_values (
    attribute INTEGER NOT NULL,
    value NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (attribute, value, run)
) WITHOUT ROWID;

CREATE TABLE counters (
    ns INTEGER NOT NULL,
    status INTEGER NOT NULL,
    type TEXT NOT NULL,
    division TEXT NOT NULL,
    runs INTEGER NOT NULL,
    PRIMARY KEY (ns, status, type, division)
) WITHOUT ROWID;

CREATE TABLE namespaces (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE attributes (
    id INTEGER PRIMARY KEY,
    ns INTEGER NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    UNIQUE (ns, name, type)
);
CREATE TABLE marker (id INTEGER PRIMARY KEY CHECK (id = 1), marker BLOB NOT NULL);
";

const WORKFLOW_IDS: &str = "
CREATE TABLE workflow_ids (block INTEGER PRIMARY KEY, ids BLOB NOT NULL);
";

/// Opens the file for writing. The second tells whether it is new.
pub(crate) fn open_file(path: &Path) -> Result<(Connection, bool), StoreError> {
    let condemned = condemnation(path).exists();
    if path.exists() && !condemned {
        match open_writer(path).and_then(|connection| Ok((examine(&connection)?, connection))) {
            Ok((true, connection)) => return Ok((connection, false)),
            Ok((false, _)) => {
                tracing::info!(path = %path.display(), "the visibility store is of another version")
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the visibility store is damaged")
            }
        }
    }
    remove_file(path)?;
    let connection = open_writer(path).map_err(failed)?;
    create(&connection).map_err(failed)?;
    remove(&condemnation(path))?;
    Ok((connection, true))
}

/// Removes the file of a store that nobody has open, and those beside it.
pub(crate) fn remove_file(path: &Path) -> Result<(), StoreError> {
    for suffix in ["-wal", "-shm", "-journal", ""] {
        remove(&suffixed(path, suffix))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::Failed(format!(
            "{} cannot be removed: {error}",
            path.display()
        ))),
        _ => Ok(()),
    }
}

/// A new store in memory.
pub(crate) fn open_memory() -> Result<Connection, StoreError> {
    let connection = Connection::open_in_memory().map_err(failed)?;
    configure(&connection, WRITER_CACHE)
        .and_then(|()| create(&connection))
        .map_err(failed)?;
    Ok(connection)
}

/// Opens another connection to the file of a store.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    configure(&connection, READER_CACHE).map_err(failed)?;
    Ok(connection)
}

fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    configure(&connection, WRITER_CACHE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    Ok(connection)
}

fn configure(connection: &Connection, cache: i64) -> rusqlite::Result<()> {
    // Negative: kibibytes.
    connection.pragma_update(None, "cache_size", -cache)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    rusqlite::vtab::array::load_module(connection)?;
    functions::register(connection)
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN;{TABLES}{WORKFLOW_IDS}PRAGMA user_version = {VERSION};COMMIT"
    ))
}

/// Brings the tables of a file of the version before to this one.
fn upgrade(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;{WORKFLOW_IDS}PRAGMA user_version = {VERSION};COMMIT"
    ))
}

/// Whether the file is a store of this version, or has become one. Touches every tree of the schema, but reads no more
/// than their roots: a damage deeper inside is noticed when it is met.
fn examine(connection: &Connection) -> rusqlite::Result<bool> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        VERSION => {}
        WITHOUT_WORKFLOW_IDS => upgrade(connection)?,
        _ => return Ok(false),
    }
    let trees = "SELECT coalesce(max(id), 0) FROM runs \
        UNION ALL SELECT count(*) FROM (SELECT 1 FROM runs INDEXED BY runs_run WHERE ns = 1 LIMIT 1) \
        UNION ALL SELECT count(*) FROM (SELECT 1 FROM runs INDEXED BY runs_workflow WHERE ns = 1 LIMIT 1) \
        UNION ALL SELECT count(*) FROM (SELECT 1 FROM runs INDEXED BY runs_status WHERE ns = 1 LIMIT 1) \
        UNION ALL SELECT count(*) FROM (SELECT 1 FROM runs INDEXED BY runs_type WHERE ns = 1 LIMIT 1) \
        UNION ALL SELECT count(*) FROM (SELECT 1 FROM runs INDEXED BY runs_close WHERE ns = 1 LIMIT 1) \
        UNION ALL SELECT count(*) FROM (SELECT 1 FROM attribute_values LIMIT 1) \
        UNION ALL SELECT sum(runs) FROM counters";
    let mut statement = connection.prepare(trees)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    marker(connection)?;
    // Writes what an older file has not. Here, so that damage met on the way is the file's, and it is replaced.
    Blocks::load(connection)?;
    Ok(true)
}

/// See [`VisibilityStore::marker`](steadfast_visibility::VisibilityStore::marker).
pub(crate) fn marker(connection: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .query_row("SELECT marker FROM marker", [], |row| row.get(0))
        .optional()
}

pub(crate) fn set_marker(connection: &Connection, marker: &[u8]) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO marker (id, marker) VALUES (1, ?1)")?
        .execute(params![marker])?;
    Ok(())
}
