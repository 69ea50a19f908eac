//! Measures the embedded store on the disk of a directory:
//!
//! ```text
//! cargo run --release -p steadfast-store-local --example measure -- DIRECTORY [STEP ...]
//! ```
//!
//! Steps, in the order they are given (all of them without any):
//! - `latency`: 20,000 commits of one transition each.
//! - `throughput`: 400,000 transitions over random runs, in groups of 128.
//! - `fill`: 1,000,000 executions (600 B state, 700 B history, one timer each), in groups of 100.
//! - `rows`: 1,000,000 rows of 1.5 KB, in groups of 100.
//! - `open`: closes and opens the store.
//! - `read`: 200,000 random point reads of states that `fill` wrote.
//! - `idle`: waits two seconds.
//!
//! A transition is what a step of a workflow writes: 1.5 KB of state replaced, 300 B of history appended, a task
//! written and the task before it deleted. Each step prints the time of its commits (median and tails show what
//! rotating the journal and flushing cost), the CPU of the whole process, and the memory it is left with.

#![allow(clippy::print_stdout)]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use steadfast_store::{Batch, CommitOutcome, Fence, ShardId, Store, Table};
use steadfast_store_local::{LocalStore, Options};

/// The allocator of the server: it decides what memory costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SHARDS: u16 = 16;
const STEPS: [&str; 6] = ["latency", "throughput", "fill", "open", "read", "idle"];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().expect("the first argument is a directory"));
    let mut steps: Vec<String> = arguments.collect();
    if steps.is_empty() {
        steps = STEPS.map(String::from).to_vec();
    }
    let mut run = Run::open(directory);
    for step in steps {
        let started = (Instant::now(), cpu_time());
        let mut times = Histogram::<u64>::new(3).expect("three digits are valid");
        match step.as_str() {
            "latency" => run.transitions(&mut times, 20_000, 1),
            "throughput" => run.transitions(&mut times, 400_000, 128),
            "fill" => run.fill(&mut times),
            "rows" => run.rows(&mut times),
            "open" => run = run.reopen(),
            "read" => run.read(&mut times),
            "idle" => std::thread::sleep(Duration::from_secs(2)),
            other => panic!("no step is called {other}"),
        }
        report(&step, &times, started.0.elapsed(), cpu_time() - started.1);
    }
    println!(
        "on disk: {} MB",
        run.store.disk_bytes().expect("the store answers") >> 20
    );
}

struct Run {
    directory: PathBuf,
    store: LocalStore,
    fences: Vec<Fence>,
    random: u64,
    /// Transitions so far.
    count: u64,
}

impl Run {
    fn open(directory: PathBuf) -> Self {
        let started = Instant::now();
        let store = LocalStore::open(&directory, Options::default()).expect("the store opens");
        println!(
            "opened in {} ms, {}",
            started.elapsed().as_millis(),
            memory()
        );
        let fences = (0..SHARDS)
            .map(|shard| store.acquire(ShardId(shard)).expect("the store answers"))
            .collect();
        Self {
            directory,
            store,
            fences,
            random: 1,
            count: 0,
        }
    }

    fn reopen(self) -> Self {
        drop(self.store);
        Self::open(self.directory)
    }

    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn batch(&self, run: u64) -> Batch {
        let shard = (run % u64::from(SHARDS)) as u16;
        Batch::new(ShardId(shard), self.fences[usize::from(shard)])
    }

    fn commit(&self, times: &mut Histogram<u64>, group: Vec<Batch>) {
        let started = Instant::now();
        let outcomes = self.store.commit(group);
        times
            .record(started.elapsed().as_micros() as u64)
            .expect("a day fits");
        assert!(outcomes.iter().all(|&outcome| outcome == CommitOutcome::Ok));
    }

