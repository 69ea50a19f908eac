//! One situation a test: what a queue does with tasks and polls.

use std::sync::Arc;

use steadfast_matching::limits::*;
use steadfast_matching::{Match, Offer, PollerInfo, PollerToken, Priority, TaskQueue};

type Queue = TaskQueue<u32, &'static str>;

const P1: Priority = Priority::HIGHEST;
const P3: Priority = Priority::DEFAULT;
const P5: Priority = Priority::LOWEST;

fn worker(identity: &str) -> PollerInfo {
    PollerInfo {
        identity: Arc::from(identity),
        ..PollerInfo::default()
    }
}

fn limited(rate: f64) -> PollerInfo {
    PollerInfo {
        max_tasks_per_second: Some(rate),
        ..worker("limited")
    }
}

fn offer(queue: &mut Queue, now_ms: i64, task: u32, priority: Priority) {
    assert!(matches!(
        queue.offer(now_ms, task, priority, now_ms),
        Offer::Queued(_)
    ));
}

fn poll(queue: &mut Queue, now_ms: i64, name: &'static str) -> PollerToken {
    queue.poll(now_ms, worker(name), name).expect("room")
}

fn matches(queue: &mut Queue, now_ms: i64) -> Vec<(u32, &'static str)> {
    std::iter::from_fn(|| queue.next_match(now_ms))
        .map(|m| (m.task, m.poller))
        .collect()
}

fn one(queue: &mut Queue, now_ms: i64) -> Match<u32, &'static str> {
    queue.next_match(now_ms).expect("a match")
}

#[test]
fn a_waiting_poll_gets_the_task() {
    let mut queue = Queue::new(0);
    poll(&mut queue, 0, "a");
    assert!(queue.next_match(0).is_none());
    offer(&mut queue, 5, 1, P3);
    assert_eq!(matches(&mut queue, 5), [(1, "a")]);
    assert_eq!(queue.backlog_count(), 0);
    assert_eq!(queue.waiting_pollers(), 0);
}

#[test]
fn urgent_tasks_first_then_in_order_of_arrival() {
    let mut queue = Queue::new(0);
    for (task, priority) in [(1, P5), (2, P3), (3, P3), (4, P1), (5, P5)] {
        offer(&mut queue, 0, task, priority);
    }
    for name in ["a", "b", "c", "d", "e"] {
        poll(&mut queue, 1, name);
    }
    let expected = [(4, "a"), (2, "b"), (3, "c"), (1, "d"), (5, "e")];
    assert_eq!(matches(&mut queue, 1), expected);
}

#[test]
fn a_cancelled_poll_gets_nothing() {
    let mut queue = Queue::new(0);
    let a = poll(&mut queue, 0, "a");
    let b = poll(&mut queue, 0, "b");
    assert_eq!(queue.cancel(a), Some("a"));
    assert_eq!(queue.cancel(a), None);
    offer(&mut queue, 1, 1, P3);
    assert_eq!(matches(&mut queue, 1), [(1, "b")]);
    assert_eq!(queue.expire(2, b), None, "matched before");
}

#[test]
fn a_requeued_task_and_its_poll_take_their_old_places() {
    let mut queue = Queue::new(0);
    for task in 1..=3 {
        offer(&mut queue, 0, task, P3);
    }
    poll(&mut queue, 0, "a");
    poll(&mut queue, 0, "b");
    let first = one(&mut queue, 0);
    let second = one(&mut queue, 0);
    assert_eq!((first.task, second.task), (1, 2));
    queue.requeue(1, second.task_ticket, second.task);
    queue.requeue(1, first.task_ticket, first.task);
    queue.resume(1, second.poller_ticket, second.poller);
    queue.resume(1, first.poller_ticket, first.poller);
    assert_eq!(matches(&mut queue, 1), [(1, "a"), (2, "b")]);
    assert_eq!(queue.backlog_count(), 1);
}

