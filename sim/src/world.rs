//! The simulated world: server processes, their store, the clock, and everybody who makes calls. One thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use steadfast_core::limits::Limits;
use steadfast_core::time::{MILLISECOND, SECOND, Time};
use steadfast_engine::{Engine, NamespaceRecord, Namespaces, Node, Part, is_projection_current};
use steadfast_protocol::enums::NamespaceState;
use steadfast_store::Store;
use steadfast_visibility::VisibilityStore;

use crate::clock::SimClock;
use crate::dice::Dice;
use crate::executor::{Executor, Owner};
use crate::marks::Marks;
use crate::model::Model;
use crate::options::Options;
use crate::planted::Planted;
use crate::store::{Connection, SimStore};
use crate::trace::Trace;
use crate::visibility::SimVisibility;

/// The namespace of all workflows.
pub(crate) const NAMESPACE: &str = "sim";
/// Its id.
pub(crate) const NAMESPACE_ID: &str = "6a5f0c6e-0000-4000-8000-000000000001";
/// Time moves at most so far at once, so that no waiting time of a call is passed over by much, ns.
const STRIDE_MAX: i64 = SECOND;
/// A part that could do nothing is left alone for this long, ns.
const PART_PAUSE: i64 = 50 * MILLISECOND;
/// Housekeeping happens this often, ns.
const TEND_EVERY: i64 = 500 * MILLISECOND;

const PARTS: [Part; 5] = [
    Part::Commit,
    Part::Deliver,
    Part::Fire,
    Part::Project,
    Part::Tend,
];

/// A server process.
pub(crate) struct Process {
    /// Counts the processes.
    pub number: u64,
    /// Its engine.
    pub engine: Engine,
    node: Arc<Node>,
    connection: Arc<Connection>,
    namespaces: Arc<Namespaces>,
    /// Each part is left alone until then.
    paused: BTreeMap<Part, Time>,
    /// It was replaced, lives on unaware of it, and dies then.
    dies_at: Option<Time>,
}

/// See the documentation of the module.
pub(crate) struct World {
    /// What this run is like.
    pub options: Options,
    /// The dice of everything that has none of its own.
    pub dice: Dice,
    /// The clock.
    pub clock: Arc<SimClock>,
    /// The store.
    pub store: Arc<SimStore>,
    /// The tasks.
    pub executor: Executor,
    /// What happened.
    pub trace: Trace,
    /// What was reached.
    pub marks: Marks,
    /// What clients were told.
    pub model: RefCell<Model>,
    /// Whether faults happen.
    pub faulty: Arc<AtomicBool>,
    visibility: RefCell<Arc<SimVisibility>>,
    processes: RefCell<Vec<Process>>,
    next_process: Cell<u64>,
    sleepers: RefCell<BTreeMap<(Time, u64), Waker>>,
    next_sleeper: Cell<u64>,
    violations: RefCell<Vec<String>>,
}

impl World {
    /// A world with one server process that nobody calls yet.
    pub(crate) fn new(dice: &Dice, options: Options, trace: Trace) -> Rc<Self> {
        let marks = Marks::default();
        let backwards = if options.planted == Some(Planted::ClockBackwards) {
            20 * MILLISECOND
        } else {
            0
        };
        let clock = Arc::new(SimClock::new(dice.fork(), backwards));
        let store = SimStore::new(clock.clone(), dice.fork(), options.clone(), marks.clone());
        let faulty = Arc::new(AtomicBool::new(false));
        let visibility =
            SimVisibility::new(dice.fork(), options.clone(), faulty.clone(), marks.clone());
        let world = Rc::new(Self {
            options,
            dice: dice.fork(),
            clock,
            store: Arc::new(store),
            executor: Executor::default(),
            trace,
            marks,
            model: RefCell::default(),
            faulty,
            visibility: RefCell::new(Arc::new(visibility)),
            processes: RefCell::default(),
            next_process: Cell::new(1),
            sleepers: RefCell::default(),
            next_sleeper: Cell::new(0),
            violations: RefCell::default(),
        });
        world.open_process();
        world
    }

