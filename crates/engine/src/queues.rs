//! The task queues of the node: each one a state machine of its own behind a lock that is never held across anything
//! else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use steadfast_core::execution::{Execution, RunKey};
use steadfast_core::outcome::{Task, TaskKind};
use steadfast_core::time::{MILLISECOND, Time};
use steadfast_matching::{
    Description, Match, Offer, PollerInfo, PollerTicket, PollerToken, Priority, TaskQueue,
    TaskTicket, TaskToken,
};
use steadfast_protocol::query::WorkflowQuery;
use tokio::sync::oneshot;

/// Names a task queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct QueueKey {
    pub namespace_id: Arc<str>,
    pub kind: TaskKind,
    pub name: Arc<str>,
}

/// A task that stands in the store.
#[derive(Clone, Debug)]
pub(crate) struct StoredTask {
    /// Whose task it is.
    pub run: Arc<RunKey>,
    /// Which of its tasks.
    pub task: Task,
    /// The queue it falls back to when its worker's own queue is deserted.
    pub normal_queue: Arc<str>,
}

impl StoredTask {
    /// A task of this run.
    pub(crate) fn new(run: &Execution, task: Task) -> Self {
        Self {
            run: run.key.clone(),
            task,
            normal_queue: run.task_queue().into(),
        }
    }

    /// The queue that it names.
    fn queue(&self) -> QueueKey {
        QueueKey {
            namespace_id: self.run.namespace_id.as_str().into(),
            kind: self.task.kind,
            name: self.task.queue.as_str().into(),
        }
    }

    /// Its priority, and since when it waits, ms.
    fn place(&self) -> (Priority, i64) {
        let priority = Priority::from_key(i32::from(self.task.priority));
        (priority, millis(self.task.scheduled_time))
    }
}

/// A query on its way to a worker. It lives as long as its caller waits.
#[derive(Debug)]
pub(crate) struct QueryTask {
    /// Names it.
    pub id: String,
    /// Whom it asks.
    pub run: Arc<RunKey>,
    /// What it asks.
    pub query: Arc<WorkflowQuery>,
    /// Whether it goes to the worker that has the run in its cache.
    pub sticky: bool,
}

/// What waits in a queue.
#[derive(Debug)]
pub(crate) enum Queued {
    Stored(StoredTask),
    Query(Box<QueryTask>),
}

/// A poll that waits.
pub(crate) struct Poll {
    /// Its task goes this way.
    pub answer: oneshot::Sender<Handoff>,
    /// Who polls.
    pub identity: Arc<str>,
    /// Names this poll among all: what was started for it is known by it.
    pub request_id: Arc<str>,
    /// Names the worker among all; may be empty.
    pub instance_key: Arc<str>,
}

impl Poll {
    /// With the way on which its task comes.
    pub(crate) fn new(
        identity: Arc<str>,
        request_id: Arc<str>,
        instance_key: Arc<str>,
    ) -> (Self, oneshot::Receiver<Handoff>) {
        let (answer, receiver) = oneshot::channel();
        let poll = Self {
            answer,
            identity,
            request_id,
            instance_key,
        };
        (poll, receiver)
    }
}

type Queue = TaskQueue<Queued, Poll>;

/// A queue, and where in the store its tasks beyond the window begin.
pub(crate) struct QueueState {
    queue: Queue,
    /// By priority and shard: key of the first task that is not in memory.
    outside: BTreeMap<(Priority, u16), Bytes>,
}

/// All queues.
#[derive(Default)]
pub(crate) struct Queues {
    by_key: Mutex<FxHashMap<QueueKey, Arc<Mutex<QueueState>>>>,
}

/// A task on its way to a poller. Dropped before it was taken, it goes back to its queue.
pub(crate) struct Handoff {
    matched: Option<(Queued, TaskTicket, PollerTicket)>,
    queues: Arc<Queues>,
    queue: QueueKey,
    now: Time,
    /// Tasks that still wait.
    pub backlog_count_hint: i64,
    /// Advice on the number of pollers.
    pub poller_scaling: Option<i32>,
}

/// What is needed to report back on a task that was taken.
pub(crate) struct Taken {
    pub task_ticket: TaskTicket,
    pub poller_ticket: PollerTicket,
}

/// An activity's attempt whose start for a waiting poll is about to be stored, and the poll.
pub(crate) struct Meeting {
    /// The poll.
    pub poll: Poll,
    /// What it gets once that is durable.
    pub handoff: Handoff,
}

impl Handoff {
    /// The queue it comes from.
    pub(crate) fn queue(&self) -> &QueueKey {
        &self.queue
    }