#[test]
fn the_poll_of_an_obsolete_task_goes_on_waiting() {
    let mut queue = Queue::new(0);
    let token = poll(&mut queue, 0, "a");
    poll(&mut queue, 0, "b");
    offer(&mut queue, 0, 1, P3);
    let m = one(&mut queue, 0);
    queue.discard(1, m.task_ticket);
    queue.resume(1, m.poller_ticket.clone(), m.poller);
    assert_eq!(m.poller_ticket.token(), token);
    offer(&mut queue, 2, 2, P3);
    assert_eq!(matches(&mut queue, 2), [(2, "a")]);
    assert_eq!(queue.describe(2).stats.tasks_dispatch_rate, 1.0);
}

#[test]
fn a_worker_that_shuts_down_polls_no_more() {
    let mut queue = Queue::new(0);
    for name in ["a", "b", "a"] {
        poll(&mut queue, 0, name);
    }
    assert_eq!(queue.dismiss("a", |poll| *poll == "a"), ["a", "a"]);
    let pollers = queue.describe(0).pollers;
    assert_eq!(pollers.len(), 1);
    assert_eq!(pollers[0].identity, "b");
    offer(&mut queue, 1, 1, P3);
    assert_eq!(matches(&mut queue, 1), [(1, "b")]);
}

#[test]
fn transient_tasks_go_first_and_can_be_withdrawn() {
    let mut queue = Queue::new(0);
    offer(&mut queue, 0, 1, P3);
    offer(&mut queue, 0, 2, P1);
    let Offer::Queued(given_up) = queue.offer_transient(0, 8, P3) else {
        panic!("room")
    };
    assert!(matches!(queue.offer_transient(0, 9, P3), Offer::Queued(_)));
    assert_eq!(queue.backlog_count(), 2, "transient tasks are no backlog");
    assert_eq!(queue.withdraw(given_up), Some(8));
    assert_eq!(queue.withdraw(given_up), None);
    for name in ["a", "b", "c"] {
        poll(&mut queue, 0, name);
    }
    assert_eq!(matches(&mut queue, 0), [(2, "a"), (9, "b"), (1, "c")]);
}

#[test]
fn transient_tasks_pass_the_rate_limit() {
    let mut queue = Queue::new(0);
    queue.set_rate_limit(0, Some(0.0));
    offer(&mut queue, 0, 1, P1);
    queue.offer_transient(0, 2, P5);
    poll(&mut queue, 0, "a");
    assert_eq!(matches(&mut queue, 0), [(2, "a")]);
}

#[test]
fn too_many_transient_tasks_are_refused() {
    let mut queue = Queue::new(0);
    for task in 0..TRANSIENT_TASKS_MAX as u32 {
        assert!(matches!(
            queue.offer_transient(0, task, P3),
            Offer::Queued(_)
        ));
    }
    assert_eq!(queue.offer_transient(0, 7, P3), Offer::Full(7));
}

#[test]
fn too_many_polls_are_refused() {
    let mut queue = Queue::new(0);
    for _ in 0..POLLERS_WAITING_MAX {
        poll(&mut queue, 0, "a");
    }
    assert_eq!(queue.poll(0, worker("b"), "b"), Err("b"));
}

/// Offers one task more than the window holds.
fn overfull() -> Queue {
    let mut queue = Queue::new(0);
    for task in 0..WINDOW_TASKS_MAX as u32 {
        offer(&mut queue, 0, task, P3);
    }
    assert_eq!(queue.offer(0, 9_999, P3, 0), Offer::Full(9_999));
    queue
}

fn serve(queue: &mut Queue, now_ms: i64, count: usize) -> Vec<u32> {
    for _ in 0..count {
        poll(queue, now_ms, "a");
    }
    matches(queue, now_ms).into_iter().map(|m| m.0).collect()
}

