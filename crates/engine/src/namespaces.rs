//! The registry of namespaces: in memory for every request, in the store for the next start.
//!
//! Readers take a snapshot that is replaced as a whole by each change, so a change counts for every request that
//! begins after it was acknowledged. Changes are rare and serialised; each one blocks until it is durable.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use rustc_hash::FxHashMap;
use steadfast_core::Refusal;
use steadfast_protocol::enums::NamespaceState;
use steadfast_store::{
    ALL_KEYS, Batch, CommitOutcome, Fence, Order, ShardId, Store, StoreError, Table, Write,
};
use steadfast_visibility::SearchAttributeType;

use crate::Namespace;

/// The shard of what belongs to no execution. Executions never hash to it.
pub const SYSTEM_SHARD: ShardId = ShardId(u16::MAX);

/// The name of the namespace that every server has for itself.
pub const SYSTEM_NAMESPACE: &str = "temporal-system";

const SYSTEM_NAMESPACE_ID: &str = "32049b68-7872-4094-8e63-d0dd59896a83";
const SYSTEM_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// Namespaces of one server; a bound on memory, far above what anyone needs.
const NAMESPACES_MAX: usize = 10_000;

/// Bytes of one record: name, description, data and all.
const RECORD_SIZE_MAX: usize = 1 << 20;

const CLUSTER_ID_KEY: &[u8] = b"cluster_id";

/// Everything that is known of a namespace, as it is stored. Tags are never used again for something else.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NamespaceRecord {
    /// UUID, hyphenated lower case.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Name, unique among all records.
    #[prost(string, tag = "2")]
    pub name: String,
    /// `NamespaceState` as a number.
    #[prost(int32, tag = "3")]
    pub state: i32,
    /// For people.
    #[prost(string, tag = "4")]
    pub description: String,
    /// For people.
    #[prost(string, tag = "5")]
    pub owner_email: String,
    /// For people.
    #[prost(btree_map = "string, string", tag = "6")]
    pub data: BTreeMap<String, String>,
    /// How long closed runs are kept, nanoseconds.
    #[prost(int64, tag = "7")]
    pub retention_ns: i64,
    /// Custom search attributes: name to `IndexedValueType` as a number.
    #[prost(btree_map = "string, int32", tag = "8")]
    pub search_attributes: BTreeMap<String, i32>,
    /// What clients noted as aliases of search attribute fields. Kept and shown; names need no fields here.
    #[prost(btree_map = "string, string", tag = "9")]
    pub search_attribute_aliases: BTreeMap<String, String>,
    /// Worker binaries that may not poll any more, by checksum.
    #[prost(btree_map = "string, message", tag = "10")]
    pub bad_binaries: BTreeMap<String, BadBinary>,
}

/// Why a worker binary may not poll any more.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BadBinary {
    /// For people.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// Who said so.
    #[prost(string, tag = "2")]
    pub operator: String,
    /// When, nanoseconds since the Unix epoch.
    #[prost(int64, tag = "3")]
    pub create_time_ns: i64,
}

/// What is called when a namespace was deleted, see [`Namespaces::on_delete`].
pub type DeleteHook = Box<dyn Fn(Arc<Namespace>) + Send + Sync>;

/// The registry. One for each server, shared by all requests.
pub struct Namespaces {
    store: Arc<dyn Store>,
    /// Replaced as a whole; the lock is held for a look-up or for the replacement, never across a write.
    snapshot: RwLock<Arc<Snapshot>>,
    /// Held by the one change that is under way.
    fence: Mutex<Fence>,
    on_delete: Mutex<Option<DeleteHook>>,
    cluster_id: String,
}

#[derive(Clone, Default)]
struct Snapshot {
    by_name: FxHashMap<String, Entry>,
    by_id: BTreeMap<String, Entry>,
}

#[derive(Clone)]
struct Entry {
    record: Arc<NamespaceRecord>,
    namespace: Arc<Namespace>,
}