    /// Takes the task: the poller answers for it now.
    pub(crate) fn take(mut self) -> (Queued, Taken) {
        let (task, task_ticket, poller_ticket) =
            self.matched.take().expect("taken only here, by value");
        let taken = Taken {
            task_ticket,
            poller_ticket,
        };
        (task, taken)
    }
}

impl Drop for Handoff {
    fn drop(&mut self) {
        if let Some((task, ticket, _)) = self.matched.take() {
            let now = self.now;
            self.queues.clone().requeue(&self.queue, now, ticket, task);
        }
    }
}

fn millis(now: Time) -> i64 {
    now.0.div_euclid(MILLISECOND)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A queue whose code panicked holds tasks that also stand in the store; they are better served than lost.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queues {
    fn open(&self, key: &QueueKey, now: Time) -> Arc<Mutex<QueueState>> {
        let mut queues = lock(&self.by_key);
        if let Some(queue) = queues.get(key) {
            return queue.clone();
        }
        let state = QueueState {
            queue: TaskQueue::new(millis(now)),
            outside: BTreeMap::new(),
        };
        let state = Arc::new(Mutex::new(state));
        queues.insert(key.clone(), state.clone());
        state
    }

    fn find(&self, key: &QueueKey) -> Option<Arc<Mutex<QueueState>>> {
        lock(&self.by_key).get(key).cloned()
    }

    /// Offers a stored task; where its worker's own queue is deserted, to the normal queue.
    pub(crate) fn offer(self: &Arc<Self>, now: Time, shard: u16, task: StoredTask) {
        let mut key = task.queue();
        if task.task.sticky && !self.has_recent_poller(&key, now) {
            key.name = task.normal_queue.clone();
        }
        self.offer_in(&key, now, shard, task);
    }

    /// Offers a task that was read from the store. How long it waits for its worker was not stored: any worker will do.
    pub(crate) fn offer_again(self: &Arc<Self>, now: Time, shard: u16, task: StoredTask) {
        let mut key = task.queue();
        if task.task.sticky {
            key.name = task.normal_queue.clone();
        }
        self.offer_in(&key, now, shard, task);
    }

    fn offer_in(self: &Arc<Self>, key: &QueueKey, now: Time, shard: u16, task: StoredTask) {
        let (priority, created) = task.place();
        let queue = self.open(key, now);
        let mut state = lock(&queue);
        let offered = state
            .queue
            .offer(millis(now), Queued::Stored(task), priority, created);
        if let Offer::Full(Queued::Stored(task)) = offered {
            let row = Bytes::from(crate::keys::task(&task.run, &task.task));
            let first = state
                .outside
                .entry((priority, shard))
                .or_insert(row.clone());
            if row < *first {
                *first = row;
            }
        }
        self.hand_over(key, &mut state.queue, now);
    }

    /// Offers a query. `None`: too many wait already.
    pub(crate) fn offer_query(
        self: &Arc<Self>,
        key: &QueueKey,
        now: Time,
        task: QueryTask,
    ) -> Option<TaskToken> {
        let queue = self.open(key, now);
        let mut state = lock(&queue);
        let offered = state.queue.offer_transient(
            millis(now),
            Queued::Query(Box::new(task)),
            Priority::from_key(0),
        );
        let token = match offered {
            Offer::Queued(token) => token,
            Offer::Full(_) => return None,
        };
        self.hand_over(key, &mut state.queue, now);
        Some(token)
    }

    /// Takes a query back, if no poller has it yet.
    pub(crate) fn withdraw(&self, key: &QueueKey, token: TaskToken) -> bool {
        let queue = self.find(key);
        queue.is_some_and(|queue| lock(&queue).queue.withdraw(token).is_some())
    }

    /// Matches a task that is not stored yet with a poll, where one waits and nothing else would go before it. `None`:
    /// the task is to be stored, and offered then.
    pub(crate) fn meet(self: &Arc<Self>, now: Time, task: StoredTask) -> Option<Meeting> {
        let key = task.queue();
        let queue = self.find(&key)?;
        let mut state = lock(&queue);
        if !state.queue.wants_task(millis(now)) {
            return None;
        }
        let (priority, created) = task.place();
        let task = Queued::Stored(task);
        let Offer::Queued(token) = state.queue.offer(millis(now), task, priority, created) else {
            return None;
        };
        while let Some(matched) = state.queue.next_match(millis(now)) {
            if matched.poller.answer.is_closed() {
                state
                    .queue
                    .requeue(millis(now), matched.task_ticket, matched.task);
                continue;
            }
            let (poll, handoff) = self.handoff(&key, matched, now);
            return Some(Meeting { poll, handoff });
        }
        state.queue.withdraw(token);
        None
    }

    /// Lets a poller wait. `None`: too many wait already.
    pub(crate) fn poll(
        self: &Arc<Self>,
        key: &QueueKey,
        now: Time,
        info: PollerInfo,
        poll: Poll,
    ) -> Option<PollerToken> {
        let queue = self.open(key, now);
        let mut state = lock(&queue);
        let token = state.queue.poll(millis(now), info, poll).ok()?;
        self.hand_over(key, &mut state.queue, now);
        Some(token)
    }

    /// A poller whose task was obsolete waits on.
    pub(crate) fn discard_and_resume(
        self: &Arc<Self>,
        key: &QueueKey,
        now: Time,
        taken: Taken,
        poll: Poll,
    ) {
        let queue = self.open(key, now);
        let mut state = lock(&queue);
        state.queue.discard(millis(now), taken.task_ticket);
        state.queue.resume(millis(now), taken.poller_ticket, poll);
        self.hand_over(key, &mut state.queue, now);
    }

    /// A task that was matched is the queue's no more.
    pub(crate) fn discard(&self, key: &QueueKey, now: Time, ticket: TaskTicket) {
        if let Some(queue) = self.find(key) {
            lock(&queue).queue.discard(millis(now), ticket);
        }
    }

    /// A task that could not be handed over goes back to its place.
    pub(crate) fn requeue(
        self: &Arc<Self>,
        key: &QueueKey,
        now: Time,
        ticket: TaskTicket,
        task: Queued,
    ) {
        let queue = self.open(key, now);
        let mut state = lock(&queue);
        state.queue.requeue(millis(now), ticket, task);
        self.hand_over(key, &mut state.queue, now);
    }

    /// The client went away. `false`: a task was matched before.
    pub(crate) fn cancel(&self, key: &QueueKey, token: PollerToken) -> bool {
        let queue = self.find(key);
        queue.is_some_and(|queue| lock(&queue).queue.cancel(token).is_some())
    }

    /// The poll's time is over. `false`: a task was matched before.
    pub(crate) fn expire(&self, key: &QueueKey, now: Time, token: PollerToken) -> bool {
        let queue = self.find(key);
        queue.is_some_and(|queue| lock(&queue).queue.expire(millis(now), token).is_some())
    }

    /// A worker shuts down: its polls are answered without a task.
    pub(crate) fn dismiss(&self, key: &QueueKey, identity: &str, instance_key: &str) {
        if let Some(queue) = self.find(key) {
            let is_its_own = |poll: &Poll| *poll.instance_key == *instance_key;
            drop(lock(&queue).queue.dismiss(identity, is_its_own));
        }
    }

    pub(crate) fn has_recent_poller(&self, key: &QueueKey, now: Time) -> bool {
        let queue = self.find(key);
        queue.is_some_and(|queue| lock(&queue).queue.has_recent_poller(millis(now)))
    }

    pub(crate) fn describe(&self, key: &QueueKey, now: Time) -> Option<Description> {
        let queue = self.find(key)?;
        let description = lock(&queue).queue.describe(millis(now));
        Some(description)
    }

    /// What a queue that nobody ever used is like.
    pub(crate) fn describe_unused(&self, now: Time) -> Description {
        Queue::new(millis(now)).describe(millis(now))
    }

    /// Empties a worker's own queue: its stored tasks, its queries.
    pub(crate) fn unload(&self, key: &QueueKey, now: Time) -> (Vec<StoredTask>, Vec<QueryTask>) {
        let Some(queue) = self.find(key) else {
            return (Vec::new(), Vec::new());
        };
        let unloaded = lock(&queue).queue.unload(millis(now));
        let mut stored = Vec::new();
        let mut queries = Vec::new();
        for task in unloaded.stored.into_iter().chain(unloaded.transient) {
            match task {
                Queued::Stored(task) => stored.push(task),
                Queued::Query(task) => queries.push(*task),
            }
        }
        (stored, queries)
    }

    /// Forgets queues that nobody used for long, gives throttled tasks their turn, and names the queues that want
    /// tasks from the store.
    pub(crate) fn tend(self: &Arc<Self>, now: Time) -> Vec<QueueKey> {
        let all: Vec<_> = lock(&self.by_key)
            .iter()
            .map(|(key, queue)| (key.clone(), queue.clone()))
            .collect();
        let mut hungry = Vec::new();
        for (key, queue) in all {
            let mut state = lock(&queue);
            self.hand_over(&key, &mut state.queue, now);
            if state.queue.wants_refill() {
                hungry.push(key.clone());
            }
            if state.queue.is_idle(millis(now)) {
                drop(state);
                let mut queues = lock(&self.by_key);
                // Only the map and this loop hold it: nobody is about to use it.
                if Arc::strong_count(&queue) == 2 && lock(&queue).queue.is_idle(millis(now)) {
                    queues.remove(&key);
                }
            }
        }
        hungry
    }

    /// Pulls tasks from the store into the window of a queue. `read` answers, for a shard, at most so many rows from
    /// a key on, in order, as (key, task).
    pub(crate) fn refill(
        self: &Arc<Self>,
        key: &QueueKey,
        now: Time,
        mut read: impl FnMut(u16, &Bytes, usize) -> Option<Vec<(Bytes, StoredTask)>>,
    ) {
        let queue = self.open(key, now);
        let mut state = lock(&queue);
        let Some(refill) = state.queue.begin_refill() else {
            return;
        };
        let sources: Vec<_> = state
            .outside
            .iter()
            .filter(|((priority, _), _)| *priority == refill.priority)
            .map(|((_, shard), from)| (*shard, from.clone()))
            .collect();
        drop(state);
        let mut found = Vec::new();
        let mut complete = true;
        for (shard, from) in &sources {
            match read(*shard, from, refill.room + 1) {
                Some(rows) => found.extend(rows.into_iter().map(|(row, task)| (*shard, row, task))),
                None => complete = false,
            }
        }
        let priority = refill.priority.key();
        found.retain(|(_, _, task)| i32::from(task.task.priority) == priority);
        found.sort_by_key(|(_, _, task)| task.task.scheduled_time);
        let mut state = lock(&queue);
        if !complete {
            state
                .queue
                .end_refill(millis(now), refill.priority, std::iter::empty(), true);
            return;
        }
        let rest = found.split_off(found.len().min(refill.room));
        for (shard, _) in &sources {
            state.outside.remove(&(refill.priority, *shard));
        }
        for (shard, row, _) in &rest {
            let entry = (refill.priority, *shard);
            state.outside.entry(entry).or_insert_with(|| row.clone());
        }
        let tasks: Vec<_> = found
            .into_iter()
            .map(|(_, _, task)| {
                let created = millis(task.task.scheduled_time);
                (Queued::Stored(task), created)
            })
            .collect();
        let more = !rest.is_empty();
        state
            .queue
            .end_refill(millis(now), refill.priority, tasks, more);
        self.hand_over(key, &mut state.queue, now);
    }

    /// Number of queues, tasks and polls that wait.
    pub(crate) fn figures(&self) -> (usize, i64, usize) {
        let all: Vec<_> = lock(&self.by_key).values().cloned().collect();
        let mut backlog = 0;
        let mut pollers = 0;
        for queue in &all {
            let state = lock(queue);
            backlog += state.queue.backlog_count();
            pollers += state.queue.waiting_pollers();
        }
        (all.len(), backlog, pollers)
    }

    /// Answers all polls of the node without a task.
    pub(crate) fn release_pollers(&self, now: Time) {
        let all: Vec<_> = lock(&self.by_key).values().cloned().collect();
        for queue in all {
            // What was queued stands in the store; queries are asked again.
            let _ = lock(&queue).queue.unload(millis(now));
        }
    }

    fn hand_over(self: &Arc<Self>, key: &QueueKey, queue: &mut Queue, now: Time) {
        while let Some(matched) = queue.next_match(millis(now)) {
            let (poll, handoff) = self.handoff(key, matched, now);
            if let Err(mut refused) = poll.answer.send(handoff) {
                // The poller is gone; the queue's lock is held, so the task is put back here and not by the drop.
                if let Some((task, ticket, _)) = refused.matched.take() {
                    queue.requeue(millis(now), ticket, task);
                }
            }
        }
    }

    fn handoff(
        self: &Arc<Self>,
        key: &QueueKey,
        matched: Match<Queued, Poll>,
        now: Time,
    ) -> (Poll, Handoff) {
        let handoff = Handoff {
            matched: Some((matched.task, matched.task_ticket, matched.poller_ticket)),
            queues: self.clone(),
            queue: key.clone(),
            now,
            backlog_count_hint: matched.backlog_count_hint,
            poller_scaling: matched.poller_scaling,
        };
        (matched.poller, handoff)
    }
}