#[test]
fn a_task_does_not_overtake_those_outside_the_window() {
    let mut queue = overfull();
    assert_eq!(queue.backlog_count(), WINDOW_TASKS_MAX as i64 + 1);
    assert!(!queue.wants_refill(), "no room yet");
    serve(&mut queue, 1, WINDOW_TASKS_MAX / 2);
    assert_eq!(queue.offer(1, 10_000, P3, 1), Offer::Full(10_000));
    offer(&mut queue, 1, 10_001, P5);
    assert!(queue.wants_refill());

    let refill = queue.begin_refill().expect("room and tasks outside");
    assert_eq!((refill.priority, refill.room), (P3, WINDOW_TASKS_MAX / 2));
    assert!(queue.begin_refill().is_none(), "one at a time");
    assert_eq!(queue.offer(2, 10_002, P3, 2), Offer::Full(10_002));
    queue.end_refill(2, P3, [(9_999, 0), (10_000, 1)], false);
    assert_eq!(queue.backlog_count(), WINDOW_TASKS_MAX as i64 / 2 + 4);

    let refill = queue.begin_refill();
    assert_eq!(refill, None, "more than half full");
    let rest = serve(&mut queue, 3, WINDOW_TASKS_MAX / 2 + 2);
    assert_eq!(rest[rest.len() - 2..], [9_999, 10_000]);
    assert!(queue.begin_refill().is_some());
    queue.end_refill(3, P3, [(10_002, 2)], false);
    assert_eq!(serve(&mut queue, 4, 2), [10_002, 10_001]);
    offer(&mut queue, 5, 1, P3);
    assert_eq!(queue.backlog_count(), 1);
}

#[test]
fn the_outbox_corrects_the_count() {
    let mut queue = Queue::new(0);
    queue.add_outside(P1, 10, 0);
    assert_eq!(queue.backlog_count(), 10);
    queue.begin_refill().expect("wanted");
    queue.end_refill(0, P1, [(1, 0)], true);
    assert_eq!(queue.backlog_count(), 10);
    queue.begin_refill().expect("wanted");
    queue.end_refill(0, P1, [], false);
    assert_eq!(queue.backlog_count(), 1);
    assert!(!queue.wants_refill());
}

#[test]
fn a_failed_refill_is_wanted_again() {
    let mut queue = Queue::new(0);
    queue.add_outside(P1, 1, 0);
    queue.begin_refill().expect("wanted");
    assert!(!queue.wants_refill());
    queue.end_refill(0, P1, [], true);
    assert!(queue.wants_refill());
}

#[test]
fn zero_blocks_and_a_poll_without_a_limit_clears_it() {
    let mut queue = Queue::new(0);
    offer(&mut queue, 0, 1, P3);
    queue.poll(0, limited(0.0), "a").expect("room");
    assert!(matches(&mut queue, 0).is_empty());
    assert_eq!(queue.next_wakeup_ms(), None, "nothing to wait for");
    assert!(queue.describe(0).stats.rate_limiting_active);
    poll(&mut queue, 1, "b");
    assert_eq!(matches(&mut queue, 1), [(1, "a")]);
}

#[test]
fn a_throttled_task_is_due_at_the_next_wakeup() {
    let mut queue = Queue::new(0);
    for task in 1..=4 {
        offer(&mut queue, 0, task, P3);
    }
    for _ in 0..4 {
        queue.poll(0, limited(2.0), "a").expect("room");
    }
    assert_eq!(matches(&mut queue, 0).len(), 2, "the burst");
    assert_eq!(queue.next_wakeup_ms(), Some(500));
    assert!(matches(&mut queue, 499).is_empty());
    assert_eq!(matches(&mut queue, 500), [(3, "a")]);
    assert_eq!(queue.next_wakeup_ms(), Some(1000));
    assert_eq!(matches(&mut queue, 60_000), [(4, "a")]);
    assert_eq!(queue.next_wakeup_ms(), None);
}

