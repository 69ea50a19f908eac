//! What every backend must do, as tests that each backend runs on itself.
//!
//! A backend implements [`Subject`] in its tests and writes `conformance_suite!(its subject);`, which makes one
//! `#[test]` of every function here. Simulation runs on [`MemoryStore`](crate::MemoryStore), so it proves as much
//! about a real backend as this suite demands of both.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bytes::Bytes;

use crate::{
    ALL_KEYS, Batch, CommitOutcome, Fence, KEY_BYTES_MAX, KeyRange, Order, Prefix, ShardId, Store,
    Table, VALUE_BYTES_MAX, Write, prefix_end,
};

/// A place that a store can be opened at, empty when the subject is made. Each test makes its own.
pub trait Subject {
    /// Opens the store, with all that the one before it had acknowledged. The one before has been dropped, so its
    /// memory is gone: a volatile store that cannot do this returns itself.
    fn open(&self) -> Arc<dyn Store>;
}

/// Makes a `#[test]` of each function of [`conformance`](crate::conformance). The argument is an expression that
/// makes a new, empty [`Subject`].
#[macro_export]
macro_rules! conformance_suite {
    ($subject:expr) => {
        $crate::conformance_suite! { $subject;
            absent_rows bounds_of_a_scan bytewise_order concurrent_readers deletes empty_batches empty_ranges fences
            fences_survive_reopening group_with_a_stale_fence groups_are_atomic isolation large_values limits
            many_rows order_of_writes pages_of_a_prefix random_operations reopening reverse_scans zero_length_keys
        }
    };
    ($subject:expr; $($case:ident)*) => { $(
        #[test]
        fn $case() {
            $crate::conformance::$case(&$subject);
        }
    )* };
}

const SHARD: ShardId = ShardId(7);

/// A store with one shard acquired.
struct Fixture {
    store: Arc<dyn Store>,
    fence: Fence,
}

impl Fixture {
    fn new(subject: &dyn Subject) -> Self {
        let store = subject.open();
        let fence = acquire(&store, SHARD);
        Self { store, fence }
    }

    fn batch(&self) -> Batch {
        Batch::new(SHARD, self.fence)
    }

    /// Commits rows of one table, each with its key as the value.
    fn fill(&self, table: Table, keys: &[&str]) {
        let mut batch = self.batch();
        for key in keys {
            batch.put(table, key.to_string(), key.to_string());
        }
        commit(&self.store, batch);
    }

    fn keys(&self, table: Table, range: KeyRange<'_>, limit: usize, order: Order) -> Vec<String> {
        let rows = self
            .store
            .scan(SHARD, table, range, limit, order)
            .expect("the store answers");
        rows.into_iter()
            .map(|(key, value)| {
                assert_eq!(key, value, "rows of `fill` have equal keys and values");
                String::from_utf8(key.to_vec()).expect("keys of `fill` are text")
            })
            .collect()
    }
}

fn acquire(store: &dyn Store, shard: ShardId) -> Fence {
    store.acquire(shard).expect("the store answers")
}

fn commit(store: &dyn Store, batch: Batch) {
    assert_eq!(store.commit(vec![batch]), [CommitOutcome::Ok]);
}

fn get(store: &dyn Store, shard: ShardId, table: Table, key: &[u8]) -> Option<Bytes> {
    store.get(shard, table, key).expect("the store answers")
}

fn scan_all(store: &dyn Store, shard: ShardId, table: Table) -> Vec<(Bytes, Bytes)> {
    store
        .scan(shard, table, ALL_KEYS, usize::MAX, Order::Forward)
        .expect("the store answers")
}

fn row(
    shard: ShardId,
    fence: Fence,
    table: Table,
    key: &'static str,
    value: &'static str,
) -> Batch {
    let mut batch = Batch::new(shard, fence);
    batch.put(table, key, value);
    batch
}