impl Namespaces {
    /// Takes over the system shard and reads what is stored there. A new store gets the id `new_cluster_id`.
    ///
    /// # Errors
    /// The store cannot be read or written, or holds a record that cannot be decoded.
    pub fn open(store: Arc<dyn Store>, new_cluster_id: String) -> Result<Self, StoreError> {
        let fence = store.acquire(SYSTEM_SHARD)?;
        let snapshot = load(&*store)?;
        let cluster_id = match store.get(SYSTEM_SHARD, Table::Node, CLUSTER_ID_KEY)? {
            Some(stored) => String::from_utf8(stored.to_vec())
                .map_err(|_| StoreError::Corrupt("the cluster id is no text".to_owned()))?,
            None => {
                let mut batch = Batch::new(SYSTEM_SHARD, fence);
                batch.put(Table::Node, CLUSTER_ID_KEY, new_cluster_id.clone());
                if commit(&*store, batch) != CommitOutcome::Ok {
                    return Err(StoreError::Unavailable(
                        "the first write did not succeed".to_owned(),
                    ));
                }
                new_cluster_id
            }
        };
        Ok(Self {
            store,
            snapshot: RwLock::new(Arc::new(snapshot)),
            fence: Mutex::new(fence),
            on_delete: Mutex::new(None),
            cluster_id,
        })
    }

    /// The id of this store, made when it was first opened.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The namespace of that name. A deleted one is found under its new name until its last run is gone.
    pub fn by_name(&self, name: &str) -> Option<Arc<Namespace>> {
        let snapshot = self.snapshot.read().unwrap_or_else(PoisonError::into_inner);
        Some(snapshot.by_name.get(name)?.namespace.clone())
    }

    /// The namespace of that id.
    pub fn by_id(&self, id: &str) -> Option<Arc<Namespace>> {
        let snapshot = self.snapshot.read().unwrap_or_else(PoisonError::into_inner);
        Some(snapshot.by_id.get(id)?.namespace.clone())
    }

    /// All that is known of the namespace of that name.
    pub fn record_by_name(&self, name: &str) -> Option<Arc<NamespaceRecord>> {
        Some(self.snapshot().by_name.get(name)?.record.clone())
    }

    /// All that is known of the namespace of that id.
    pub fn record_by_id(&self, id: &str) -> Option<Arc<NamespaceRecord>> {
        Some(self.snapshot().by_id.get(id)?.record.clone())
    }

