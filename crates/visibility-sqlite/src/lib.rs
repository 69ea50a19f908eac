//! The embedded visibility store, on SQLite.
//!
//! A projection that can always be rebuilt, so durability is cheap (see [`schema`]): a file that is damaged, or of another
//! version than this or the last, is replaced by an empty one. One connection writes; lists and counts read on others,
//! from the last committed state, and never wait for the writer. In memory there is one connection for both.
//!
//! - [`schema`]: tables, indexes, and what each is for
//! - [`catalog`]: small numbers for namespaces and attributes
//! - [`codec`], [`functions`]: the attributes of a run as a blob, and SQL functions that look into it
//! - [`mod@write`]: how changes are applied
//! - [`blocks`]: where parts of workflow ids are looked for
//! - [`render`], [`plan`], [`order`], [`read`]: filters as SQL, which index answers them, the order of lists, lists and
//!   counts
//! - [`sorted`], [`grouped`]: lists in another order

mod blocks;
mod catalog;
mod codec;
mod functions;
mod grouped;
mod order;
mod plan;
mod read;
mod render;
mod schema;
mod sorted;
mod write;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use rusqlite::Connection;
use steadfast_visibility::{
    Caller, Change, Count, Filter, GroupBy, List, Page, Sort, StoreError, VisibilityStore,
};

use catalog::Catalog;
use render::Renderer;
use write::Writer;

/// Connections that read a file at the same time; further lists and counts wait for one.
const READERS_MAX: usize = 4;
/// Steps of SQLite's machine, some tens of microseconds, after which a caller is asked whether they are still there.
const STEPS_BEFORE_ASKING: i32 = 1000;

/// A visibility store in one SQLite file, or in memory.
#[derive(Debug)]
pub struct SqliteVisibility {
    writer: Arc<Mutex<Writer>>,
    /// Shared by the writer, which adds to it, and the readers.
    catalog: RwLock<Arc<Catalog>>,
    /// The indexes that lists in another order need: those that are there, and those that are being made.
    sort_indexes: Arc<Mutex<BTreeMap<String, Index>>>,
    /// None in memory, where the writer's connection is the only one.
    file: Option<File>,
}

/// An index that is made when it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Index {
    InTheMaking,
    There,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    readers: Mutex<Readers>,
    returned: Condvar,
    /// The file was found damaged, and is marked for replacement.
    condemned: AtomicBool,
}

#[derive(Debug, Default)]
struct Readers {
    idle: Vec<Connection>,
    open: usize,
}

/// An opened store.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: SqliteVisibility,
    /// Whether it begins empty, because there was no file, or none that could be used: the caller fills it from the
    /// primary store.
    pub rebuilt: bool,
}

impl SqliteVisibility {
    /// Opens or creates the file; without a path the store lives in memory. A file that is damaged or of another
    /// version is replaced by an empty one; one of the last version gets what is new.
    pub fn open(path: Option<&Path>) -> Result<Opened, StoreError> {
        let (connection, rebuilt) = match path {
            Some(path) => schema::open_file(path)?,
            None => (schema::open_memory()?, true),
        };
        let catalog = Catalog::load(&connection).map_err(failed)?;
        let made = sorted::made_indexes(&connection).map_err(failed)?;
        let made = made.into_iter().map(|name| (name, Index::There)).collect();
        let file = path.map(|path| File {
            path: path.to_owned(),
            readers: Mutex::default(),
            returned: Condvar::new(),
            condemned: AtomicBool::new(false),
        });
        let store = Self {
            writer: Arc::new(Mutex::new(Writer::new(connection).map_err(failed)?)),
            catalog: RwLock::new(Arc::new(catalog)),
            sort_indexes: Arc::new(Mutex::new(made)),
            file,
        };
        Ok(Opened { store, rebuilt })
    }

    /// The same store without anything in it, to be filled from the primary store.
    ///
    /// # Errors
    /// The file cannot be replaced.
    pub fn emptied(self) -> Result<Self, StoreError> {
        let path = self.file.as_ref().map(|file| file.path.clone());
        drop(self);
        if let Some(path) = &path {
            schema::remove_file(path)?;
        }
        Self::open(path.as_deref()).map(|opened| opened.store)
    }

    /// A new store in memory.
    pub fn open_in_memory() -> Result<Self, StoreError> {
        Self::open(None).map(|opened| opened.store)
    }

    /// Runs a read on a connection of its own, within one transaction, as long as the caller waits for it.
    fn read<T>(
        &self,
        caller: &Caller,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if caller.has_left() {
            return Err(StoreError::Abandoned);
        }
        let Some(file) = &self.file else {
            return Attended::by(caller, lock(&self.writer).connection_mut())
                .and_then(|attended| read(attended.0));
        };
        let mut connection = file.take_reader()?;
        let result = Attended::by(caller, &mut connection)
            .and_then(|attended| within_transaction(attended.0, read));
        file.return_reader(connection);
        self.examined(result)
    }

