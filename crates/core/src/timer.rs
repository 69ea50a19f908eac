//! Timers (server-semantics 6.1).

use steadfast_protocol::history::TimerFiredEventAttributes;
use steadfast_protocol::history::history_event::Attributes;

use crate::transition::Transition;

/// Fires the timer of this Started event; nothing happens if it is gone.
pub fn fire(tx: &mut Transition<'_>, started_event_id: i64) {
    if let Some(timer) = tx.remove_timer(started_event_id) {
        tx.event(Attributes::TimerFiredEventAttributes(
            TimerFiredEventAttributes {
                timer_id: timer.timer_id.clone(),
                started_event_id,
            },
        ));
        tx.want_workflow_task();
    }
}
