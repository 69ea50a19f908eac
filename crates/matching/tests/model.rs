//! Random inputs to the real queue and to a naive model of it: a list in which everything is looked up by walking.
//!
//! The driver plays the engine: it keeps an outbox, fails some of the handovers and pulls what did not fit. Whatever
//! the order of events, each task must be handed over exactly once, in order, and nothing may be left behind.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use steadfast_matching::limits::WINDOW_TASKS_MAX;
use steadfast_matching::{
    Match, Offer, PollerInfo, PollerToken, Priority, Refill, TaskQueue, TaskToken,
};

/// SplitMix64: enough chance for a test, from a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the queue's memory.
    Memory,
    /// In the outbox only.
    Outside,
    /// Read from the outbox by a refill that has not ended.
    Pulled,
    /// Handed to a poll.
    Matched,
    /// Started, withdrawn or found obsolete: never to be seen again.
    Gone,
}

struct Task {
    priority: Priority,
    transient: bool,
    place: Place,
    token: Option<TaskToken>,
}

/// What was read from the outbox, and whether there was more.
type Batch = (Vec<(usize, i64)>, bool);

/// The real queue beside the model. Tasks and pollers are named by their place in the lists, which is their order of arrival.
struct World {
    random: Random,
    now_ms: i64,
    queue: TaskQueue<usize, usize>,
    tasks: Vec<Task>,
    /// Tasks that are not gone, so that the walks stay short.
    live: Vec<usize>,
    pollers: Vec<PollerToken>,
    /// Pollers that wait.
    line: BTreeSet<usize>,
    matched: Vec<Match<usize, usize>>,
    refill: Option<(Refill, Option<Batch>)>,
    delivered: usize,
    left_outside: usize,
    refills: usize,
}

impl World {
    fn new(seed: u64) -> World {
        World {
            random: Random(seed),
            now_ms: 1_000_000,
            queue: TaskQueue::new(1_000_000),
            tasks: Vec::new(),
            live: Vec::new(),
            pollers: Vec::new(),
            line: BTreeSet::new(),
            matched: Vec::new(),
            refill: None,
            delivered: 0,
            left_outside: 0,
            refills: 0,
        }
    }

    fn step(&mut self) {
        match self.random.below(1000) {
            0..200 => self.offer(1),
            200..230 => self.offer_transient(),
            230..234 => {
                let times = self.random.below(3000);
                self.offer(times);
            }
            234..480 => self.poll(),
            480..490 if self.line.len() < 4_000 => {
                (0..self.random.below(2000)).for_each(|_| self.poll())
            }
            490..540 => self.leave(),
            540..570 => self.withdraw(),
            570..780 => self.settle(),
            780..900 => self.refill(),
            900..910 => self.limit(),
            _ => self.now_ms += self.random.below(200) as i64,
        }
        self.drain();
        let tasks = &self.tasks;
        self.live.retain(|id| tasks[*id].place != Place::Gone);
    }

    fn push(&mut self, task: Task) {
        self.live.push(self.tasks.len());
        self.tasks.push(task);
    }

    fn live(&self) -> impl Iterator<Item = (usize, &Task)> {
        self.live.iter().map(|id| (*id, &self.tasks[*id]))
    }

    fn priority(&mut self) -> Priority {
        // Mostly one priority, so that its window overflows.
        match self.random.below(10) {
            key @ 0..5 => Priority::from_key(key as i32 + 1),
            _ => Priority::DEFAULT,
        }
    }

    fn offer(&mut self, times: usize) {
        let all = || Priority::all();
        let mut older_outside: Vec<usize> = all()
            .map(|p| self.count(p, &[Place::Outside, Place::Pulled]))
            .collect();
        let mut in_memory: Vec<usize> = all().map(|p| self.count(p, &[Place::Memory])).collect();
        for _ in 0..times {
            let priority = self.priority();
            let index = priority.key() as usize - 1;
            let id = self.tasks.len();
            let (place, token) = match self.queue.offer(self.now_ms, id, priority, self.now_ms) {
                Offer::Queued(token) => {
                    assert_eq!(older_outside[index], 0, "task {id} overtakes");
                    assert!(in_memory[index] < WINDOW_TASKS_MAX);
                    in_memory[index] += 1;
                    (Place::Memory, Some(token))
                }
                Offer::Full(task) => {
                    assert_eq!(task, id);
                    older_outside[index] += 1;
                    self.left_outside += 1;
                    (Place::Outside, None)
                }
            };
            self.push(Task {
                priority,
                transient: false,
                place,
                token,
            });
        }
    }

    fn offer_transient(&mut self) {
        let priority = self.priority();
        let id = self.tasks.len();
        if let Offer::Queued(token) = self.queue.offer_transient(self.now_ms, id, priority) {
            self.push(Task {
                priority,
                transient: true,
                place: Place::Memory,
                token: Some(token),
            });
        }
    }