/// Numbers that look random and are the same for the same seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A short key over few bytes, so that keys are equal, and prefixes of each other, often.
    fn key(&mut self) -> Vec<u8> {
        (0..self.below(5))
            .map(|_| [0, 1, 0x7f, 0xff][self.below(4)])
            .collect()
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// What was never written is not there, in any table, under any fence.
pub fn absent_rows(subject: &dyn Subject) {
    let store = subject.open();
    for table in Table::ALL {
        assert_eq!(get(&store, SHARD, table, b"absent"), None);
        assert_eq!(scan_all(&store, SHARD, table), []);
    }
}

/// Both ends of a range are included, excluded or open, whether the key they name exists or not.
pub fn bounds_of_a_scan(subject: &dyn Subject) {
    use Bound::{Excluded, Included, Unbounded};
    let fixture = Fixture::new(subject);
    fixture.fill(Table::Timers, &["b", "d", "f"]);
    let cases: [(KeyRange<'_>, &[&str]); 12] = [
        ((Unbounded, Unbounded), &["b", "d", "f"]),
        ((Included(b"b"), Unbounded), &["b", "d", "f"]),
        ((Excluded(b"b"), Unbounded), &["d", "f"]),
        ((Included(b"c"), Unbounded), &["d", "f"]),
        ((Excluded(b"c"), Unbounded), &["d", "f"]),
        ((Unbounded, Included(b"f")), &["b", "d", "f"]),
        ((Unbounded, Excluded(b"f")), &["b", "d"]),
        ((Unbounded, Excluded(b"e")), &["b", "d"]),
        ((Included(b"b"), Excluded(b"f")), &["b", "d"]),
        ((Excluded(b"b"), Included(b"f")), &["d", "f"]),
        ((Included(b"d"), Included(b"d")), &["d"]),
        ((Included(b"g"), Unbounded), &[]),
    ];
    for (range, expected) in cases {
        let forward = fixture.keys(Table::Timers, range, 10, Order::Forward);
        assert_eq!(forward, expected, "{range:?}");
        let mut reverse = fixture.keys(Table::Timers, range, 10, Order::Reverse);
        reverse.reverse();
        assert_eq!(reverse, expected, "{range:?}");
    }
}

/// Keys are ordered by their bytes, unsigned, a prefix before what it begins.
pub fn bytewise_order(subject: &dyn Subject) {
    let fixture = Fixture::new(subject);
    let sorted: [&[u8]; 9] = [
        b"\x00",
        b"\x00\x00",
        b"\x00\xff",
        b"\x01",
        b"A",
        b"a",
        b"a\x00",
        b"\x80",
        b"\xff\xff",
    ];
    let mut batch = fixture.batch();
    for index in [4, 0, 8, 2, 6, 1, 7, 3, 5] {
        batch.put(Table::History, sorted[index], vec![index as u8]);
    }
    commit(&fixture.store, batch);
    let keys: Vec<Bytes> = scan_all(&fixture.store, SHARD, Table::History)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(keys, sorted);
}

/// A reader beside a writer sees every batch whole: two rows that are always written together are always equal.
pub fn concurrent_readers(subject: &dyn Subject) {
    const ROUNDS: u64 = 200;
    let fixture = Fixture::new(subject);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while !is_done.load(Ordering::Acquire) {
                    let rows = scan_all(&fixture.store, SHARD, Table::Runs);
                    let Some((_, first)) = rows.first() else {
                        continue;
                    };
                    assert_eq!(rows.len(), 40, "all rows of a batch, or none");
                    assert!(
                        rows.iter().all(|(_, value)| value == first),
                        "rows of two batches are seen mixed"
                    );
                    let now = u64::from_be_bytes(first[..].try_into().expect("eight bytes"));
                    assert!(seen <= now, "time went backwards");
                    seen = now;
                }
            });
        }
        for round in 0..ROUNDS {
            let mut batch = fixture.batch();
            for key in 0..40u8 {
                batch.put(Table::Runs, vec![key], round.to_be_bytes().to_vec());
            }
            commit(&fixture.store, batch);
            let read = get(&fixture.store, SHARD, Table::Runs, &[39]);
            assert_eq!(
                read.as_deref(),
                Some(&round.to_be_bytes()[..]),
                "the writer reads what it wrote"
            );
        }
        is_done.store(true, Ordering::Release);
    });
}

