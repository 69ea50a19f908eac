//! P5: once the faults have stopped, all work ends.

use crate::check::acknowledged::last_event;
use crate::world::World;

/// Whether no run is open.
pub(crate) fn is_all_closed(world: &World) -> bool {
    world.store.ledger().open_runs().next().is_none()
}

/// Names what is stuck.
pub(crate) fn all(world: &World) {
    let ledger = world.store.ledger();
    let stuck: Vec<_> = ledger
        .open_runs()
        .map(|(run_id, run)| {
            let (last, at) = last_event(run);
            let since = world.now().since(at) / 1_000_000;
            let events: Vec<_> = run.events.iter().map(|event| event.event_type()).collect();
            format!(
                "stuck: {} run {run_id}, for {since} ms after {last:?}; workflow task {:?}, wake-up {}, events {events:?}",
                run.workflow_id, run.head.workflow_task, run.head.wake_up
            )
        })
        .collect();
    drop(ledger);
    for stuck in stuck {
        world.violation(stuck);
    }
}
