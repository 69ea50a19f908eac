//! How changes are applied.

use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::types::Value as Sql;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use rustc_hash::FxHashMap;
use steadfast_visibility::{Attribute, Change, Position, Record, Value, tokens};

use crate::blocks::Blocks;
use crate::catalog::Catalog;
use crate::codec::{self, Stored, decode, decode_strings};
use crate::schema::set_marker;

/// The one connection that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: Connection,
    blocks: Blocks,
}

/// One transaction.
struct Session<'a> {
    connection: &'a Connection,
    statements: Statements<'a>,
    catalog: &'a RwLock<Arc<Catalog>>,
    /// By namespace, status, type and division.
    counters: FxHashMap<(i64, i64, String, Option<String>), i64>,
    /// Reused for each run.
    blob: Vec<u8>,
    blocks: Blocks,
    /// The number of the last run that was inserted; 0 if none was.
    inserted: i64,
    /// The numbers of those that were deleted.
    deleted: Vec<i64>,
}

/// What most changes need, looked up once per transaction.
struct Statements<'a> {
    find: CachedStatement<'a>,
    insert: CachedStatement<'a>,
    update: CachedStatement<'a>,
    close: CachedStatement<'a>,
}

impl<'a> Statements<'a> {
    fn prepare(connection: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            find: connection.prepare_cached(FIND)?,
            insert: connection.prepare_cached(INSERT)?,
            update: connection.prepare_cached(UPDATE)?,
            close: connection.prepare_cached(CLOSE)?,
        })
    }
}