/// A deleted row is gone, stays gone, and may come back. Deleting what is absent does nothing.
pub fn deletes(subject: &dyn Subject) {
    let fixture = Fixture::new(subject);
    let delete = |key: &'static str| {
        let mut batch = fixture.batch();
        batch.delete(Table::Tasks, key);
        commit(&fixture.store, batch);
    };
    delete("absent");
    fixture.fill(Table::Tasks, &["a", "b", "c"]);
    delete("b");
    delete("b");
    assert_eq!(get(&fixture.store, SHARD, Table::Tasks, b"b"), None);
    assert_eq!(
        fixture.keys(Table::Tasks, ALL_KEYS, 10, Order::Forward),
        ["a", "c"]
    );
    fixture.fill(Table::Tasks, &["b"]);
    assert_eq!(
        fixture.keys(Table::Tasks, ALL_KEYS, 2, Order::Forward),
        ["a", "b"]
    );
}

/// No batches have no outcomes, and a batch without writes still tells whether its fence holds.
pub fn empty_batches(subject: &dyn Subject) {
    let fixture = Fixture::new(subject);
    assert_eq!(fixture.store.commit(Vec::new()), []);
    let stale = fixture.batch();
    let newer = acquire(&fixture.store, SHARD);
    assert_eq!(
        fixture.store.commit(vec![stale, Batch::new(SHARD, newer)]),
        [CommitOutcome::Rejected, CommitOutcome::Ok]
    );
}

/// A range that ends where it starts, or before, holds nothing and harms nothing.
pub fn empty_ranges(subject: &dyn Subject) {
    use Bound::{Excluded, Included};
    let fixture = Fixture::new(subject);
    fixture.fill(Table::Outbox, &["a", "b", "c"]);
    let ranges: [KeyRange<'_>; 5] = [
        (Included(b"b"), Excluded(b"b")),
        (Excluded(b"b"), Excluded(b"b")),
        (Excluded(b"b"), Included(b"b")),
        (Included(b"c"), Included(b"a")),
        (Excluded(b"c"), Excluded(b"a")),
    ];
    for range in ranges {
        for order in [Order::Forward, Order::Reverse] {
            assert!(
                fixture.keys(Table::Outbox, range, 10, order).is_empty(),
                "{range:?}"
            );
        }
    }
}

/// Fences grow, start above 0, are apart for each shard, and only the newest one writes.
pub fn fences(subject: &dyn Subject) {
    let store = subject.open();
    let other = ShardId(8);
    let never_acquired = row(SHARD, Fence(0), Table::Node, "key", "never acquired");
    assert_eq!(
        store.commit(vec![never_acquired]),
        [CommitOutcome::Rejected]
    );

    let first = acquire(&store, SHARD);
    assert!(Fence(0) < first);
    let beside = acquire(&store, other);
    commit(&store, row(SHARD, first, Table::Node, "key", "first"));

    let second = acquire(&store, SHARD);
    assert!(first < second);
    let deposed = row(SHARD, first, Table::Node, "key", "deposed");
    assert_eq!(store.commit(vec![deposed]), [CommitOutcome::Rejected]);
    let from_the_future = row(
        SHARD,
        Fence(second.0 + 1),
        Table::Node,
        "key",
        "from the future",
    );
    assert_eq!(
        store.commit(vec![from_the_future]),
        [CommitOutcome::Rejected]
    );
    assert_eq!(
        get(&store, SHARD, Table::Node, b"key").as_deref(),
        Some(&b"first"[..])
    );

    commit(&store, row(SHARD, second, Table::Node, "key", "second"));
    commit(&store, row(other, beside, Table::Node, "key", "beside"));
    assert_eq!(
        get(&store, SHARD, Table::Node, b"key").as_deref(),
        Some(&b"second"[..])
    );
}

/// A store that is opened anew remembers who was deposed.
pub fn fences_survive_reopening(subject: &dyn Subject) {
    let fixture = Fixture::new(subject);
    let stale = fixture.batch();
    let newest = acquire(&fixture.store, SHARD);
    drop(fixture);
    let store = subject.open();
    assert_eq!(store.commit(vec![stale]), [CommitOutcome::Rejected]);
    commit(&store, Batch::new(SHARD, newest));
    assert!(newest < acquire(&store, SHARD));
}