    fn poll(&mut self) {
        let id = self.pollers.len();
        let info = PollerInfo {
            identity: Arc::from(format!("worker {}", id % 7)),
            ..PollerInfo::default()
        };
        let token = self.queue.poll(self.now_ms, info, id).expect("few pollers");
        self.pollers.push(token);
        self.line.insert(id);
    }

    /// A client goes away, or the time of its poll is over.
    fn leave(&mut self) {
        if self.pollers.is_empty() {
            return;
        }
        let id = self.random.below(self.pollers.len());
        let token = self.pollers[id];
        let left = if self.random.below(2) == 0 {
            self.queue.cancel(token)
        } else {
            self.queue.expire(self.now_ms, token)
        };
        assert_eq!(left, self.line.take(&id));
    }

    fn withdraw(&mut self) {
        if self.tasks.is_empty() {
            return;
        }
        let id = self.random.below(self.tasks.len());
        let task = &mut self.tasks[id];
        let Some(token) = task.token else { return };
        let in_memory = task.place == Place::Memory;
        assert_eq!(self.queue.withdraw(token), in_memory.then_some(id));
        if in_memory {
            task.place = Place::Gone;
        }
    }

    /// One of the matched tasks is started, or is not.
    fn settle(&mut self) {
        if self.matched.is_empty() {
            return;
        }
        let which = self.random.below(self.matched.len());
        let m = self.matched.swap_remove(which);
        match self.random.below(10) {
            0 => {
                self.queue.discard(self.now_ms, m.task_ticket);
                self.tasks[m.task].place = Place::Gone;
            }
            1 => {
                self.queue.requeue(self.now_ms, m.task_ticket, m.task);
                self.tasks[m.task].place = Place::Memory;
            }
            _ => {
                self.tasks[m.task].place = Place::Gone;
                self.delivered += 1;
                return;
            }
        }
        if self.random.below(3) > 0 {
            self.queue.resume(self.now_ms, m.poller_ticket, m.poller);
            self.line.insert(m.poller);
        }
    }

    /// One step of pulling from the outbox: begin, read, end.
    fn refill(&mut self) {
        match self.refill.take() {
            None => self.refill = self.queue.begin_refill().map(|refill| (refill, None)),
            Some((refill, None)) => {
                let failed = self.random.below(10) == 0;
                let read = if failed {
                    (Vec::new(), true)
                } else {
                    self.read(refill)
                };
                self.refill = Some((refill, Some(read)));
            }
            Some((refill, Some((batch, more)))) => {
                for (id, _) in &batch {
                    self.tasks[*id].place = Place::Memory;
                }
                self.queue
                    .end_refill(self.now_ms, refill.priority, batch, more);
                self.refills += 1;
            }
        }
    }

    fn read(&mut self, refill: Refill) -> Batch {
        let mut outside: Vec<usize> = self
            .live()
            .filter(|(_, task)| task.place == Place::Outside && task.priority == refill.priority)
            .map(|(id, _)| id)
            .collect();
        let more = outside.len() > refill.room;
        outside.truncate(refill.room);
        for id in &outside {
            self.tasks[*id].place = Place::Pulled;
        }
        (
            outside.into_iter().map(|id| (id, self.now_ms)).collect(),
            more,
        )
    }

    fn limit(&mut self) {
        let limits = [
            None,
            None,
            None,
            None,
            None,
            Some(0.0),
            Some(3.0),
            Some(250.0),
        ];
        let limit = limits[self.random.below(limits.len())];
        self.queue.set_rate_limit(self.now_ms, limit);
    }

    /// Takes every match and compares it with what the model would have chosen.
    fn drain(&mut self) {
        let (mut stored, mut transient) = (None, None);
        while let Some(m) = self.queue.next_match(self.now_ms) {
            let first = self.line.pop_first();
            assert_eq!(Some(m.poller), first, "polls are served in order");
            let stored = stored.get_or_insert_with(|| self.in_order(false));
            let transient = transient.get_or_insert_with(|| self.in_order(true));
            let task = &self.tasks[m.task];
            let best = if task.transient {
                // It may have passed stored tasks that are throttled.
                transient.pop_front()
            } else {
                let urgent = transient.front().map(|id| self.tasks[*id].priority);
                assert!(urgent.is_none_or(|urgent| task.priority < urgent));
                stored.pop_front()
            };
            assert_eq!(Some(m.task), best, "tasks are served in order");
            self.tasks[m.task].place = Place::Matched;
            self.matched.push(m);
        }
        let stored_waits = self
            .live()
            .any(|(_, task)| task.place == Place::Memory && !task.transient);
        let poll_waits = !self.line.is_empty();
        let wakeup = self.queue.next_wakeup_ms();
        if !stored_waits || !poll_waits {
            assert_eq!(wakeup, None);
        } else if let Some(at) = wakeup {
            assert!(at > self.now_ms, "ready at {at}, now {}", self.now_ms);
        }
    }

