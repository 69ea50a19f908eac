//! The workflow ids of all runs in blocks, where parts of them are looked for at the speed of memory.
//!
//! A block has the ids of runs with numbers that follow each other, and is written once, when later runs are there. A run
//! keeps its workflow id, so a block needs no change but for deleted runs: their ids may stay in it, and whoever searches
//! has to look at the runs that were found. The block goes with the last of its runs, and is written anew now and then
//! before that, so that the blocks do not outgrow the runs.
//!
//! What always holds: a run that is numbered below the end of the last block has its id in a block.

use std::collections::BTreeMap;
use std::rc::Rc;

use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params};

use crate::render::{Parameters, contained};

/// So many numbers share a block: `number / RUNS`.
const RUNS: i64 = 512;
/// Ends each id. No byte of UTF-8, so that no part of an id has it.
const END: u8 = 0xff;
/// A block is written anew when a run is deleted whose number is a multiple of this.
const THINNED_EVERY: i64 = 64;

/// How far blocks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks {
    /// No block from this one on is written, and every one before it that has runs.
    next: i64,
}

impl Blocks {
    /// As they are stored. Writes those that are missing, in a file of a version that had none.
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let next = number("SELECT coalesce(max(block) + 1, 0) FROM workflow_ids")?;
        let mut blocks = Self { next };
        let last = number("SELECT coalesce(max(id), 0) FROM runs")?;
        if blocks.next < last / RUNS {
            let transaction = connection.unchecked_transaction()?;
            blocks.write_to(&transaction, last)?;
            transaction.commit()?;
        }
        Ok(blocks)
    }

    /// A run was inserted. Its number may be that of a deleted one, since the number after the greatest is given.
    pub(crate) fn inserted(&mut self, connection: &Connection, run: i64) -> rusqlite::Result<()> {
        let block = run / RUNS;
        if block < self.next {
            connection
                .prepare_cached("DELETE FROM workflow_ids WHERE block >= ?1")?
                .execute(params![block])?;
            self.next = block;
        }
        Ok(())
    }

    /// Some runs were deleted.
    pub(crate) fn deleted(&self, connection: &Connection, runs: &[i64]) -> rusqlite::Result<()> {
        let mut thinned = BTreeMap::new();
        for run in runs.iter().filter(|run| *run / RUNS < self.next) {
            *thinned.entry(run / RUNS).or_default() |= run % THINNED_EVERY == 0;
        }
        for (block, anew) in thinned {
            let is_left = connection
                .prepare_cached("SELECT 1 FROM runs WHERE id >= ?1 AND id < ?2")?
                .exists(params![block * RUNS, (block + 1) * RUNS])?;
            if !is_left {
                connection
                    .prepare_cached("DELETE FROM workflow_ids WHERE block = ?1")?
                    .execute(params![block])?;
            } else if anew {
                write(connection, block, block + 1)?;
            }
        }
        Ok(())
    }

    /// Writes all blocks before that of the last run.
    pub(crate) fn write_to(&mut self, connection: &Connection, last: i64) -> rusqlite::Result<()> {
        while self.next < last / RUNS {
            self.next = match write(connection, self.next, last / RUNS)? {
                Some(written) => written + 1,
                None => last / RUNS,
            };
        }
        Ok(())
    }
}

/// Writes the first block from there on, and before the end, that has runs.
fn write(connection: &Connection, from: i64, end: i64) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, workflow_id FROM runs WHERE id >= ?1 AND id < ?2 ORDER BY id",
    )?;
    let mut runs = statement.query(params![from * RUNS, end * RUNS])?;
    let mut block = None;
    let (mut ids, mut number) = (Vec::new(), 0);
    while let Some(run) = runs.next()? {
        let id: i64 = run.get(0)?;
        if *block.get_or_insert(id / RUNS) != id / RUNS {
            break;
        }
        // Numbers without a run are as good as runs with an empty id.
        ids.resize(
            ids.len() + usize::try_from(id % RUNS - number).unwrap_or(0),
            END,
        );
        ids.extend(run.get_ref(1)?.as_bytes()?);
        ids.push(END);
        number = id % RUNS + 1;
    }
    if let Some(block) = block {
        connection
            .prepare_cached("INSERT OR REPLACE INTO workflow_ids (block, ids) VALUES (?1, ?2)")?
            .execute(params![block, ids])?;
    }
    Ok(block)
}

/// A SELECT of the numbers of the runs, of all namespaces, whose workflow ids have that part; and of some that are
/// deleted. Not for the empty part, which all have.
pub(crate) fn select(part: &str, parameters: &mut Parameters) -> String {
    let bound = parameters.bind(part.to_owned());
    let later = contained("workflow_id", part, parameters);
    format!(
        "SELECT w.block * {RUNS} + p.value AS id FROM workflow_ids w CROSS JOIN rarray(ids_with(w.ids, {bound})) p \
            UNION ALL SELECT id FROM runs NOT INDEXED \
            WHERE id >= (SELECT coalesce(max(block) + 1, 0) * {RUNS} FROM workflow_ids) AND {later}"
    )
}

/// The places, in a block, of the ids that have a part.
pub(crate) fn places(ids: &[u8], part: &Finder<'_>) -> Rc<Vec<Sql>> {
    let mut places = Vec::new();
    // Of the id that begins here.
    let (mut place, mut begin) = (0, 0);
    while let Some(found) = part.find(&ids[begin..]) {
        let found = begin + found;
        place += memchr_iter(END, &ids[begin..found]).count();
        places.push(Sql::Integer(i64::try_from(place).unwrap_or(i64::MAX)));
        let Some(end) = memchr(END, &ids[found..]) else {
            break;
        };
        place += 1;
        begin = found + end + 1;
    }
    Rc::new(places)
}