/// In one group, a batch under a stale fence leaves no trace, and the others pass, of the same shard too.
pub fn group_with_a_stale_fence(subject: &dyn Subject) {
    let store = subject.open();
    let (a, b, c) = (ShardId(1), ShardId(2), ShardId(3));
    let (fence_a, stale, fence_c) = (acquire(&store, a), acquire(&store, b), acquire(&store, c));
    let fence_b = acquire(&store, b);
    let outcomes = store.commit(vec![
        row(a, fence_a, Table::Runs, "key", "a"),
        row(b, stale, Table::Runs, "key", "stale"),
        row(b, stale, Table::Outbox, "other", "stale"),
        row(b, fence_b, Table::Runs, "key", "b"),
        row(c, fence_c, Table::Runs, "key", "c"),
    ]);
    use CommitOutcome::{Ok, Rejected};
    assert_eq!(outcomes, [Ok, Rejected, Rejected, Ok, Ok]);
    for (shard, value) in [(a, "a"), (b, "b"), (c, "c")] {
        assert_eq!(get(&store, shard, Table::Runs, b"key"), Some(value.into()));
    }
    assert_eq!(get(&store, b, Table::Outbox, b"other"), None);
}

/// All batches of a group, over shards and tables, are there when it is answered.
pub fn groups_are_atomic(subject: &dyn Subject) {
    let store = subject.open();
    let shards: Vec<ShardId> = (0..20).map(ShardId).collect();
    let fences: Vec<Fence> = shards.iter().map(|&shard| acquire(&store, shard)).collect();
    let batches = shards.iter().zip(&fences).map(|(&shard, &fence)| {
        let mut batch = Batch::new(shard, fence);
        for table in Table::ALL {
            batch.put(table, "key", format!("{shard} {}", table.name()));
        }
        batch
    });
    assert!(
        store
            .commit(batches.collect())
            .iter()
            .all(|&outcome| outcome == CommitOutcome::Ok)
    );
    for shard in shards {
        for table in Table::ALL {
            assert_eq!(
                get(&store, shard, table, b"key"),
                Some(format!("{shard} {}", table.name()).into())
            );
        }
    }
}

/// Shards and tables do not see each other's rows, at the ends of a scan above all.
pub fn isolation(subject: &dyn Subject) {
    let store = subject.open();
    let shards = [0, 1, 2, 0x00ff, 0x0100, 0xfffe, 0xffff].map(ShardId);
    for shard in shards {
        let mut batch = Batch::new(shard, acquire(&store, shard));
        for table in Table::ALL {
            for key in [&b"\x00"[..], b"\xff\xff\xff"] {
                batch.put(table, key, format!("{shard} {}", table.name()));
            }
        }
        commit(&store, batch);
    }
    for shard in shards {
        for table in Table::ALL {
            for order in [Order::Forward, Order::Reverse] {
                let rows = store
                    .scan(shard, table, ALL_KEYS, 100, order)
                    .expect("the store answers");
                assert_eq!(rows.len(), 2, "shard {shard}, table {}", table.name());
                assert!(
                    rows.iter()
                        .all(|(_, value)| *value == format!("{shard} {}", table.name()))
                );
            }
        }
    }
    let neighbour = ShardId(3);
    assert_eq!(scan_all(&store, neighbour, Table::Runs), []);
}

/// Values of 4 MiB, several in one batch, come back as they were, after reopening too.
pub fn large_values(subject: &dyn Subject) {
    let fixture = Fixture::new(subject);
    let mut random = Random(4);
    let values: Vec<Bytes> = (0..3).map(|_| Bytes::from(random.bytes(4 << 20))).collect();
    let mut batch = fixture.batch();
    for (index, value) in values.iter().enumerate() {
        batch.put(Table::History, vec![index as u8], value.clone());
    }
    commit(&fixture.store, batch);
    let check = |store: &dyn Store| {
        let rows = scan_all(store, SHARD, Table::History);
        assert!(rows.iter().map(|(_, value)| value).eq(&values));
    };
    check(&fixture.store);
    drop(fixture);
    check(&subject.open());
}