    fn in_order(&self, transient: bool) -> VecDeque<usize> {
        let mut tasks: Vec<_> = self
            .live()
            .filter(|(_, task)| task.place == Place::Memory && task.transient == transient)
            .map(|(id, task)| (task.priority, id))
            .collect();
        tasks.sort();
        tasks.into_iter().map(|(_, id)| id).collect()
    }

    /// Ends all trouble and lets the work finish.
    fn finish(&mut self) {
        self.queue.set_rate_limit(self.now_ms, None);
        let mut rounds = 0;
        while self.queue.backlog_count() > 0 || !self.matched.is_empty() || self.refill.is_some() {
            self.now_ms += 10;
            for m in std::mem::take(&mut self.matched) {
                self.tasks[m.task].place = Place::Gone;
                self.delivered += 1;
            }
            (0..3).for_each(|_| self.refill());
            (0..500).for_each(|_| self.poll());
            self.drain();
            rounds += 1;
            assert!(rounds < 1000, "work does not end");
        }
    }

    fn count(&self, priority: Priority, places: &[Place]) -> usize {
        self.live()
            .filter(|(_, task)| task.priority == priority && !task.transient)
            .filter(|(_, task)| places.contains(&task.place))
            .count()
    }
}

#[test]
fn nothing_is_lost_doubled_or_out_of_order() {
    let (mut delivered, mut left_outside, mut refills) = (0, 0, 0);
    for seed in 0..10 {
        let mut world = World::new(seed);
        if seed % 2 == 0 {
            world.offer(WINDOW_TASKS_MAX * 3);
        }
        for _ in 0..600 {
            world.step();
        }
        world.finish();
        for (id, task) in world.tasks.iter().enumerate() {
            assert_eq!(task.place, Place::Gone, "seed {seed}: task {id} is left");
        }
        delivered += world.delivered;
        left_outside += world.left_outside;
        refills += world.refills;
    }
    // The test is worth something only if it got to the rare branches.
    let reached = format!("{delivered} delivered, {left_outside} left outside, {refills} refills");
    assert!(
        delivered > 5_000 && left_outside > 500 && refills > 10,
        "{reached}"
    );
}

#[test]
fn the_rate_is_respected_and_used_up() {
    for seed in 0..50 {
        let mut random = Random(seed);
        let rate = [0.5, 1.0, 7.3, 100.0, 999.0][random.below(5)];
        let mut queue: TaskQueue<usize, ()> = TaskQueue::new(0);
        let mut times: Vec<i64> = Vec::new();
        let (mut now_ms, mut obsolete) = (0, 0);
        for id in 0..WINDOW_TASKS_MAX {
            let _ = queue.offer(0, id, Priority::DEFAULT, 0);
        }
        let info = PollerInfo {
            max_tasks_per_second: Some(rate),
            ..PollerInfo::default()
        };
        for _ in 0..1_000 {
            queue.poll(now_ms, info.clone(), ()).expect("room");
            while let Some(m) = queue.next_match(now_ms) {
                if random.below(20) == 0 {
                    queue.discard(now_ms, m.task_ticket);
                    obsolete += 1;
                } else {
                    times.push(now_ms);
                }
            }
            // Sometimes too early, sometimes late, mostly when asked to.
            now_ms = match (random.below(4), queue.next_wakeup_ms()) {
                (0, _) | (_, None) => now_ms + random.below((2000.0 / rate) as usize + 2) as i64,
                (_, Some(at)) => at,
            };
        }
        assert!(obsolete > 0 && times.len() > 100, "seed {seed}");
        let burst = f64::max(1.0, f64::ceil(rate));
        for (i, from) in times.iter().enumerate() {
            for (j, to) in times.iter().enumerate().skip(i) {
                let allowed = burst + rate * (to - from) as f64 / 1000.0;
                let taken = (j - i + 1) as f64;
                assert!(taken <= allowed + 0.01, "seed {seed}: {taken} of {allowed}");
            }
        }
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            let least = rate * (last - first) as f64 / 1000.0 * 0.5;
            assert!(times.len() as f64 >= least, "seed {seed}: too slow");
        }
    }
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let run = || {
        let mut world = World::new(99);
        let mut seen = Vec::new();
        for _ in 0..400 {
            world.step();
            seen.extend(world.matched.last().map(|m| (m.task, m.poller)));
        }
        (seen, format!("{:?}", world.queue.describe(world.now_ms)))
    };
    assert_eq!(run(), run());
}