#[test]
fn the_limit_of_the_api_goes_before_that_of_workers() {
    let mut queue = Queue::new(0);
    let limit = |queue: &mut Queue| {
        let limit = queue.describe(0).effective_rate_limit;
        (
            limit.requests_per_second,
            limit.rate_limit_source().as_str_name(),
        )
    };
    assert_eq!(limit(&mut queue).1, "RATE_LIMIT_SOURCE_SYSTEM");
    queue.poll(0, limited(7.0), "a").expect("room");
    assert_eq!(limit(&mut queue), (7.0, "RATE_LIMIT_SOURCE_WORKER"));
    queue.set_rate_limit(0, Some(3.0));
    assert_eq!(limit(&mut queue), (3.0, "RATE_LIMIT_SOURCE_API"));
    queue.set_rate_limit(0, None);
    assert_eq!(limit(&mut queue), (7.0, "RATE_LIMIT_SOURCE_WORKER"));
}

#[test]
fn changing_limits_earn_no_new_burst() {
    let mut queue = Queue::new(0);
    for task in 0..1000 {
        offer(&mut queue, 0, task, P3);
    }
    let mut dispatched = 0;
    for round in 0..1000 {
        let rate = if round % 2 == 0 { 10.0 } else { 11.0 };
        queue.poll(round, limited(rate), "a").expect("room");
        dispatched += matches(&mut queue, round).len();
    }
    assert!((19..=22).contains(&dispatched), "{dispatched}");
}

#[test]
fn an_obsolete_task_costs_no_token() {
    let mut queue = Queue::new(0);
    offer(&mut queue, 0, 1, P3);
    offer(&mut queue, 0, 2, P3);
    queue.poll(0, limited(1.0), "a").expect("room");
    let m = one(&mut queue, 0);
    assert!(queue.next_match(0).is_none());
    queue.discard(0, m.task_ticket);
    queue.resume(0, m.poller_ticket, m.poller);
    assert_eq!(matches(&mut queue, 0), [(2, "a")]);
}

#[test]
fn a_sticky_queue_is_available_for_ten_seconds_after_a_poll() {
    let mut queue = Queue::new(0);
    assert!(!queue.has_recent_poller(0));
    let token = poll(&mut queue, 0, "a");
    assert!(queue.has_recent_poller(1_000_000), "it waits");
    queue.expire(60_000, token);
    assert!(queue.has_recent_poller(69_999));
    assert!(!queue.has_recent_poller(70_000));
    let token = poll(&mut queue, 80_000, "a");
    queue.cancel(token);
    assert!(
        !queue.has_recent_poller(90_000),
        "gone since 80 s, as far as is known"
    );
}

#[test]
fn unloading_gives_everything_back() {
    let mut queue = Queue::new(0);
    queue.set_rate_limit(0, Some(0.0));
    offer(&mut queue, 0, 1, P3);
    offer(&mut queue, 0, 2, P1);
    poll(&mut queue, 0, "a");
    let held = queue.unload(0);
    assert_eq!((held.stored, held.pollers), (vec![2, 1], vec!["a"]));
    queue.offer_transient(0, 3, P3);
    assert_eq!(queue.unload(0).transient, [3]);
    assert!(!queue.has_recent_poller(0));
    assert!(queue.describe(0).pollers.is_empty());
    assert_eq!(queue.backlog_count(), 0);
}

#[test]
fn a_long_wait_suggests_fewer_polls_and_an_old_backlog_more() {
    let mut queue = Queue::new(0);
    poll(&mut queue, 0, "a");
    offer(&mut queue, 1_000, 1, P3);
    assert_eq!(one(&mut queue, 1_000).poller_scaling, Some(-1));

    for task in 0..40 {
        offer(&mut queue, 1_000, task, P3);
    }
    let suggestions = |queue: &mut Queue, now_ms| {
        poll(queue, now_ms, "a");
        one(queue, now_ms).poller_scaling
    };
    let up = (0..30)
        .filter(|_| suggestions(&mut queue, 1_201) == Some(1))
        .count();
    assert_eq!(up, SCALE_UP_PER_SECOND as usize, "not a storm of them");
    assert_eq!(suggestions(&mut queue, 1_301), Some(1), "and again later");
}