    /// At most `limit` records, ordered by id, those after the id `after`.
    pub fn list(
        &self,
        after: Option<&str>,
        limit: usize,
        include_deleted: bool,
    ) -> Vec<Arc<NamespaceRecord>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.snapshot()
            .by_id
            .range::<str, _>((start, Bound::Unbounded))
            .filter(|(_, entry)| {
                include_deleted || entry.namespace.state != NamespaceState::Deleted
            })
            .take(limit)
            .map(|(_, entry)| entry.record.clone())
            .collect()
    }

    /// The deleted namespaces whose runs are not all gone yet. On start, their deletion has to go on.
    pub fn deleted(&self) -> Vec<Arc<Namespace>> {
        self.snapshot()
            .by_id
            .values()
            .filter(|entry| entry.namespace.state == NamespaceState::Deleted)
            .map(|entry| entry.namespace.clone())
            .collect()
    }

    /// Sets what is to happen when a namespace was deleted: whoever holds its runs removes them, then calls
    /// [`forget`](Self::forget). The hook must not block; after a restart see [`deleted`](Self::deleted).
    pub fn on_delete(&self, hook: DeleteHook) {
        *self
            .on_delete
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(hook);
    }

    /// Adds a namespace. The caller chooses the id, which must be new.
    ///
    /// # Errors
    /// The name is taken, the record too large, or the store does not take it. Blocks while writing.
    pub fn create(&self, record: NamespaceRecord) -> Result<(), Refusal> {
        let mut fence = self.begin_change();
        let snapshot = self.snapshot();
        if snapshot.by_name.contains_key(&record.name) {
            return Err(Refusal::NamespaceAlreadyExists(record.name));
        }
        assert!(
            !snapshot.by_id.contains_key(&record.id),
            "the id of a new namespace is new"
        );
        if snapshot.by_id.len() >= NAMESPACES_MAX {
            return Err(Refusal::FailedPrecondition(format!(
                "there are {NAMESPACES_MAX} namespaces already"
            )));
        }
        self.write(&mut fence, &snapshot, None, record)?;
        Ok(())
    }

    /// Changes the namespace of that name; id and name stay. Answers the record as it is then.
    ///
    /// # Errors
    /// There is none of that name, `change` refuses, or the store does not take it. Blocks while writing.
    pub fn update(
        &self,
        name: &str,
        change: impl FnOnce(&mut NamespaceRecord) -> Result<(), Refusal>,
    ) -> Result<Arc<NamespaceRecord>, Refusal> {
        let mut fence = self.begin_change();
        let snapshot = self.snapshot();
        let old = snapshot
            .by_name
            .get(name)
            .ok_or_else(|| Refusal::NamespaceNotFound(name.to_owned()))?;
        let mut record = NamespaceRecord::clone(&old.record);
        change(&mut record)?;
        assert!(
            record.id == old.record.id && record.name == old.record.name,
            "an update leaves id and name as they are"
        );
        if record == *old.record {
            return Ok(old.record.clone());
        }
        if record.id == SYSTEM_NAMESPACE_ID {
            return Err(Refusal::FailedPrecondition(
                "unable to change system namespace".to_owned(),
            ));
        }
        self.write(&mut fence, &snapshot, Some(old), record)
    }

    /// Marks the namespace of that id as deleted and gives its name free: it is then called
    /// `<name>-deleted-<start of the id>`. Its runs are removed by whoever set [`on_delete`](Self::on_delete).
    /// Deleting it again changes nothing.
    ///
    /// # Errors
    /// There is none of that id, it is the system's own, or the store does not take it. Blocks while writing.
    pub fn delete(&self, id: &str) -> Result<Arc<NamespaceRecord>, Refusal> {
        if id == SYSTEM_NAMESPACE_ID {
            return Err(Refusal::FailedPrecondition(
                "unable to delete system namespace".to_owned(),
            ));
        }
        let mut fence = self.begin_change();
        let snapshot = self.snapshot();
        let old = snapshot
            .by_id
            .get(id)
            .ok_or_else(|| Refusal::NamespaceNotFound(id.to_owned()))?;
        if old.namespace.state == NamespaceState::Deleted && is_deleted_name(&old.record) {
            return Ok(old.record.clone());
        }
        let mut record = NamespaceRecord::clone(&old.record);
        record.state = NamespaceState::Deleted as i32;
        record.name = deleted_name(&snapshot, &record);
        let record = self.write(&mut fence, &snapshot, Some(old), record)?;
        drop(fence);
        if let Some(hook) = &*self
            .on_delete
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            && let Some(namespace) = self.by_id(id)
        {
            hook(namespace);
        }
        Ok(record)
    }

    /// Drops the record of a deleted namespace; nothing happens if there is none.
    ///
    /// # Errors
    /// The namespace is not deleted, or the store does not take it. Blocks while writing.
    pub fn forget(&self, id: &str) -> Result<(), Refusal> {
        let mut fence = self.begin_change();
        let snapshot = self.snapshot();
        let Some(old) = snapshot.by_id.get(id) else {
            return Ok(());
        };
        if old.namespace.state != NamespaceState::Deleted {
            return Err(Refusal::FailedPrecondition(
                "only a deleted namespace can be forgotten".to_owned(),
            ));
        }
        self.commit(
            &mut fence,
            Write::Delete {
                table: Table::Namespaces,
                key: Bytes::copy_from_slice(id.as_bytes()),
            },
        )?;
        let mut next = Snapshot::clone(&snapshot);
        next.remove(old);
        self.publish(next);
        Ok(())
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn publish(&self, snapshot: Snapshot) {
        *self
            .snapshot
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
    }

    fn begin_change(&self) -> MutexGuard<'_, Fence> {
        self.fence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the record durable in place of `old`, then visible.
    fn write(
        &self,
        fence: &mut Fence,
        snapshot: &Snapshot,
        old: Option<&Entry>,
        record: NamespaceRecord,
    ) -> Result<Arc<NamespaceRecord>, Refusal> {
        if record.encoded_len() > RECORD_SIZE_MAX {
            return Err(Refusal::invalid(format!(
                "what is known of a namespace may take {RECORD_SIZE_MAX} bytes, this is {}",
                record.encoded_len()
            )));
        }
        self.commit(
            fence,
            Write::Put {
                table: Table::Namespaces,
                key: Bytes::copy_from_slice(record.id.as_bytes()),
                value: record.encode_to_vec().into(),
            },
        )?;
        let mut next = Snapshot::clone(snapshot);
        if let Some(old) = old {
            next.remove(old);
        }
        let record = next.insert(record);
        self.publish(next);
        Ok(record)
    }

    fn commit(&self, fence: &mut Fence, write: Write) -> Result<(), Refusal> {
        let batch = Batch {
            shard: SYSTEM_SHARD,
            fence: *fence,
            writes: vec![write],
        };
        match commit(&*self.store, batch) {
            CommitOutcome::Ok => Ok(()),
            CommitOutcome::Rejected => Err(Refusal::Unavailable(
                "another server has taken over the namespaces".to_owned(),
            )),
            CommitOutcome::Unknown => {
                // The new fence settles what became of the write; what is read then is the truth.
                let reloaded = self.store.acquire(SYSTEM_SHARD).and_then(|renewed| {
                    *fence = renewed;
                    load(&*self.store)
                });
                match reloaded {
                    Ok(snapshot) => self.publish(snapshot),
                    Err(error) => tracing::error!(%error, "the namespaces could not be read again"),
                }
                Err(Refusal::Unavailable(
                    "the store did not say whether the change was made".to_owned(),
                ))
            }
        }
    }
}

