//! What it costs to bring a task and a poll together: `cargo run --release -p steadfast-matching --example pair`.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement"
)]

use std::sync::Arc;
use std::time::Instant;

use steadfast_matching::{PollerInfo, Priority, TaskQueue};

const ROUNDS: u64 = 1_000_000;

fn main() {
    let identity: Arc<str> = Arc::from("1234@some-host-name-of-a-worker");
    let info = || PollerInfo {
        identity: identity.clone(),
        ..PollerInfo::default()
    };
    for (name, backlog) in [("empty", 0), ("backlog of 2,000", 2_000)] {
        let mut queue: TaskQueue<[u64; 8], u64> = TaskQueue::new(0);
        for n in 0..backlog {
            queue.offer(0, [n; 8], Priority::DEFAULT, 0);
        }
        let start = Instant::now();
        for n in 0..ROUNDS {
            let now_ms = (n / 1_000) as i64;
            queue.poll(now_ms, info(), n).expect("room");
            queue.offer(now_ms, [n; 8], Priority::DEFAULT, now_ms);
            queue.next_match(now_ms).expect("a match");
        }
        let each = start.elapsed().as_nanos() / u128::from(ROUNDS);
        println!("poll, offer, match ({name}): {each} ns");
    }
}