impl Writer {
    pub(crate) fn new(connection: Connection) -> rusqlite::Result<Self> {
        let blocks = Blocks::load(&connection)?;
        Ok(Self { connection, blocks })
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Applies all changes and the marker, or nothing.
    pub(crate) fn apply(
        &mut self,
        catalog: &RwLock<Arc<Catalog>>,
        changes: &[Change],
        marker: Option<&[u8]>,
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let mut session = Session {
            statements: Statements::prepare(&transaction)?,
            connection: &transaction,
            catalog,
            counters: FxHashMap::default(),
            blob: Vec::new(),
            blocks: self.blocks,
            inserted: 0,
            deleted: Vec::new(),
        };
        for change in changes {
            match change {
                Change::Upsert(record) => session.upsert(record)?,
                Change::Delete {
                    namespace_id,
                    run_id,
                } => session.delete(namespace_id, run_id)?,
            }
        }
        session.count()?;
        let blocks = session.write_blocks()?;
        drop(session);
        if let Some(marker) = marker {
            set_marker(&transaction, marker)?;
        }
        transaction.commit()?;
        self.blocks = blocks;
        Ok(())
    }
}

const FIND: &str = "SELECT id, version, status, close, attributes, division, type, workflow_id, start, \
    parent_workflow_id, parent_run_id, root_workflow_id, root_run_id, execution, queue FROM runs \
    WHERE ns = ?1 AND run_id = ?2";

const INSERT: &str = "INSERT OR IGNORE INTO runs (ns, run_id, workflow_id, type, status, close, start, execution, division, queue, \
    duration, history_length, history_size, transitions, parent_workflow_id, parent_run_id, root_workflow_id, \
    root_run_id, version, attributes, memo) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)";

// SQLite rewrites the entries of an index whenever one of its columns is assigned, even to the same value. So updates
// name only what may have changed, and what moves the run in the order of lists stands in a statement of its own.
const UPDATE: &str = "UPDATE runs SET duration = ?2, history_length = ?3, history_size = ?4, transitions = ?5, version = ?6, \
    attributes = ?7, memo = ?8 WHERE id = ?1";
const CLOSE: &str = "UPDATE runs SET duration = ?2, history_length = ?3, history_size = ?4, transitions = ?5, version = ?6, \
    attributes = ?7, memo = ?8, status = ?9, close = ?10 WHERE id = ?1";

/// Nanoseconds: a run that closed within them has probably not been written while it was open, since its changes gather.
const SHORT_LIFE: i64 = 1_000_000_000;

const COUNT: &str = "INSERT INTO counters (ns, status, type, division, runs) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT DO UPDATE SET runs = runs + excluded.runs RETURNING runs";

impl Session<'_> {
    fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.connection.prepare_cached(sql)
    }

    fn upsert(&mut self, record: &Record) -> rusqlite::Result<()> {
        let namespace = self.namespace(&record.namespace_id)?;
        self.encode_attributes(namespace, record)?;
        let new = NewRow::of(record, namespace);
        // Such a run is most likely new, which the insertion finds out as well as a search.
        let likely_new = record
            .close_time
            .is_none_or(|close| close - record.start_time < SHORT_LIFE);
        if likely_new && self.insert(&new)? {
            return Ok(());
        }
        let found = self
            .statements
            .find
            .query_row(params![namespace, record.run_id], |row| {
                OldRow::of(row, &new)
            });
        let old = found.optional()?;
        let Some(old) = old else {
            self.insert(&new)?;
            return Ok(());
        };
        if old.version > new.version {
            return Ok(());
        }
        if !old.same_run {
            self.remove(namespace, old)?;
            self.insert(&new)?;
            return Ok(());
        }
        self.update(&new, old)
    }

    /// Whether the run was new; otherwise nothing is changed.
    fn insert(&mut self, new: &NewRow<'_>) -> rusqlite::Result<bool> {
        let record = new.record;
        let inserted = self.statements.insert.execute(params![
            new.namespace,
            record.run_id,
            record.workflow_id,
            record.workflow_type,
            record.status,
            new.position.close_time,
            new.position.start_time,
            micros(record.execution_time),
            new.division,
            record.task_queue,
            record.execution_duration,
            record.history_length,
            record.history_size_bytes,
            record.state_transition_count,
            record.parent.as_ref().map(|parent| &parent.0),
            record.parent.as_ref().map(|parent| &parent.1),
            record.root.as_ref().map(|root| &root.0),
            record.root.as_ref().map(|root| &root.1),
            new.version,
            blob_or_null(&self.blob),
            blob_or_null(&record.memo),
        ])?;
        if inserted == 0 {
            return Ok(false);
        }
        let id = self.connection.last_insert_rowid();
        self.blocks.inserted(self.connection, id)?;
        self.inserted = id;
        if !self.blob.is_empty() {
            self.index(id, &entries(&self.blob), &[])?;
        }
        self.add(
            new.namespace,
            record.status.into(),
            &record.workflow_type,
            new.division,
            1,
        );
        Ok(true)
    }

    fn update(&mut self, new: &NewRow<'_>, old: OldRow) -> rusqlite::Result<()> {
        let record = new.record;
        let moved = old.status != i64::from(record.status) || old.close != new.position.close_time;
        let (attributes, memo) = (blob_or_null(&self.blob), blob_or_null(&record.memo));
        if moved {
            self.statements.close.execute(params![
                old.id,
                record.execution_duration,
                record.history_length,
                record.history_size_bytes,
                record.state_transition_count,
                new.version,
                attributes,
                memo,
                record.status,
                new.position.close_time,
            ])?;
        } else {
            self.statements.update.execute(params![
                old.id,
                record.execution_duration,
                record.history_length,
                record.history_size_bytes,
                record.state_transition_count,
                new.version,
                attributes,
                memo,
            ])?;
        }
        if old.attributes != self.blob {
            self.index(old.id, &entries(&self.blob), &entries(&old.attributes))?;
        }
        if old.status != i64::from(record.status) {
            self.add(
                new.namespace,
                old.status,
                &record.workflow_type,
                new.division,
                -1,
            );
            self.add(
                new.namespace,
                record.status.into(),
                &record.workflow_type,
                new.division,
                1,
            );
        }
        Ok(())
    }

    fn delete(&mut self, namespace_id: &str, run_id: &str) -> rusqlite::Result<()> {
        let Some(namespace) = self.read_catalog(|catalog| catalog.namespace(namespace_id)) else {
            return Ok(());
        };
        let found = self
            .statements
            .find
            .query_row(params![namespace, run_id], OldRow::whole)
            .optional()?;
        found.map_or(Ok(()), |old| self.remove(namespace, old))
    }

    fn remove(&mut self, namespace: i64, old: OldRow) -> rusqlite::Result<()> {
        self.prepare("DELETE FROM runs WHERE id = ?1")?
            .execute(params![old.id])?;
        self.deleted.push(old.id);
        self.index(old.id, &[], &entries(&old.attributes))?;
        self.add(
            namespace,
            old.status,
            &old.workflow_type,
            old.division.as_deref(),
            -1,
        );
        Ok(())
    }

    /// Makes the values of a run findable, and those findable no more that it has lost. Both are sorted.
    fn index(&self, run: i64, new: &[(i64, Sql)], old: &[(i64, Sql)]) -> rusqlite::Result<()> {
        let mut delete = self.prepare(
            "DELETE FROM attribute_values WHERE attribute = ?1 AND value = ?2 AND run = ?3",
        )?;
        for (attribute, value) in old.iter().filter(|entry| !new.contains(entry)) {
            delete.execute(params![attribute, value, run])?;
        }
        let mut insert = self.prepare(
            "INSERT OR IGNORE INTO attribute_values (attribute, value, run) VALUES (?1, ?2, ?3)",
        )?;
        for (attribute, value) in new.iter().filter(|entry| !old.contains(entry)) {
            insert.execute(params![attribute, value, run])?;
        }
        Ok(())
    }

    /// Brings the blocks of workflow ids up to date.
    fn write_blocks(&mut self) -> rusqlite::Result<Blocks> {
        self.blocks.deleted(self.connection, &self.deleted)?;
        self.blocks.write_to(self.connection, self.inserted)?;
        Ok(self.blocks)
    }

    fn add(
        &mut self,
        namespace: i64,
        status: i64,
        workflow_type: &str,
        division: Option<&str>,
        change: i64,
    ) {
        let key = (
            namespace,
            status,
            workflow_type.to_owned(),
            division.map(str::to_owned),
        );
        *self.counters.entry(key).or_default() += change;
    }

    /// Brings the counters up to date: once per transaction, as most changes touch the same few.
    fn count(&mut self) -> rusqlite::Result<()> {
        for ((namespace, status, workflow_type, division), change) in
            std::mem::take(&mut self.counters)
        {
            if change == 0 {
                continue;
            }
            let division = counted_division(division.as_deref());
            let key = params![namespace, status, workflow_type, division, change];
            let left: i64 = self.prepare(COUNT)?.query_row(key, |row| row.get(0))?;
            debug_assert!(left >= 0, "a counter fell below zero");
            if left == 0 {
                self.prepare("DELETE FROM counters WHERE ns = ?1 AND status = ?2 AND type = ?3 AND division = ?4")?
                    .execute(params![namespace, status, workflow_type, division])?;
            }
        }
        Ok(())
    }

    /// Writes the attributes of the record into `self.blob`. The division has a column.
    fn encode_attributes(&mut self, namespace: i64, record: &Record) -> rusqlite::Result<()> {
        self.blob.clear();
        for (name, value) in &record.search_attributes {
            if is_division(name, value) {
                continue;
            }
            let value_type = value.value_type();
            let id =
                match self.read_catalog(|catalog| catalog.attribute(namespace, name, value_type)) {
                    Some(id) => id,
                    None => self.write_catalog(|catalog, connection| {
                        catalog.add_attribute(connection, namespace, name, value_type)
                    })?,
                };
            codec::encode(&mut self.blob, id, value);
        }
        Ok(())
    }

    fn namespace(&self, name: &str) -> rusqlite::Result<i64> {
        match self.read_catalog(|catalog| catalog.namespace(name)) {
            Some(id) => Ok(id),
            None => {
                self.write_catalog(|catalog, connection| catalog.add_namespace(connection, name))
            }
        }
    }

    fn read_catalog<T>(&self, read: impl FnOnce(&Catalog) -> T) -> T {
        read(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Readers keep the catalog that they began with.
    fn write_catalog<T>(&self, write: impl FnOnce(&mut Catalog, &Connection) -> T) -> T {
        let mut catalog = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
        write(Arc::make_mut(&mut catalog), self.connection)
    }
}

/// How a division stands in the counters.
pub(crate) fn counted_division(division: Option<&str>) -> String {
    division
        .map(|division| format!(":{division}"))
        .unwrap_or_default()
}

pub(crate) fn is_division(name: &str, value: &Value) -> bool {
    matches!(value, Value::Keyword(_)) && name == Attribute::namespace_division().name()
}

/// What nearly every closed run has in its `BuildIds` is not worth an entry each: no index could select by it.
pub(crate) const COMMON_MEMBER: &str = "unversioned";

/// The rows of `attribute_values` for a blob.
fn entries(blob: &[u8]) -> Vec<(i64, Sql)> {
    let mut entries = Vec::new();
    for (id, value) in decode(blob) {
        match value {
            Stored::Keyword(text) => entries.push((id, Sql::Text(text.to_owned()))),
            Stored::Int(number) | Stored::Datetime(number) => {
                entries.push((id, Sql::Integer(number)))
            }
            Stored::Double(number) => entries.push((id, Sql::Real(number))),
            Stored::Bool(value) => entries.push((id, Sql::Integer(value.into()))),
            Stored::Text(text) => {
                entries.extend(tokens(text).into_iter().map(|token| (id, Sql::Text(token))))
            }
            Stored::List(members) => {
                let members = decode_strings(members).filter(|member| *member != COMMON_MEMBER);
                entries.extend(members.map(|member| (id, Sql::Text(member.to_owned()))));
            }
        }
    }
    entries
}

fn blob_or_null(blob: &[u8]) -> Option<&[u8]> {
    (!blob.is_empty()).then_some(blob)
}

fn micros(nanos: i64) -> i64 {
    nanos.div_euclid(1000)
}

/// A record on its way into the table.
struct NewRow<'a> {
    record: &'a Record,
    namespace: i64,
    position: Position,
    division: Option<&'a str>,
    version: i64,
}