    /// The simulated time.
    pub(crate) fn now(&self) -> Time {
        self.clock.time()
    }

    /// Adds a line to the trace.
    pub(crate) fn trace(&self, line: impl std::fmt::Display) {
        self.trace.line(self.now().0, line);
    }

    /// Something is not as it must be.
    pub(crate) fn violation(&self, what: String) {
        self.trace(format_args!("VIOLATION {what}"));
        self.violations.borrow_mut().push(what);
    }

    /// What is not as it must be, so far.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut all = self.violations.borrow().clone();
        all.extend(self.store.ledger().violations.iter().cloned());
        all
    }

    fn is_violated(&self) -> bool {
        !self.violations.borrow().is_empty() || !self.store.ledger().violations.is_empty()
    }

    /// Begins or ends the faults.
    pub(crate) fn set_faulty(&self, faulty: bool) {
        self.faulty.store(faulty, Ordering::Relaxed);
        self.store.set_faulty(faulty);
    }

    /// Whether faults happen.
    pub(crate) fn is_faulty(&self) -> bool {
        self.faulty.load(Ordering::Relaxed)
    }

    /// Rolls the dice for a fault.
    pub(crate) fn happens(&self, per_mille: u64, mark: &'static str) -> bool {
        let happens = self.is_faulty() && self.dice.chance(per_mille);
        if happens {
            self.marks.add(mark);
        }
        happens
    }

    /// The visibility store.
    pub(crate) fn visibility(&self) -> Arc<SimVisibility> {
        self.visibility.borrow().clone()
    }

    // ---- server processes ----

    fn open_process(self: &Rc<Self>) -> bool {
        let connection = self.store.connect();
        let shared: Arc<dyn Store> = connection.clone();
        // Faults of the namespaces' own few rows are not what is looked for here.
        self.store.set_faulty(false);
        let namespaces = Namespaces::open(shared.clone(), "cluster".to_owned());
        if let Ok(namespaces) = &namespaces
            && namespaces.by_name(NAMESPACE).is_none()
        {
            let record = NamespaceRecord {
                id: NAMESPACE_ID.to_owned(),
                name: NAMESPACE.to_owned(),
                state: NamespaceState::Registered as i32,
                retention_ns: self.options.retention_seconds as i64 * SECOND,
                ..NamespaceRecord::default()
            };
            if let Err(refusal) = namespaces.create(record) {
                self.violation(format!("the namespace cannot be created: {refusal}"));
            }
        }
        self.store.set_faulty(self.is_faulty());
        let opened = namespaces.and_then(|namespaces| {
            let namespaces = Arc::new(namespaces);
            // As the program does it.
            if let Ok(Some(marker)) = self.visibility().marker()
                && !is_projection_current(&*shared, &namespaces, &marker)?
            {
                self.marks.add("visibility: behind, filled anew");
                self.empty_visibility();
            }
            let node = Node::open(
                shared,
                self.visibility(),
                namespaces.clone(),
                self.clock.clone(),
                Limits::DEFAULT,
            )?;
            Ok((namespaces, node))
        });
        let (namespaces, node) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.trace(format_args!("a process cannot start: {error}"));
                return false;
            }
        };
        let limit = |most: u64| if most == 0 { usize::MAX } else { most as usize };
        node.limit_waiting(
            limit(self.options.waiting_messages_max),
            limit(self.options.waiting_bytes_max),
        );
        if self.options.run_bytes_max > 0 {
            node.limit_runs(self.options.run_bytes_max as usize);
        }
        for _ in 0..1000 {
            if node.complete_visibility() || connection.is_dead() {
                break;
            }
        }
        let number = self.next_process.get();
        self.next_process.set(number + 1);
        self.trace(format_args!("process {number} starts"));
        self.processes.borrow_mut().push(Process {
            number,
            engine: Engine::over(node.clone()),
            node,
            connection,
            namespaces,
            paused: BTreeMap::new(),
            dies_at: None,
        });
        true
    }

    /// The engine that answers calls now, with its process number and the namespace.
    pub(crate) fn server(&self) -> Option<(u64, Engine, Arc<steadfast_engine::Namespace>)> {
        let processes = self.processes.borrow();
        let process = processes.iter().find(|process| process.dies_at.is_none())?;
        let namespace = process.namespaces.by_name(NAMESPACE)?;
        Some((process.number, process.engine.clone(), namespace))
    }

    /// The serving process dies, or lives on without knowing that it was replaced.
    pub(crate) fn crash(self: &Rc<Self>) {
        let zombie = self.happens(self.options.zombie, "crash: deposed process lives on");
        let number = {
            let mut processes = self.processes.borrow_mut();
            let serving = processes
                .iter_mut()
                .find(|process| process.dies_at.is_none());
            let Some(process) = serving else { return };
            let lives_on = if zombie { self.dice.below(20_000) } else { 0 };
            process.dies_at = Some(self.now().plus(lives_on as i64 * MILLISECOND));
            process.connection.replace();
            process.number
        };
        self.trace(format_args!("process {number} is replaced"));
        self.marks.add("crash: process");
        self.bury();
    }

    /// Ends the processes whose time has come.
    fn bury(&self) {
        let now = self.now();
        let dead: Vec<_> = {
            let mut processes = self.processes.borrow_mut();
            let (dead, living) = std::mem::take(&mut *processes)
                .into_iter()
                .partition(|process| {
                    process.connection.is_dead() || process.dies_at.is_some_and(|at| at <= now)
                });
            *processes = living;
            dead
        };
        let dead: Vec<Process> = dead;
        for process in dead {
            self.trace(format_args!("process {} dies", process.number));
            process.connection.kill();
            self.executor.abort_all(Owner::Server(process.number));
            let alone = self.processes.borrow().is_empty();
            let lost = self.options.lose_visibility;
            if alone && self.happens(lost, "crash: visibility store lost") {
                self.empty_visibility();
            } else if alone && self.happens(lost, "crash: visibility store set back") {
                let set_back = self.visibility().set_back(self.dice.fork());
                *self.visibility.borrow_mut() = Arc::new(set_back);
            }
        }
    }

    fn empty_visibility(&self) {
        let fresh = SimVisibility::new(
            self.dice.fork(),
            self.options.clone(),
            self.faulty.clone(),
            self.marks.clone(),
        );
        *self.visibility.borrow_mut() = Arc::new(fresh);
    }

    /// Compares what is in memory with what is stored.
    pub(crate) fn audit(&self) {
        let nodes: Vec<_> = {
            let processes = self.processes.borrow();
            let living = processes.iter().filter(|process| process.dies_at.is_none());
            living.map(|process| process.node.clone()).collect()
        };
        // A deposed owner's memory is stale until its next commit.
        let marks = self.marks.all();
        if marks.contains_key("store: owner deposed")
            || marks.contains_key("crash: deposed process lives on")
        {
            return;
        }
        for difference in nodes.iter().flat_map(Node::audit) {
            self.violation(format!("audit: {difference}"));
        }
        self.marks.add("audit");
    }

    // ---- time ----

    /// Waits.
    pub(crate) fn sleep(self: &Rc<Self>, millis: u64) -> Sleep {
        let number = self.next_sleeper.get();
        self.next_sleeper.set(number + 1);
        Sleep {
            world: self.clone(),
            key: (self.now().plus(millis as i64 * MILLISECOND), number),
        }
    }

    async fn advance(&self, nanos: i64) {
        self.clock.advance(nanos);
        tokio::time::advance(Duration::from_nanos(nanos as u64)).await;
        let now = self.now();
        loop {
            let first = self.sleepers.borrow_mut().first_entry().and_then(|entry| {
                let due = entry.key().0 <= now;
                due.then(|| entry.remove())
            });
            match first {
                Some(sleeper) => sleeper.wake(),
                None => return,
            }
        }
    }

    // ---- the scheduler ----

    /// Runs until `until` holds, or something is wrong, or `end` has come. Answers whether `until` holds.
    pub(crate) async fn run(self: &Rc<Self>, end: Time, until: impl Fn(&Rc<Self>) -> bool) -> bool {
        loop {
            if self.is_violated() {
                return false;
            }
            self.bury();
            if self.server().is_none() && !self.open_process() {
                self.advance(20 * MILLISECOND).await;
                continue;
            }
            let ready = self.executor.ready_count();
            let parts = self.workable();
            let choices = ready + parts.len();
            if choices == 0 {
                if until(self) {
                    return true;
                }
                let now = self.now();
                if now >= end {
                    return false;
                }
                let next = self.next_event().min(now.plus(STRIDE_MAX)).min(end);
                self.advance(next.since(now).max(1)).await;
                continue;
            }
            let choice = self.dice.below(choices as u64) as usize;
            if choice < ready {
                self.executor.poll(choice);
            } else {
                let (number, part) = parts[choice - ready];
                self.work(number, part);
            }
            if self.dice.chance(125) {
                self.advance(self.dice.below(300_000) as i64).await;
            }
        }
    }

    /// Parts of processes that have something to do.
    fn workable(&self) -> Vec<(u64, Part)> {
        let now = self.now();
        let processes = self.processes.borrow();
        let mut found = Vec::new();
        for process in processes.iter() {
            for part in PARTS {
                let paused = process.paused.get(&part).is_some_and(|until| *until > now);
                // The visibility store belongs to the process that serves.
                let barred = part == Part::Project && process.dies_at.is_some();
                if !paused && !barred && process.node.has_work(part) {
                    found.push((process.number, part));
                }
            }
        }
        found
    }

    fn work(&self, number: u64, part: Part) {
        let node = {
            let processes = self.processes.borrow();
            let process = processes.iter().find(|process| process.number == number);
            let Some(process) = process else { return };
            process.node.clone()
        };
        if part == Part::Commit && self.happens(self.options.slow_commit, "store: slow commit") {
            self.pause(number, part, self.dice.below(2_000_000_000) as i64);
            return;
        }
        let again = node.advance(part);
        if part != Part::Tend {
            self.trace(format_args!("process {number} {part:?}"));
        }
        match part {
            Part::Tend => self.pause(number, part, TEND_EVERY),
            Part::Deliver | Part::Project if !again => self.pause(number, part, PART_PAUSE),
            Part::Fire if again => self.pause(number, part, PART_PAUSE),
            _ => {}
        }
    }

    fn pause(&self, number: u64, part: Part, nanos: i64) {
        let until = self.now().plus(nanos);
        let mut processes = self.processes.borrow_mut();
        let process = processes
            .iter_mut()
            .find(|process| process.number == number);
        if let Some(process) = process {
            process.paused.insert(part, until);
        }
    }

    fn next_event(&self) -> Time {
        let now = self.now();
        let processes = self.processes.borrow();
        let of_processes = processes.iter().flat_map(|process| {
            let paused = process
                .paused
                .values()
                .copied()
                .filter(|until| *until > now);
            let due = Some(process.node.due_next()).filter(|due| *due > now);
            paused.chain(process.dies_at).chain(due)
        });
        let sleeper = self
            .sleepers
            .borrow()
            .first_key_value()
            .map(|(key, _)| key.0);
        of_processes.chain(sleeper).min().unwrap_or(Time(i64::MAX))
    }

    /// Whether every server process has done all it can do now.
    pub(crate) fn is_quiet(&self) -> bool {
        let processes = self.processes.borrow();
        let parts = [Part::Commit, Part::Deliver, Part::Project];
        processes
            .iter()
            .all(|process| parts.iter().all(|part| !process.node.has_work(*part)))
    }
}

/// See [`World::sleep`].
pub(crate) struct Sleep {
    world: Rc<World>,
    key: (Time, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.world.now() >= self.key.0 {
            return Poll::Ready(());
        }
        let mut sleepers = self.world.sleepers.borrow_mut();
        sleepers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.world.sleepers.borrow_mut().remove(&self.key);
    }
}