#[test]
fn the_description_tells_who_polls_and_what_waits() {
    let mut queue = Queue::new(0);
    let unused = queue.describe(0);
    assert_eq!(
        unused.stats_by_priority_key.into_keys().collect::<Vec<_>>(),
        [3]
    );

    queue.poll(1_500, limited(5.0), "a").expect("room");
    let token = poll(&mut queue, 2_000, "b");
    queue
        .poll(2_000, PollerInfo::default(), "nameless")
        .expect("room");
    queue.expire(4_000, token);
    queue.set_rate_limit(0, Some(0.0));
    offer(&mut queue, 10_000, 1, P1);
    offer(&mut queue, 11_000, 2, P5);
    let description = queue.describe(12_500);
    let pollers: Vec<_> = description
        .pollers
        .iter()
        .map(|p| {
            let at = p.last_access_time.expect("set");
            (p.identity.as_str(), at.seconds, at.nanos, p.rate_per_second)
        })
        .collect();
    let expected = [
        ("b", 4, 0, POLLER_RATE_UNSET),
        ("limited", 1, 500_000_000, 5.0),
    ];
    assert_eq!(pollers, expected);
    assert_eq!(description.stats.approximate_backlog_count, 2);
    let age = |stats: &steadfast_protocol::taskqueue::TaskQueueStats| {
        let age = stats.approximate_backlog_age.expect("set");
        age.seconds * 1000 + i64::from(age.nanos) / 1_000_000
    };
    assert_eq!(age(&description.stats), 2_500);
    let by_key = description.stats_by_priority_key;
    assert_eq!(by_key.keys().copied().collect::<Vec<_>>(), [1, 5]);
    assert_eq!(age(&by_key[&5]), 1_500);
    assert!(description.stats.rate_limiting_active);
    assert_eq!(queue.describe(301_500).pollers.len(), 1);
    assert!(queue.describe(304_000).pollers.is_empty());
}

#[test]
fn identities_are_bounded_and_the_latest_kept() {
    let mut queue = Queue::new(0);
    for n in 0..POLLERS_REMEMBERED_MAX * 3 {
        let token = queue
            .poll(n as i64, worker(&format!("w{n}")), "a")
            .expect("room");
        queue.cancel(token);
    }
    let last = POLLERS_REMEMBERED_MAX * 3 - 1;
    let pollers = queue.describe(last as i64).pollers;
    assert!(pollers.len() <= POLLERS_REMEMBERED_MAX);
    assert!(pollers.len() >= POLLERS_REMEMBERED_MAX / 2);
    assert!(pollers.iter().any(|p| p.identity == format!("w{last}")));
}

#[test]
fn a_queue_is_idle_once_nothing_waits_and_nothing_happens() {
    let mut queue = Queue::new(0);
    assert!(queue.is_idle(IDLE_MS));
    let token = poll(&mut queue, 1_000, "a");
    assert!(!queue.is_idle(10 * IDLE_MS), "a poll waits");
    queue.expire(2_000, token);
    assert!(!queue.is_idle(2_000 + IDLE_MS - 1));
    assert!(queue.is_idle(2_000 + IDLE_MS));
    queue.add_outside(P3, 1, 0);
    assert!(!queue.is_idle(10 * IDLE_MS), "tasks outside");
}

#[test]
fn a_clock_that_steps_back_stands_still() {
    let mut queue = Queue::new(1_000_000);
    offer(&mut queue, 1_000_000, 1, P3);
    offer(&mut queue, 1_000_000, 2, P3);
    queue.poll(0, limited(1.0), "a").expect("room");
    queue.poll(0, limited(1.0), "b").expect("room");
    assert_eq!(matches(&mut queue, 5), [(1, "a")]);
    assert_eq!(queue.next_wakeup_ms(), Some(1_001_000));
    assert_eq!(matches(&mut queue, 1_001_000), [(2, "b")]);
}