/// The longest key works; one byte more, or a value too large, is rejected whole and harms nobody else.
pub fn limits(subject: &dyn Subject) {
    let fixture = Fixture::new(subject);
    let longest = vec![0xff; KEY_BYTES_MAX];
    let mut at_the_limit = fixture.batch();
    at_the_limit.put(Table::Current, longest.clone(), "value");
    let mut key_too_long = fixture.batch();
    key_too_long.put(Table::Current, "beside", "value");
    key_too_long.delete(Table::Current, vec![0; KEY_BYTES_MAX + 1]);
    let mut value_too_long = fixture.batch();
    value_too_long.put(Table::Current, "key", vec![0; VALUE_BYTES_MAX + 1]);
    use CommitOutcome::{Ok, Rejected};
    assert_eq!(
        fixture
            .store
            .commit(vec![key_too_long, at_the_limit, value_too_long]),
        [Rejected, Ok, Rejected]
    );
    let rows = scan_all(&fixture.store, SHARD, Table::Current);
    assert_eq!(rows, [(longest.into(), "value".into())]);
}

/// Ten thousand rows, in many groups, are all there, in order, from both sides.
pub fn many_rows(subject: &dyn Subject) {
    const ROWS: u32 = 10_000;
    let fixture = Fixture::new(subject);
    let stride = 7_919; // coprime to ROWS: visits every row once, in no order
    for group in 0..ROWS / 500 {
        let mut batch = fixture.batch();
        for index in 0..500 {
            let number = (group * 500 + index) * stride % ROWS;
            batch.put(
                Table::Runs,
                number.to_be_bytes().to_vec(),
                number.to_string().repeat(20),
            );
        }
        commit(&fixture.store, batch);
    }
    let rows = scan_all(&fixture.store, SHARD, Table::Runs);
    let expected = (0..ROWS).map(|number| (number.to_be_bytes(), number.to_string().repeat(20)));
    assert!(
        rows.iter()
            .map(|(key, value)| (&key[..], &value[..]))
            .eq(expected
                .collect::<Vec<_>>()
                .iter()
                .map(|(key, value)| (&key[..], value.as_bytes())))
    );
    let last = fixture
        .store
        .scan(SHARD, Table::Runs, ALL_KEYS, 3, Order::Reverse)
        .expect("the store answers");
    assert!(last.iter().eq(rows.iter().rev().take(3)));
}

/// Of two writes of one row the later one stays, in a batch and over the batches of a group.
pub fn order_of_writes(subject: &dyn Subject) {
    let fixture = Fixture::new(subject);
    let mut first = fixture.batch();
    first.put(Table::Runs, "put put", "1");
    first.put(Table::Runs, "put put", "2");
    first.put(Table::Runs, "put delete", "1");
    first.delete(Table::Runs, "put delete");
    first.delete(Table::Runs, "delete put");
    first.put(Table::Runs, "delete put", "1");
    first.put(Table::Runs, "over batches", "1");
    first.put(Table::Runs, "deleted later", "1");
    let mut second = fixture.batch();
    second.put(Table::Runs, "over batches", "2");
    second.delete(Table::Runs, "deleted later");
    assert_eq!(
        fixture.store.commit(vec![first, second]),
        [CommitOutcome::Ok; 2]
    );
    let expected = [("delete put", "1"), ("over batches", "2"), ("put put", "2")];
    let expected: Vec<(Bytes, Bytes)> = expected
        .iter()
        .map(|&(key, value)| (key.into(), value.into()))
        .collect();
    assert_eq!(scan_all(&fixture.store, SHARD, Table::Runs), expected);
}

/// A prefix, read in pages from either side, gives each of its rows once and no other.
pub fn pages_of_a_prefix(subject: &dyn Subject) {
    let fixture = Fixture::new(subject);
    fixture.fill(Table::Runs, &["a", "ra", "r", "rb", "rc", "rd", "s", "q"]);
    let prefix = Prefix::new("r");
    let expected = ["r", "ra", "rb", "rc", "rd"];
    for limit in 1..=6 {
        let mut forward = fixture.keys(Table::Runs, prefix.range(), limit, Order::Forward);
        while let Some(last) = forward.last().cloned() {
            let page = fixture.keys(
                Table::Runs,
                prefix.after(last.as_bytes()),
                limit,
                Order::Forward,
            );
            assert!(page.len() <= limit);
            forward.extend(page.clone());
            if page.len() < limit {
                break;
            }
        }
        assert_eq!(forward, expected);
        let mut reverse = fixture.keys(Table::Runs, prefix.range(), limit, Order::Reverse);
        while let Some(last) = reverse.last().cloned() {
            let page = fixture.keys(
                Table::Runs,
                prefix.before(last.as_bytes()),
                limit,
                Order::Reverse,
            );
            reverse.extend(page.clone());
            if page.len() < limit {
                break;
            }
        }
        reverse.reverse();
        assert_eq!(reverse, expected);
    }
    let mut batch = fixture.batch();
    for key in [&b"\xfe"[..], b"\xff", b"\xff\x00", b"\xff\xff"] {
        batch.put(Table::Timers, key, "");
    }
    commit(&fixture.store, batch);
    let last = fixture.store.scan(
        SHARD,
        Table::Timers,
        Prefix::new([0xff]).range(),
        9,
        Order::Forward,
    );
    assert_eq!(
        last.expect("the store answers").len(),
        3,
        "a prefix without an end"
    );
}