impl Snapshot {
    fn insert(&mut self, record: NamespaceRecord) -> Arc<NamespaceRecord> {
        let entry = Entry {
            namespace: Arc::new(Namespace::from(&record)),
            record: Arc::new(record),
        };
        let record = entry.record.clone();
        self.by_name.insert(record.name.clone(), entry.clone());
        self.by_id.insert(record.id.clone(), entry);
        assert_eq!(
            self.by_name.len(),
            self.by_id.len(),
            "names and ids are unique"
        );
        record
    }

    fn remove(&mut self, entry: &Entry) {
        self.by_name.remove(&entry.record.name);
        self.by_id.remove(&entry.record.id);
    }
}

impl From<&NamespaceRecord> for Namespace {
    fn from(record: &NamespaceRecord) -> Self {
        Self {
            id: record.id.clone(),
            name: record.name.clone(),
            state: NamespaceState::try_from(record.state).unwrap_or_default(),
            retention: Duration::from_nanos(record.retention_ns.max(0).unsigned_abs()),
            search_attributes: record
                .search_attributes
                .iter()
                .filter_map(|(name, value_type)| {
                    Some((
                        name.clone(),
                        SearchAttributeType::from_protocol(*value_type)?,
                    ))
                })
                .collect(),
            bad_binaries: record.bad_binaries.keys().cloned().collect(),
        }
    }
}

fn commit(store: &dyn Store, batch: Batch) -> CommitOutcome {
    store
        .commit(vec![batch])
        .pop()
        .expect("a commit answers one outcome per batch")
}

fn load(store: &dyn Store) -> Result<Snapshot, StoreError> {
    let mut snapshot = Snapshot::default();
    snapshot.insert(NamespaceRecord {
        id: SYSTEM_NAMESPACE_ID.to_owned(),
        name: SYSTEM_NAMESPACE.to_owned(),
        state: NamespaceState::Registered as i32,
        description: "Steadfast's own workflows".to_owned(),
        retention_ns: i64::try_from(SYSTEM_RETENTION.as_nanos()).unwrap_or(i64::MAX),
        ..NamespaceRecord::default()
    });
    let rows = store.scan(
        SYSTEM_SHARD,
        Table::Namespaces,
        ALL_KEYS,
        NAMESPACES_MAX,
        Order::Forward,
    )?;
    for (key, value) in rows {
        let record = NamespaceRecord::decode(value)
            .map_err(|error| StoreError::Corrupt(format!("namespace {key:?}: {error}")))?;
        snapshot.insert(record);
    }
    Ok(snapshot)
}

