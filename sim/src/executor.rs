//! Runs futures in one thread, in an order that the simulation chooses.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Names a task.
pub(crate) type TaskId = u64;

/// Whose task it is: all tasks of an owner can be dropped at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// The workload.
    Client,
    /// A worker process, by number.
    Worker(u64),
    /// The calls that a server process serves, by number.
    Server(u64),
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks, and which of them can go on.
#[derive(Default)]
pub(crate) struct Executor {
    tasks: RefCell<BTreeMap<TaskId, (Owner, Option<Task>)>>,
    ready: Arc<Mutex<BTreeSet<TaskId>>>,
    next: Cell<TaskId>,
}

struct Readiness {
    task: TaskId,
    ready: Arc<Mutex<BTreeSet<TaskId>>>,
}

impl Wake for Readiness {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.insert(self.task);
    }
}

impl Executor {
    /// Adds a task, which is ready.
    pub(crate) fn spawn(&self, owner: Owner, task: impl Future<Output = ()> + 'static) -> TaskId {
        let id = self.next.get();
        self.next.set(id + 1);
        let task: Task = Box::pin(task);
        self.tasks.borrow_mut().insert(id, (owner, Some(task)));
        self.ready().insert(id);
        id
    }

    fn ready(&self) -> std::sync::MutexGuard<'_, BTreeSet<TaskId>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many tasks can go on.
    pub(crate) fn ready_count(&self) -> usize {
        self.ready().len()
    }

    /// Lets the `nth` of those go on that can.
    pub(crate) fn poll(&self, nth: usize) -> Option<TaskId> {
        let id = {
            let mut ready = self.ready();
            let id = ready.iter().nth(nth).copied()?;
            ready.remove(&id);
            id
        };
        let taken = {
            let mut tasks = self.tasks.borrow_mut();
            tasks.get_mut(&id).and_then(|(_, task)| task.take())
        };
        let mut task = taken?;
        let waker = Waker::from(Arc::new(Readiness {
            task: id,
            ready: self.ready.clone(),
        }));
        let polled = task.as_mut().poll(&mut Context::from_waker(&waker));
        let mut dropped = None;
        {
            let mut tasks = self.tasks.borrow_mut();
            match polled {
                Poll::Ready(()) => {
                    tasks.remove(&id);
                    dropped = Some(task);
                }
                Poll::Pending => match tasks.get_mut(&id) {
                    Some(entry) => entry.1 = Some(task),
                    // It was aborted while it ran.
                    None => dropped = Some(task),
                },
            }
        }
        drop(dropped);
        Some(id)
    }

    /// Drops a task.
    pub(crate) fn abort(&self, id: TaskId) {
        // What a future drops may come back here.
        let dropped = self.tasks.borrow_mut().remove(&id);
        drop(dropped);
    }

    /// Drops all tasks of an owner.
    pub(crate) fn abort_all(&self, owner: Owner) {
        let ids: Vec<_> = {
            let tasks = self.tasks.borrow();
            let owned = tasks.iter().filter(|(_, (of, _))| *of == owner);
            owned.map(|(id, _)| *id).collect()
        };
        for id in ids {
            self.abort(id);
        }
    }
}