/// Random batches, scans and reopenings do to the store what they do to a map.
pub fn random_operations(subject: &dyn Subject) {
    for seed in 0..4 {
        random_operations_of(subject, seed);
    }
}

fn random_operations_of(subject: &dyn Subject, seed: u64) {
    const STEPS: usize = 300;
    let mut random = Random(seed);
    let mut store = subject.open();
    let shards = [ShardId(40), ShardId(41), ShardId(seed as u16)];
    let mut fences = shards.map(|shard| acquire(&store, shard));
    let mut model: BTreeMap<(ShardId, Table, Vec<u8>), Bytes> = BTreeMap::new();
    for shard in shards {
        for table in Table::ALL {
            let rows = scan_all(&store, shard, table);
            model.extend(
                rows.into_iter()
                    .map(|(key, value)| ((shard, table, key.to_vec()), value)),
            );
        }
    }
    for step in 0..STEPS {
        let context = format!("seed {seed}, step {step}");
        match random.below(20) {
            0 => {
                let owner = random.below(shards.len());
                fences[owner] = acquire(&store, shards[owner]);
            }
            1 if step % 10 == 0 => {
                drop(store);
                store = subject.open();
            }
            2..=9 => random_group(&mut random, &*store, shards, fences, &mut model, &context),
            _ => random_reads(&mut random, &*store, shards, &model, &context),
        }
    }
}

fn random_group(
    random: &mut Random,
    store: &dyn Store,
    shards: [ShardId; 3],
    fences: [Fence; 3],
    model: &mut BTreeMap<(ShardId, Table, Vec<u8>), Bytes>,
    context: &str,
) {
    let mut expected = Vec::new();
    let mut batches = Vec::new();
    for _ in 0..random.below(5) {
        let owner = random.below(shards.len());
        let is_stale = random.below(6) == 0;
        let fence = if is_stale {
            Fence(fences[owner].0 - 1)
        } else {
            fences[owner]
        };
        let mut batch = Batch::new(shards[owner], fence);
        for _ in 0..random.below(8) {
            let (table, key) = (Table::ALL[random.below(Table::ALL.len())], random.key());
            if random.below(3) == 0 {
                batch.delete(table, key);
            } else {
                let length = random.below(300);
                batch.put(table, key, random.bytes(length));
            }
        }
        expected.push(if is_stale {
            CommitOutcome::Rejected
        } else {
            CommitOutcome::Ok
        });
        batches.push(batch);
    }
    for (batch, _) in batches
        .iter()
        .zip(&expected)
        .filter(|(_, outcome)| **outcome == CommitOutcome::Ok)
    {
        for write in &batch.writes {
            let row = (batch.shard, write.table(), write.key().to_vec());
            match write {
                Write::Put { value, .. } => model.insert(row, value.clone()),
                Write::Delete { .. } => model.remove(&row),
            };
        }
    }
    assert_eq!(store.commit(batches), expected, "{context}");
}