    fn transitions(&mut self, times: &mut Histogram<u64>, count: u64, group_size: usize) {
        let mut group = Vec::new();
        for _ in 0..count {
            let run = self.next_random() % 100_000;
            let key = run_key(run);
            let mut batch = self.batch(run);
            batch.put(Table::Runs, key.clone(), body(run ^ self.count, 1_500));
            batch.put(
                Table::History,
                history_key(&key, self.count),
                body(run, 300),
            );
            batch.put(
                Table::Outbox,
                self.count.to_be_bytes().to_vec(),
                body(run, 60),
            );
            batch.delete(
                Table::Outbox,
                self.count
                    .saturating_sub(u64::from(SHARDS))
                    .to_be_bytes()
                    .to_vec(),
            );
            self.count += 1;
            group.push(batch);
            if group.len() == group_size {
                self.commit(times, std::mem::take(&mut group));
            }
        }
        self.commit(times, group);
    }

    fn fill(&mut self, times: &mut Histogram<u64>) {
        for first in (0..1_000_000u64).step_by(100) {
            let group = (first..first + 100).map(|run| {
                let key = run_key(run);
                let mut batch = self.batch(run);
                batch.put(Table::Current, format!("workflow-{run}"), key.clone());
                batch.put(Table::Runs, key.clone(), body(run, 600));
                batch.put(Table::History, history_key(&key, 1), body(run, 700));
                batch.put(
                    Table::Timers,
                    [&run.to_be_bytes()[..], &key].concat(),
                    body(run, 40),
                );
                batch
            });
            let group = group.collect();
            self.commit(times, group);
        }
    }

    fn rows(&mut self, times: &mut Histogram<u64>) {
        for first in (0..1_000_000u64).step_by(100) {
            let group = (first..first + 100).map(|run| {
                let mut batch = self.batch(run);
                batch.put(Table::Runs, run_key(run), body(run, 1_500));
                batch
            });
            let group = group.collect();
            self.commit(times, group);
        }
    }

    fn read(&mut self, times: &mut Histogram<u64>) {
        for _ in 0..200_000 {
            let run = self.next_random() % 1_000_000;
            let started = Instant::now();
            let state = self
                .store
                .get(self.batch(run).shard, Table::Runs, &run_key(run));
            times
                .record(started.elapsed().as_micros() as u64)
                .expect("a day fits");
            assert!(
                state.expect("the store answers").is_some(),
                "`fill` was run before"
            );
        }
    }
}

/// A key that is random and always the same for the same run, as the ids of runs are.
fn run_key(run: u64) -> Vec<u8> {
    let first = (run + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let second = first.rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    [first.to_be_bytes(), second.to_be_bytes()].concat()
}

fn history_key(run_key: &[u8], event: u64) -> Vec<u8> {
    [run_key, &event.to_be_bytes()].concat()
}

/// Bytes that compress about as well as payloads do: by half.
fn body(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length + 16);
    while bytes.len() < length {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        bytes.extend_from_slice(&(state >> 8).to_be_bytes());
        bytes.extend_from_slice(b"\"state\":");
    }
    bytes.truncate(length);
    bytes
}

fn report(step: &str, times: &Histogram<u64>, wall: Duration, cpu: Duration) {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|quantile| times.value_at_quantile(quantile));
    println!(
        "{step}: {} calls in {:.1} s, {:.1} s CPU; p50 {p50} us, p99 {p99} us, p99.9 {p999} us, max {} us; {}",
        times.len(),
        wall.as_secs_f64(),
        cpu.as_secs_f64(),
        times.max(),
        memory(),
    );
}

/// User and system time of the process.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux has it");
    let after_name = stat
        .rsplit(") ")
        .next()
        .expect("the name is in parentheses");
    let ticks: u64 = after_name
        .split(' ')
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap_or(0))
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Resident memory, now and at most.
fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    let field = |name: &str| -> u64 {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or("0");
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
    };
    format!(
        "{} MB resident, {} MB at most",
        field("VmRSS:") >> 10,
        field("VmHWM:") >> 10
    )
}