    /// The numbers as they are now: taken after the transaction began, they have all that it can meet.
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the index that a sort needs is there. If not, it is from now on in the making: nothing is written
    /// meanwhile, but lists go on.
    fn has_index(&self, sort: &Sort) -> bool {
        let Some((name, statement)) = sorted::index_to_make(sort) else {
            return true;
        };
        let mut indexes = lock(&self.sort_indexes);
        if let Some(index) = indexes.get(name) {
            return *index == Index::There;
        }
        indexes.insert(name.to_owned(), Index::InTheMaking);
        let (writer, indexes) = (self.writer.clone(), self.sort_indexes.clone());
        std::thread::spawn(move || {
            match sorted::make_index(lock(&writer).connection(), &statement) {
                Ok(()) => lock(&indexes).insert(name.to_owned(), Index::There),
                Err(error) => {
                    tracing::error!(%error, name, "an index for sorted lists could not be made");
                    lock(&indexes).remove(name)
                }
            }
        });
        false
    }

    /// Makes sure that the next open replaces a file that was found damaged.
    fn examined<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let (Err(StoreError::Damaged(reason)), Some(file)) = (&result, &self.file)
            && !file.condemned.swap(true, Ordering::Relaxed)
        {
            tracing::error!(path = %file.path.display(), reason, "the visibility store is damaged and will be rebuilt");
            if let Err(error) = std::fs::write(condemnation(&file.path), b"") {
                tracing::error!(%error, "the damaged visibility store could not be marked");
            }
        }
        result
    }
}

/// A connection that stops what it does when the caller has left.
struct Attended<'a>(&'a mut Connection);

impl<'a> Attended<'a> {
    fn by(caller: &Caller, connection: &'a mut Connection) -> Result<Self, StoreError> {
        if caller.may_leave() {
            let caller = caller.clone();
            let stop = move || caller.has_left();
            let attended = connection.progress_handler(STEPS_BEFORE_ASKING, Some(stop));
            attended.map_err(failed)?;
        }
        Ok(Self(connection))
    }
}

impl Drop for Attended<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.progress_handler(0, None::<fn() -> bool>) {
            tracing::error!(%error, "a connection still waits for a caller who is gone");
        }
    }
}

/// The name of the file whose presence condemns the store beside it.
fn condemnation(path: &Path) -> PathBuf {
    suffixed(path, ".damaged")
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn within_transaction<T>(
    connection: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.unchecked_transaction().map_err(failed)?;
    let result = read(connection)?;
    transaction.finish().map_err(failed)?;
    Ok(result)
}

impl File {
    fn take_reader(&self) -> Result<Connection, StoreError> {
        let mut readers = lock(&self.readers);
        loop {
            if let Some(connection) = readers.idle.pop() {
                return Ok(connection);
            }
            if readers.open < READERS_MAX {
                readers.open += 1;
                drop(readers);
                return schema::open_reader(&self.path).inspect_err(|_| {
                    lock(&self.readers).open -= 1;
                    self.returned.notify_one();
                });
            }
            readers = self
                .returned
                .wait(readers)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn return_reader(&self, connection: Connection) {
        lock(&self.readers).idle.push(connection);
        self.returned.notify_one();
    }
}

/// A panic while a lock was held leaves at worst an open transaction, which its guard has rolled back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            StoreError::Damaged(error.to_string())
        }
        Some(rusqlite::ErrorCode::OperationInterrupted) => StoreError::Abandoned,
        _ => StoreError::Failed(error.to_string()),
    }
}

impl VisibilityStore for SqliteVisibility {
    fn apply(&self, changes: &[Change], marker: Option<&[u8]>) -> Result<(), StoreError> {
        let mut writer = lock(&self.writer);
        let result = writer.apply(&self.catalog, changes, marker);
        if result.is_err() {
            // What was added to the catalog has been rolled back.
            let stored = Catalog::load(writer.connection());
            *self.catalog.write().unwrap_or_else(PoisonError::into_inner) =
                Arc::new(stored.unwrap_or_default());
        }
        self.examined(result.map_err(failed))
    }

    fn marker(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(&Caller::who_stays(), |connection| {
            schema::marker(connection).map_err(failed)
        })
    }

    fn page(&self, list: &List<'_>, caller: &Caller) -> Result<Page, StoreError> {
        // Before the read begins, which then sees the index if it is there.
        let has_index = list.sort.is_none_or(|sort| self.has_index(sort));
        self.read(caller, |connection| {
            let catalog = self.catalog();
            let renderer = Renderer::of(&catalog, list.namespace_id);
            match list.sort {
                None => read::page(connection, &renderer, list),
                Some(sort) => match grouped::column(sort) {
                    Some(column) => grouped::page(connection, &renderer, list, sort, column),
                    None => sorted::page(connection, &renderer, list, sort, has_index),
                },
            }
        })
    }

    fn tally(
        &self,
        namespace_id: &str,
        filter: &Filter,
        group_by: Option<GroupBy>,
        caller: &Caller,
    ) -> Result<Count, StoreError> {
        self.read(caller, |connection| {
            let catalog = self.catalog();
            let renderer = Renderer::of(&catalog, namespace_id);
            read::count(connection, &renderer, filter, group_by).map_err(failed)
        })
    }

    fn concurrency(&self) -> usize {
        self.file.as_ref().map_or(1, |_| READERS_MAX)
    }
}