fn random_reads(
    random: &mut Random,
    store: &dyn Store,
    shards: [ShardId; 3],
    model: &BTreeMap<(ShardId, Table, Vec<u8>), Bytes>,
    context: &str,
) {
    let (shard, table) = (
        shards[random.below(shards.len())],
        Table::ALL[random.below(Table::ALL.len())],
    );
    let key = random.key();
    let expected = model.get(&(shard, table, key.clone()));
    assert_eq!(
        get(store, shard, table, &key).as_ref(),
        expected,
        "{context}"
    );

    let (start, end, limit) = (random.key(), random.key(), random.below(6));
    let (start, end) = (random_bound(random, &start), random_bound(random, &end));
    let range: KeyRange<'_> = (start, end);
    let is_within = |key: &[u8]| {
        let is_started = match range.0 {
            Bound::Unbounded => true,
            Bound::Included(start) => start <= key,
            Bound::Excluded(start) => start < key,
        };
        let is_ended = match range.1 {
            Bound::Unbounded => false,
            Bound::Included(end) => end < key,
            Bound::Excluded(end) => end <= key,
        };
        is_started && !is_ended
    };
    let mut expected: Vec<(Bytes, Bytes)> = model
        .iter()
        .filter(|((of_shard, of_table, key), _)| {
            (*of_shard, *of_table) == (shard, table) && is_within(key)
        })
        .map(|((_, _, key), value)| (Bytes::from(key.clone()), value.clone()))
        .collect();
    let order = [Order::Forward, Order::Reverse][random.below(2)];
    if order == Order::Reverse {
        expected.reverse();
    }
    expected.truncate(limit);
    let rows = store
        .scan(shard, table, range, limit, order)
        .expect("the store answers");
    assert_eq!(
        rows, expected,
        "{context}: {table:?} {range:?} {limit} {order:?}"
    );
}

fn random_bound<'a>(random: &mut Random, key: &'a [u8]) -> Bound<&'a [u8]> {
    match random.below(3) {
        0 => Bound::Unbounded,
        1 => Bound::Included(key),
        _ => Bound::Excluded(key),
    }
}

/// What was acknowledged is there when the store is opened again, deletions too, and can be built on.
pub fn reopening(subject: &dyn Subject) {
    for generation in 0..4u8 {
        let fixture = Fixture::new(subject);
        for table in Table::ALL {
            let expected: Vec<(Bytes, Bytes)> = (0..generation)
                .map(|key| (vec![key].into(), "kept".into()))
                .collect();
            assert_eq!(scan_all(&fixture.store, SHARD, table), expected);
        }
        let mut batch = fixture.batch();
        for table in Table::ALL {
            batch.put(table, vec![generation], "kept");
            batch.put(table, vec![100], "deleted");
        }
        commit(&fixture.store, batch);
        let mut batch = fixture.batch();
        for table in Table::ALL {
            batch.delete(table, vec![100]);
        }
        commit(&fixture.store, batch);
    }
}

/// A reverse scan starts at the last key, and its limit is counted from there.
pub fn reverse_scans(subject: &dyn Subject) {
    let fixture = Fixture::new(subject);
    fixture.fill(Table::History, &["a", "b", "c", "d"]);
    let before_d = (Bound::Unbounded, Bound::Excluded(&b"d"[..]));
    assert_eq!(
        fixture.keys(Table::History, ALL_KEYS, 2, Order::Reverse),
        ["d", "c"]
    );
    assert_eq!(
        fixture.keys(Table::History, before_d, 2, Order::Reverse),
        ["c", "b"]
    );
    assert_eq!(
        fixture.keys(Table::History, ALL_KEYS, 100, Order::Reverse),
        ["d", "c", "b", "a"]
    );
    for order in [Order::Forward, Order::Reverse] {
        assert!(
            fixture.keys(Table::History, ALL_KEYS, 0, order).is_empty(),
            "a limit of 0"
        );
    }
}

/// The empty key and the empty value are a key and a value.
pub fn zero_length_keys(subject: &dyn Subject) {
    let fixture = Fixture::new(subject);
    let mut batch = fixture.batch();
    batch.put(Table::Current, "", "of the empty key");
    batch.put(Table::Current, "key", "");
    commit(&fixture.store, batch);
    assert_eq!(
        get(&fixture.store, SHARD, Table::Current, b""),
        Some("of the empty key".into())
    );
    assert_eq!(
        get(&fixture.store, SHARD, Table::Current, b"key"),
        Some(Bytes::new())
    );
    let expected = [
        (Bytes::new(), "of the empty key".into()),
        ("key".into(), Bytes::new()),
    ];
    assert_eq!(scan_all(&fixture.store, SHARD, Table::Current), expected);
    assert_eq!(prefix_end(b""), None);
}