impl<'a> NewRow<'a> {
    fn of(record: &'a Record, namespace: i64) -> Self {
        Self {
            record,
            namespace,
            position: Position::of(record),
            division: record.division(),
            version: i64::try_from(record.version).unwrap_or(i64::MAX),
        }
    }
}

/// What must be known of a row to replace or remove it.
struct OldRow {
    id: i64,
    version: i64,
    status: i64,
    close: i64,
    attributes: Vec<u8>,
    division: Option<String>,
    /// Empty if it is not needed.
    workflow_type: String,
    /// Whether all is equal that never changes in the life of a run.
    same_run: bool,
}

impl OldRow {
    fn of(row: &Row<'_>, new: &NewRow<'_>) -> rusqlite::Result<Self> {
        let record = new.record;
        let (parent, root) = (record.parent.as_ref(), record.root.as_ref());
        let same = |column: usize, text: Option<&str>| {
            Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str_or_null()? == text)
        };
        let same_run = same(5, new.division)?
            && same(6, Some(&record.workflow_type))?
            && same(7, Some(&record.workflow_id))?
            && row.get_ref(8)?.as_i64()? == new.position.start_time
            && same(9, parent.map(|parent| &parent.0[..]))?
            && same(10, parent.map(|parent| &parent.1[..]))?
            && same(11, root.map(|root| &root.0[..]))?
            && same(12, root.map(|root| &root.1[..]))?
            && row.get_ref(13)?.as_i64()? == micros(record.execution_time)
            && same(14, Some(&record.task_queue))?;
        if !same_run {
            return Self::whole(row);
        }
        Self::read(row, String::new(), None, true)
    }

    fn whole(row: &Row<'_>) -> rusqlite::Result<Self> {
        Self::read(row, row.get(6)?, row.get(5)?, false)
    }

    fn read(
        row: &Row<'_>,
        workflow_type: String,
        division: Option<String>,
        same_run: bool,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            version: row.get(1)?,
            status: row.get(2)?,
            close: row.get(3)?,
            attributes: row
                .get_ref(4)?
                .as_blob_or_null()?
                .unwrap_or_default()
                .to_vec(),
            division,
            workflow_type,
            same_run,
        })
    }
}
