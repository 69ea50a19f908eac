//! One run: faults, then healing, then the last checks.

use std::collections::BTreeMap;
use std::rc::Rc;

use steadfast_core::time::{SECOND, Time};

use crate::check::{acknowledged, progress, timers, visibility};
use crate::dice::Dice;
use crate::executor::Owner;
use crate::interpreter::interpret;
use crate::options::Options;
use crate::planted::Planted;
use crate::trace::Trace;
use crate::world::World;
use crate::{client, worker};

/// After the faults, all work has to end within this, ns.
const HEALING: i64 = 3600 * SECOND;
/// After all work has ended, messages, visibility and deletions have to be through within this, ns.
const SETTLING: i64 = 120 * SECOND;

/// What came of a run.
pub(crate) struct Report {
    /// The options of the seed.
    pub options: Options,
    /// What is not as it must be.
    pub violations: Vec<String>,
    /// What was reached.
    pub marks: BTreeMap<&'static str, u64>,
    /// The number of all that happened.
    pub hash: u64,
    /// Simulated time, ns.
    pub simulated: i64,
    /// Batches that became durable.
    pub transitions: u64,
    /// Runs of workflows.
    pub runs: u64,
}

/// Runs a seed.
pub(crate) fn run(seed: u64, planted: Option<Planted>, printed: bool) -> Report {
    let dice = Dice::new(seed);
    let mut options = Options::of(&dice);
    options.planted = planted;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without threads and sockets");
    runtime.block_on(async {
        let world = World::new(&dice, options.clone(), Trace::new(printed));
        let begun = world.now();
        simulate(&world).await;
        let ledger = world.store.ledger();
        world
            .marks
            .add_many("signal: repeated in a later run", ledger.signals_repeated);
        world
            .marks
            .add_many("start: repeated in a later run", ledger.starts_repeated);
        let (transitions, runs) = (ledger.transitions, ledger.runs.len() as u64);
        drop(ledger);
        Report {
            options,
            violations: world.violations(),
            marks: world.marks.all(),
            hash: world.trace.hash(),
            simulated: world.now().since(begun),
            transitions,
            runs,
        }
    })
}

async fn simulate(world: &Rc<World>) {
    world.set_faulty(true);
    for slot in 1..=world.options.workers {
        world
            .executor
            .spawn(Owner::Client, worker::keep(world.clone(), slot));
    }
    for _ in 0..world.options.clients {
        world
            .executor
            .spawn(Owner::Client, client::run(world.clone()));
    }
    world
        .executor
        .spawn(Owner::Client, disasters(world.clone()));
    let end = world
        .now()
        .plus(world.options.fault_seconds as i64 * SECOND);
    world.run(end, |_| false).await;
    if !world.violations().is_empty() {
        return;
    }
    world.trace("the faults stop");
    world.set_faulty(false);
    let healed = world.now();
    world
        .executor
        .spawn(Owner::Client, client::end_crons(world.clone()));
    let closed = world
        .run(healed.plus(HEALING), |world| progress::is_all_closed(world))
        .await;
    if !world.violations().is_empty() {
        return;
    }
    if !closed {
        progress::all(world);
        return;
    }
    let settled = world.now().plus(SETTLING);
    world.run(settled, |_| false).await;
    if !world.violations().is_empty() {
        return;
    }
    if !world.is_quiet() {
        world.violation("the server is still at work after all work has ended".to_owned());
    }
    world.audit();
    last_checks(world, healed);
}

fn last_checks(world: &World, healed: Time) {
    acknowledged::all(world);
    visibility::all(world);
    let late = timers::late(&world.store.ledger(), healed);
    for late in late {
        world.violation(late);
    }
    let replays: Vec<_> = {
        let ledger = world.store.ledger();
        let failed = ledger.runs.iter().filter_map(|(run_id, run)| {
            let wrong = interpret(&run.workflow_id, &run.events).err()?;
            Some(format!("run {run_id}: the replay failed: {wrong}"))
        });
        failed.collect()
    };
    for replay in replays {
        world.violation(replay);
    }
}

/// What befalls the server as a whole.
async fn disasters(world: Rc<World>) {
    while world.is_faulty() {
        world.sleep(500).await;
        let per_mille = |every: u64| 500_u64.checked_div(every).unwrap_or_default();
        if world.happens(per_mille(world.options.crash_every), "crash: at rest") {
            world.crash();
        }
        if world.happens(per_mille(world.options.clock_jump_every), "clock: jumped") {
            let seconds = *world.dice.pick(&[1, 60, 3_600]);
            world.clock.advance(seconds * SECOND);
        }
        if world.dice.chance(200) {
            world.audit();
        }
    }
}