/// The name a deleted namespace gets: one more character of the id for each other that already has the name.
fn deleted_name(snapshot: &Snapshot, record: &NamespaceRecord) -> String {
    (5..=record.id.len())
        .filter_map(|length| record.id.get(..length))
        .map(|start| format!("{}-deleted-{start}", record.name))
        .find(|name| !snapshot.by_name.contains_key(name))
        .unwrap_or_else(|| format!("{}-deleted-{}-again", record.name, record.id))
}

fn is_deleted_name(record: &NamespaceRecord) -> bool {
    record
        .name
        .rsplit_once("-deleted-")
        .is_some_and(|(_, start)| record.id.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use steadfast_store::MemoryStore;

    fn record(name: &str, id: &str) -> NamespaceRecord {
        NamespaceRecord {
            id: id.to_owned(),
            name: name.to_owned(),
            state: NamespaceState::Registered as i32,
            retention_ns: 3_600_000_000_000,
            ..NamespaceRecord::default()
        }
    }

    fn open(store: &Arc<MemoryStore>) -> Namespaces {
        Namespaces::open(store.clone(), "cluster".to_owned()).unwrap()
    }

    #[test]
    fn what_was_created_is_there_after_a_restart() {
        let store = Arc::new(MemoryStore::default());
        let namespaces = open(&store);
        namespaces.create(record("default", "11111-a")).unwrap();
        assert_eq!(
            namespaces.create(record("default", "22222-b")),
            Err(Refusal::NamespaceAlreadyExists("default".to_owned()))
        );
        namespaces
            .update("default", |record| {
                record.description = "first".to_owned();
                record.search_attributes.insert("Size".to_owned(), 3);
                Ok(())
            })
            .unwrap();

        let namespaces = Namespaces::open(store, "another".to_owned()).unwrap();
        assert_eq!(namespaces.cluster_id(), "cluster");
        let found = namespaces.record_by_name("default").unwrap();
        assert_eq!(found.description, "first");
        let namespace = namespaces.by_id("11111-a").unwrap();
        assert_eq!(
            namespace.search_attributes["Size"],
            SearchAttributeType::Int
        );
        assert_eq!(namespaces.list(None, 10, false).len(), 2);
    }

    #[test]
    fn a_deleted_name_is_free_at_once() {
        let store = Arc::new(MemoryStore::default());
        let namespaces = open(&store);
        let told = Arc::new(Mutex::new(Vec::new()));
        let hook = told.clone();
        namespaces.on_delete(Box::new(move |namespace| {
            hook.lock().unwrap().push(namespace.id.clone());
        }));
        namespaces.create(record("orders", "12345-first")).unwrap();
        let gone = namespaces.delete("12345-first").unwrap();
        assert_eq!(gone.name, "orders-deleted-12345");
        assert_eq!(*told.lock().unwrap(), ["12345-first"]);
        assert!(namespaces.by_name("orders").is_none());

        namespaces.create(record("orders", "12345-second")).unwrap();
        let gone = namespaces.delete("12345-second").unwrap();
        assert_eq!(gone.name, "orders-deleted-12345-");
        assert_eq!(namespaces.deleted().len(), 2);
        assert_eq!(namespaces.delete("12345-second").unwrap().name, gone.name);
        namespaces.forget("12345-first").unwrap();
        assert_eq!(open(&store).deleted().len(), 1);
    }

    #[test]
    fn the_system_namespace_stays() {
        let namespaces = open(&Arc::new(MemoryStore::default()));
        let id = namespaces.by_name(SYSTEM_NAMESPACE).unwrap().id.clone();
        assert!(matches!(
            namespaces.delete(&id),
            Err(Refusal::FailedPrecondition(_))
        ));
        assert_eq!(
            namespaces.create(record(SYSTEM_NAMESPACE, "x")),
            Err(Refusal::NamespaceAlreadyExists(SYSTEM_NAMESPACE.to_owned()))
        );
    }

    #[test]
    fn a_deposed_registry_changes_nothing() {
        let store = Arc::new(MemoryStore::default());
        let old = open(&store);
        let new = open(&store);
        assert!(matches!(
            old.create(record("late", "33333-c")),
            Err(Refusal::Unavailable(_))
        ));
        assert!(new.by_name("late").is_none() && old.by_name("late").is_none());
    }
}
