//! What is due of a run happens (server-semantics 5.7, 6.1, 6.5).

use crate::context::Context;
use crate::execution::{Deadline, Execution};
use crate::outcome::Outcome;
use crate::transition::Transition;
use crate::{activity, timeout, timer, workflow_task};

/// What came of it.
#[derive(Default)]
pub struct Fired {
    /// What has to be made durable; `None` if nothing was due.
    pub outcome: Option<Outcome>,
    /// All rows of the closed run are to be deleted.
    pub delete: bool,
}

/// Lets everything happen that is due at `cx.now`, in one transition, in order of its time.
pub fn fire(run: &mut Execution, cx: &Context<'_>) -> Fired {
    let stored = run.next_stored_deadline().is_some_and(|due| due <= cx.now);
    if !run.is_open() {
        assert!(
            run.deadlines.len() <= 1,
            "a closed run only waits for its deletion"
        );
        return Fired {
            outcome: None,
            delete: stored,
        };
    }
    if !stored && !workflow_task::is_due(run, cx.now) {
        return Fired::default();
    }
    let mut tx = Transition::new(run, cx);
    while tx.run.is_open() {
        let Some(deadline) = tx.run.deadlines.get_min().copied() else {
            break;
        };
        if deadline.0 > cx.now {
            break;
        }
        match deadline.1 {
            Deadline::FirstWorkflowTask => tx.schedule_workflow_task(1, None),
            Deadline::Timer(id) => timer::fire(&mut tx, id),
            Deadline::Activity(id) => activity::on_due(&mut tx, id),
            Deadline::Run => timeout::run(&mut tx),
            Deadline::Delete => unreachable!("only a closed run is deleted"),
        }
        assert!(
            !tx.run.is_open() || !tx.run.deadlines.contains(&deadline),
            "what is due happens once"
        );
    }
    // After the rest: what arrived while the task ran is seen by the next one.
    if tx.run.is_open() && workflow_task::is_due(tx.run, cx.now) {
        workflow_task::time_out_due(&mut tx);
    }
    Fired {
        outcome: Some(tx.finish()),
        delete: false,
    }
}
