//! What waits to be delivered, up to a number: the rows of the outbox remember the others.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::{Delivery, FollowUp};
use crate::node::lock;

/// Messages that wait in memory, at most; about 300 bytes each.
const MESSAGES_MAX: usize = 100_000;

pub(super) enum Work {
    Deliver(Delivery),
    FollowUp(FollowUp),
}

/// What waits to be delivered.
pub(crate) struct Deliveries {
    work: Mutex<VecDeque<Work>>,
    messages_max: AtomicUsize,
    /// Whether there are messages in the store that had no room here.
    left_out: AtomicBool,
    arrived: Notify,
}

impl Default for Deliveries {
    fn default() -> Self {
        Self {
            work: Mutex::default(),
            messages_max: AtomicUsize::new(MESSAGES_MAX),
            left_out: AtomicBool::new(false),
            arrived: Notify::new(),
        }
    }
}

impl Deliveries {
    /// Adds what is to be done. Messages that have no room are left out, and read again from the store once nearly all
    /// others are delivered; some may come twice then, as after a crash. Follow-ups always have room: each of them stands
    /// for a message that was taken. Answers whether there was room for all.
    pub(crate) fn push_all(&self, deliveries: Vec<Delivery>, follow_ups: Vec<FollowUp>) -> bool {
        if deliveries.is_empty() && follow_ups.is_empty() {
            return true;
        }
        let mut work = lock(&self.work);
        work.extend(follow_ups.into_iter().map(Work::FollowUp));
        let room = self.messages_max().saturating_sub(work.len());
        let complete = deliveries.len() <= room;
        work.extend(deliveries.into_iter().take(room).map(Work::Deliver));
        drop(work);
        if !complete {
            self.leave_out();
        }
        self.arrived.notify_one();
        complete
    }

    pub(super) fn pop(&self) -> Option<Work> {
        lock(&self.work).pop_front()
    }

    /// Puts back what cannot be done now.
    pub(super) fn put_back(&self, work: Work) {
        lock(&self.work).push_back(work);
    }

    /// There are messages in the store that are not here.
    pub(super) fn leave_out(&self) {
        self.left_out.store(true, Ordering::Release);
    }

    /// Whether messages are to be read from the store now: there are some, and little else waits.
    pub(super) fn take_left_out(&self) -> bool {
        self.len() <= self.messages_max() / 10 && self.left_out.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn has_work(&self) -> bool {
        self.left_out.load(Ordering::Acquire) || self.len() > 0
    }

    /// Resolves when something was added.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.work).len()
    }

    fn messages_max(&self) -> usize {
        self.messages_max.load(Ordering::Relaxed)
    }

    /// Keeps fewer messages in memory.
    pub(crate) fn limit(&self, messages_max: usize) {
        self.messages_max.store(messages_max, Ordering::Relaxed);
    }
}
